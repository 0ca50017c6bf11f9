import { fileURLToPath } from "node:url";
import { isError } from "../../processes/thrown-codec.ts";
import { IMAGE_ROOT } from "./server/container-layout.ts";

/** The folder that stands for the project's, wherever that is: `file:` URL. */
export const SOURCE_ROOT = `file://${IMAGE_ROOT}/source/`;

/** Stands for a folder above it: where a package of the same workspace lies. A URL can't lead above the root of a disk. */
const PARENT = "__parent__";

/** So many errors are looked at, one inside of the other. */
const MAX_ERRORS = 100;

/** A file of the project, or of a folder above it, as the container calls it: by its URL, or by its path. */
const NAMED = new RegExp(
  `(file://)?${new URL(SOURCE_ROOT).pathname}((?:${PARENT}/)*)`.replaceAll(".", "\\."),
  "g",
);

/** A source map whose sources all lie below its root. */
export function withoutParents(map: string): string {
  const { sources, ...rest } = JSON.parse(map) as { sources: readonly string[] };
  const below = sources.map((source) => source.replaceAll(/(?<=^|\/)\.\.(?=\/)/g, PARENT));
  return JSON.stringify({ ...rest, sources: below });
}

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
