import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL("../../.cache/python/moto-5.1.4", import.meta.url));
const PROGRAM = join(FOLDER, "bin/moto_server");

/** Why moto can't run here; undefined if it can. Installs it on first use. */
export async function withoutMoto(): Promise<string | undefined> {
  if (existsSync(PROGRAM)) return undefined;
  try {
    await run("python3", ["-m", "venv", "--clear", FOLDER]);
    await run(join(FOLDER, "bin/pip"), ["install", "--quiet", "moto[s3,server]==5.1.4"]);
    return undefined;
  } catch (error) {
    return `moto, a server with the interface of S3, can't be installed: ${String((error as Error).message).slice(0, 200)}`;
  }
}

/** Starts a server with the interface of S3, which ends with its test. Resolves to its address. */
export async function startMoto(): Promise<string> {
  const child: ChildProcess = spawn(PROGRAM, ["-H", "127.0.0.1", "-p", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PYTHONUNBUFFERED: "1" },
  });
  after(() => child.kill());
  return new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("moto ended")));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        const address = /Running on (http:\/\/[\d.]+:\d+)/.exec(line)?.[1];
        if (address !== undefined) resolve(address);
      });
    }
  });
}
