import type { LogEntry } from "../../log-entry.ts";
import { createProgress, type Progress } from "../../output/progress.ts";

/** Receives the lines of a run. */
export interface RunOutput {
  log(entry: LogEntry): void;
  /** Called when the environment is prepared, or could not be prepared. */
  prepared?(isThere: boolean): void;
}

/**
 * Writes the lines of a run to this process's output, and shows the progress while the environment is installed.
 * @param requirements the installed packages, as text for the progress
 */
export function standardRunOutput(functionName: string, requirements: string): RunOutput {
  let progress: Progress | undefined;
  return {
    log({ message, source, level }) {
      if (source === "BUILDER") {
        if (progress === undefined) {
          progress = createProgress({ doing: "installing", done: "installed" });
          progress.start(requirements);
        }
        progress.log(message);
      } else if (source === "BRIDGE") process.stderr.write(`${functionName}: ${message}\n`);
      else (level === "STDERR" ? process.stderr : process.stdout).write(`${message}\n`);
    },
    prepared(isThere) {
      if (isThere) progress?.done();
      else progress?.failed();
      progress = undefined;
    },
  };
}
