import { fileURLToPath } from "node:url";
import { isError } from "../../workers/thrown-codec.ts";
import { SOURCE_ROOT } from "./function-image.ts";

/** So many errors are looked at, one inside of the other. */
const MAX_ERRORS = 100;

/**
 * Names the user's files in the stacks of an error that came from a container as they are called here.
 * @param root `file:` URL of the project's folder here
 */
export function localStacks(error: unknown, root: string): void {
  const seen = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (!isError(value) || seen.has(value) || seen.size >= MAX_ERRORS) return;
    seen.add(value);
    if (typeof value.stack === "string") {
      const stack = value.stack
        .replaceAll(SOURCE_ROOT, root)
        .replaceAll(new URL(SOURCE_ROOT).pathname, fileURLToPath(root));
      Object.defineProperty(value, "stack", {
        value: stack,
        configurable: true,
        writable: true,
        enumerable: false,
      });
    }
    visit(value.cause);
    if (value instanceof AggregateError) value.errors.forEach(visit);
  };
  visit(error);
}
