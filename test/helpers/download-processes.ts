import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./cli.ts";

/** A process that downloads. */
export interface DownloadProcess {
  readonly child: ChildProcess;
  /** Its result when it has ended; an empty object if it was killed. */
  readonly result: Promise<{ readonly path?: string; readonly error?: string }>;
}

/** Starts `test/fixtures/download-process.ts`. */
export function startDownload(cache: string, name: string, ...args: unknown[]): DownloadProcess {
  const fixture = fileURLToPath(new URL("../fixtures/download-process.ts", import.meta.url));
  const flags = ["--conditions=servable-source", "--import", import.meta.resolve("tsx")];
  const child = spawn(process.execPath, [...flags, fixture, name, JSON.stringify(args)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: cleanEnvironment({ SERVABLE_CACHE_DIR: cache }),
  });
  after(() => child.kill("SIGKILL"));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const result = once(child, "close").then(
    () => JSON.parse(text === "" ? "{}" : text) as { path?: string; error?: string },
  );
  return { child, result };
}
