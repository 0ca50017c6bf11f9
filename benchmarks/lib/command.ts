import { execFile } from "node:child_process";

/** How a command is run. */
export interface CommandOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Of what a failing program says: npm follows its error with all of its usage. */
const SHOWN_LINES = 12;

/** Runs a program and returns what it wrote to standard output. @throws Error with the program's own words. */
export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { maxBuffer: 64 * 1024 * 1024, ...options }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = `${stdout}${stderr}`.trim().split("\n").slice(0, SHOWN_LINES).join("\n");
      reject(new Error(`${[file, ...args].join(" ")} failed:\n${said || error.message}`, { cause: error }));
    });
  });
}
