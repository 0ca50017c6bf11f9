import { fileURLToPath } from "node:url";
import { isError } from "../../processes/thrown-codec.ts";
import { IMAGE_ROOT } from "./server/container-layout.ts";

/** `file:` URL that replaces the project's folder in a container. */
export const SOURCE_ROOT = `file://${IMAGE_ROOT}/source/`;

/** Replaces "..", as in the path of another package of the workspace: a URL can't lead above the root of a disk. */
const PARENT = "__parent__";

/** Maximum number of nested errors. */
const MAX_ERRORS = 100;

/** The start of a URL or path in the container that stands for a file of the project, or of a folder above it. */
const NAMED = new RegExp(
  `(file://)?${new URL(SOURCE_ROOT).pathname}((?:${PARENT}/)*)`.replaceAll(".", "\\."),
  "g",
);

/** The source map with all sources below its root. */
export function withoutParents(map: string): string {
  const { sources, ...rest } = JSON.parse(map) as { sources: readonly string[] };
  const below = sources.map((source) => source.replaceAll(/(?<=^|\/)\.\.(?=\/)/g, PARENT));
  return JSON.stringify({ ...rest, sources: below });
}

/**
 * Replaces the container's paths by local ones in the stacks of an error from a container, and of the errors in it.
 * @param root `file:` URL of the local project folder
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
