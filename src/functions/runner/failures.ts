import { fileURLToPath } from "node:url";
import { FalMissingDependencyError, FalSerializationError } from "../../errors.ts";
import { BUNDLE_FILES } from "../bundle/bundle.ts";
import { packageNameOf } from "../bundle/specifiers.ts";
import type { FailureOrigin } from "./protocol.ts";

/** Causes may hold each other. */
const MAX_CAUSES = 100;

/** Whose failure it is: this package's own refusals are told as they are, all else is the user's code's. */
export function originOf(error: unknown): FailureOrigin {
  try {
    const isOurs = error instanceof FalSerializationError || error instanceof FalMissingDependencyError;
    return isOurs ? "runner" : "user";
  } catch {
    return "user"; // a proxy whose traps throw
  }
}

/** What an error says of a package that the bundle imports and the environment does not have. */
export function missingPackage(error: unknown, bundleUrl: string): FalMissingDependencyError | undefined {
  const { code, message } = readable(error);
  if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") return undefined;
  const [, specifier] = /^Cannot find (?:package|module) '([^']+)'/.exec(message) ?? [];
  if (specifier === undefined || !/^[^./]/.test(specifier) || specifier.startsWith("file:")) return undefined;
  // A package that misses one of its own is broken; that is for its own message to tell.
  if (!message.includes(fileURLToPath(bundleUrl))) return undefined;
  const packageName = packageNameOf(specifier);
  const text = `The environment has no package "${packageName}".`;
  return new FalMissingDependencyError(text, { packageName, requirement: packageName, cause: error });
}

/** An error's code and message. A proxy may throw when it is read; neither is there then. */
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
