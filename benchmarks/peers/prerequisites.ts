import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** The C compiler: the variable CC, by default `cc`. */
export const COMPILER = process.env["CC"] ?? "cc";

/** The interpreter that runs the Python products. */
export const PYTHON = "python3.11";

/** Whether a program can be run. */
export function canRun(program: string, flag = "--version"): boolean {
  try {
    execFileSync(program, [flag], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Checks the system. @throws Error that lists every missing prerequisite, with what to install. */
export function checkPrerequisites({ python }: { readonly python: boolean }): void {
  const missing = [
    ...(process.platform === "linux"
      ? []
      : [`Linux: this is ${process.platform}, which has no epoll and no /proc`]),
    ...(availableParallelism() >= 2 ? [] : ["two cores: one for the server, one for the load generator"]),
    ...(canRun(COMPILER) ? [] : [`a C compiler: \`${COMPILER}\` does not run. Install gcc or set CC`]),
    ...(canRun("taskset") ? [] : ["taskset, which pins a server to a core. Install util-linux"]),
    ...(!python || canRun(PYTHON)
      ? []
      : [`${PYTHON}, for the Python products. Install it, or choose Node products with --only`]),
  ];
  if (missing.length > 0) {
    throw new Error(["bench:peers needs:", ...missing.map((what) => `  - ${what}`)].join("\n"));
  }
}
