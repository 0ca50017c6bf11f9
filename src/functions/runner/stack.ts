import { BUNDLE_FILES } from "../bundle/bundle.ts";

/** Causes may hold each other. */
const MAX_CAUSES = 100;

/**
 * Cuts the stacks of an error and its causes where the runner begins: what is left is the user's.
 * @param folder `file:` URL of the folder that the runner lies in
 */
export function trimStack(error: unknown, folder: string): void {
  const runner = `${folder}${BUNDLE_FILES.runner}`;
  let current: unknown = error;
  try {
    for (let count = 0; current instanceof Error && count < MAX_CAUSES; count++) {
      trimOwn(current, runner);
      current = current.cause;
    }
  } catch {
    // a stack that can't be read or set, or a proxy whose traps throw
  }
}

function trimOwn(error: Error, runner: string): void {
  const { stack } = error;
  if (typeof stack !== "string" || !stack.includes(runner)) return;
  const lines = stack.split("\n");
  let first = lines.findIndex((line) => /^\s+at /.test(line) && line.includes(runner));
  if (first === -1) return;
  // What Node did between the runner and the handler goes with it.
  while (/^\s+at .*\bnode:internal\//.test(lines[first - 1] ?? "")) lines.splice(--first, 1);
  Object.defineProperty(error, "stack", {
    value: lines.slice(0, first).join("\n"),
    configurable: true,
    writable: true,
  });
}
