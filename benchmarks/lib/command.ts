import { execFile } from "node:child_process";

/** The options of a command. */
export interface CommandOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** The maximum number of lines of a failing program's output in the error: npm prints its whole usage after its error. */
const SHOWN_LINES = 12;

/** Runs a program and returns its standard output. @throws Error with the program's error output. */
export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { maxBuffer: 64 * 1024 * 1024, ...options }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = `${stdout}${stderr}`.trim().split("\n").slice(0, SHOWN_LINES).join("\n");
      reject(new Error(`${[file, ...args].join(" ")} failed:\n${said || error.message}`, { cause: error }));
    });
  });
}
