import { fileURLToPath } from "node:url";
import { isError } from "../../processes/thrown-codec.ts";
import { PARENT, SOURCE_ROOT } from "./function-image.ts";

/** So many errors are looked at, one inside of the other. */
const MAX_ERRORS = 100;

/** A file of the project, or of a folder above it, as the container calls it: by its URL, or by its path. */
const NAMED = new RegExp(
  `(file://)?${new URL(SOURCE_ROOT).pathname}((?:${PARENT}/)*)`.replaceAll(".", "\\."),
  "g",
);

/**
 * Names the user's files in the stacks of an error that came from a container as they are called here: of the error, and
 * of those that it holds.
 * @param root `file:` URL of the project's folder here
 */
export function localStacks(error: unknown, root: string): void {
  const seen = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (!isError(value) || seen.has(value) || seen.size >= MAX_ERRORS) return;
    seen.add(value);
    if (typeof value.stack === "string") {
      Object.defineProperty(value, "stack", {
        value: localStack(value.stack, root),
        configurable: true,
        writable: true,
        enumerable: false,
      });
    }
    visit(value.cause);
    const lists = value instanceof AggregateError ? [value.errors as unknown] : [];
    for (const field of [...lists, ...(Object.values(value) as unknown[])]) {
      if (Array.isArray(field)) field.forEach(visit);
      else visit(field);
    }
  };
  visit(error);
}

function localStack(stack: string, root: string): string {
  return stack.replaceAll(NAMED, (_all, scheme: string | undefined, parents: string) => {
    const folder = new URL(parents.replaceAll(PARENT, ".."), root);
    return scheme === undefined ? fileURLToPath(folder) : folder.href;
  });
}
