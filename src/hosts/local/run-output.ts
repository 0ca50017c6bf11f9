import type { LogEntry } from "../../functions/log-entry.ts";
import { createInstallProgress, type InstallProgress } from "./environments/progress.ts";

/** Where the lines of a run go. */
export interface RunOutput {
  log(entry: LogEntry): void;
  /** The environment is there, or could not be made. */
  prepared?(isThere: boolean): void;
}

/**
 * This process's own output: what the function prints and, while its environment is installed, how far that is.
 * @param requirements what is installed, in words
 */
export function standardRunOutput(functionName: string, requirements: string): RunOutput {
  let progress: InstallProgress | undefined;
  return {
    log({ message, source, level }) {
      if (source === "BUILDER") {
        if (progress === undefined) {
          progress = createInstallProgress();
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
