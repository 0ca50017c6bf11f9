import { fork } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { FalServerlessError } from "../../errors.ts";
import { platformFailure } from "../../controller/failure.ts";
import { styleFor } from "../style.ts";
import type { DetachedMessage } from "./run-platform.ts";
import { logPath, stateDirectory } from "./state-directory.ts";

/** Lines of the log in the message of a failed start. */
const SHOWN_LINES = 8;

/** Starts a platform in the background, and waits until it is ready. Its log is `platform.log` in its folder. */
export async function startDetached(state: string | undefined, args: readonly string[]): Promise<number> {
  const directory = stateDirectory(state);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const path = logPath(directory);
  const log = openSync(path, "a", 0o600);
  const before = statSync(path).size;
  const child = fork(process.argv[1] as string, [...args], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  const { dim } = styleFor(process.stderr);
  try {
    const text = await new Promise<string>((resolve, reject) => {
      child.on("message", (message: DetachedMessage) => {
        if (message.kind === "ready") resolve(message.text);
        else process.stderr.write(`${dim(message.line)}\n`);
      });
      child.once("error", reject);
      child.once("exit", () => {
        const lines = readFileSync(path).subarray(before).toString("utf8").trimEnd().split("\n");
        reject(
          platformFailure(
            `The platform did not start: ${lines
              .slice(-SHOWN_LINES)
              .join("\n")
              .replace(/^error: /, "")}`,
          ),
        );
      });
    });
    process.stderr.write(text);
    return 0;
  } catch (error) {
    if (error instanceof FalServerlessError) throw error;
    throw platformFailure(`The platform could not be started: ${(error as Error).message}`, error);
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}
