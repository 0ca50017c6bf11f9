import { readdirSync, statSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { didYouMean } from "../did-you-mean.ts";
import { UsageError } from "../errors.ts";

/** A parsed `FILE[::Class]`. */
export interface SourceTarget {
  /** The file as it was typed, for messages. */
  readonly shown: string;
  /** Absolute. */
  readonly file: string;
  /** The class or export to use. Default: the only one. */
  readonly className: string | undefined;
}

const EXTENSIONS: ReadonlySet<string> = new Set([
  ".ts",
  ".mts",
  ".cts",
  ".tsx",
  ".js",
  ".mjs",
  ".cjs",
  ".jsx",
]);

/**
 * Parses `FILE[::Class]`, and checks that the file exists. The single colon of a drive letter is part of the file.
 * @throws UsageError
 */
export function parseSourceTarget(text: string): SourceTarget {
  const at = text.lastIndexOf("::");
  const shown = at === -1 ? text : text.slice(0, at);
  const className = at === -1 ? undefined : text.slice(at + 2);
  if (shown === "") throw new UsageError(`"${text}" names no file; write FILE or FILE::Class.`);
  if (className === "") throw new UsageError(`"${text}" names no class after "::"; write ${shown}::Class.`);
  const file = resolve(shown);
  assertSourceFile(shown, file);
  return { shown, file, className };
}

function assertSourceFile(shown: string, file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) {
    const hint = didYouMean(basename(file), sourceFilesIn(dirname(file)));
    throw new UsageError(
      `There is no file ${shown}${hint || "; give the path of the file with your class."}`,
    );
  }
  if (found.isDirectory()) {
    const [first = "app.ts"] = sourceFilesIn(file);
    throw new UsageError(
      `${shown} is a folder; give a file in it, such as ${shown.replace(/[/\\]+$/, "")}/${first}.`,
    );
  }
  if (!EXTENSIONS.has(extname(file))) {
    throw new UsageError(`${shown} is not a TypeScript or JavaScript file; its name must end in .ts or .js.`);
  }
}

function sourceFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => EXTENSIONS.has(extname(name)) && !/\.(?:test|d)\.[a-z]+$/.test(name))
      .sort();
  } catch {
    return [];
  }
}
