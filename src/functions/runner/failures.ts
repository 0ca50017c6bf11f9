import { fileURLToPath } from "node:url";
import { FalMissingDependencyError, FalSerializationError } from "../../errors.ts";
import { BUNDLE_FILES } from "../bundle/bundle.ts";
import { packageNameOf } from "../bundle/specifiers.ts";
import type { FailureOrigin } from "./protocol.ts";

/** Limit for cyclic causes. */
const MAX_CAUSES = 100;

/** The origin of a failure: "runner" for errors of this package that callers get unwrapped, "user" for all others. */
export function originOf(error: unknown): FailureOrigin {
  try {
    const isOurs = error instanceof FalSerializationError || error instanceof FalMissingDependencyError;
    return isOurs ? "runner" : "user";
  } catch {
    return "user"; // a proxy whose traps throw
  }
}

/** The missing package that an error reports, if the bundle imports it; undefined for any other error. */
export function missingPackage(error: unknown, bundleUrl: string): FalMissingDependencyError | undefined {
  const { code, message } = readable(error);
  if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") return undefined;
  const [, specifier] = /^Cannot find (?:package|module) '([^']+)'/.exec(message) ?? [];
  if (specifier === undefined || !/^[^./]/.test(specifier) || specifier.startsWith("file:")) return undefined;
  // If an installed package misses one of its dependencies, the original message explains it.
  if (!message.includes(fileURLToPath(bundleUrl))) return undefined;
  const packageName = packageNameOf(specifier);
  const text = `The environment has no package "${packageName}".`;
  return new FalMissingDependencyError(text, { packageName, requirement: packageName, cause: error });
}

/** An error's code and message; both are empty if reading them throws, as a proxy may. */
function readable(error: unknown): { readonly code?: unknown; readonly message: string } {
  try {
    if (!(error instanceof Error)) return { message: "" };
    const { code, message } = error as Error & { code?: unknown };
    return { code, message: String(message) };
  } catch {
    return { message: "" };
  }
}

/**
 * Removes the runner's frames from the stacks of an error and its causes; the user's frames remain.
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
    // the stack can't be read or set, or a proxy's trap throws
  }
}

function trimOwn(error: Error, runner: string): void {
  const { stack } = error;
  if (typeof stack !== "string" || !stack.includes(runner)) return;
  const lines = stack.split("\n");
  let first = lines.findIndex((line) => /^\s+at /.test(line) && line.includes(runner));
  if (first === -1) return;
  // Node's own frames between the runner and the handler are removed too.
  while (/^\s+at .*\bnode:internal\//.test(lines[first - 1] ?? "")) lines.splice(--first, 1);
  Object.defineProperty(error, "stack", {
    value: lines.slice(0, first).join("\n"),
    configurable: true,
    writable: true,
  });
}
