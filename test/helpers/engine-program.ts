import { execFile } from "node:child_process";

/** Runs a container engine's program. `code` is undefined if the program could not be started. */
export function runEngineProgram(
  command: string,
  args: readonly string[],
): Promise<{ readonly code: number | undefined; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const options = { maxBuffer: 16 * 2 ** 20 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
      else resolve({ code: undefined, stdout, stderr: stderr || error.message });
    }).stdin?.end();
  });
}
