import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { pythonEnvironment } from "./python-packages.ts";

let program = "";

/** Why moto, a server with the interface of S3, can't run here; undefined if it can. */
export async function withoutMoto(): Promise<string | undefined> {
  const environment = await pythonEnvironment("moto-5.1.4", "moto[s3,server]==5.1.4");
  if ("missing" in environment) return environment.missing;
  program = join(environment.folder, "bin/moto_server");
  return undefined;
}

/** Starts a server with the interface of S3, which ends with its test. Resolves to its address. */
export async function startMoto(): Promise<string> {
  const child: ChildProcess = spawn(program, ["-H", "127.0.0.1", "-p", "0"], {
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
