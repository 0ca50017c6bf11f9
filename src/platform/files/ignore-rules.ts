import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { errorCode, unreadable, UploadFailure } from "./upload-failure.ts";

/** What is left out when nothing else says so: what no image needs, secrets in `.env`, and packages, which it installs. */
export const DEFAULT_IGNORE: readonly string[] = [
  ".git",
  ".gitignore",
  ".dockerignore",
  "Dockerfile",
  "Dockerfile.*",
  "*.md",
  "__pycache__",
  "*.pyc",
  ".DS_Store",
  ".venv",
  "venv",
  ".env",
  "node_modules",
];

/** Where {@link readIgnoreRules} finds the rules. */
export interface IgnoreOptions {
  /** The context folder. */
  readonly context: string;
  /** The rules themselves, as lines of a `.gitignore`. An empty list ignores nothing. */
  readonly ignore?: readonly string[] | undefined;
  /** A file of rules, relative to the context folder; it must exist. Default: its `.dockerignore`, if there is one. */
  readonly ignoreFile?: string | undefined;
}

/** Says of a path of the context whether it stays behind. */
export interface IgnoreRules {
  /** Where the rules are from, for messages. */
  readonly origin: string;
  ignores(path: string, isDirectory: boolean): boolean;
}

/**
 * The rules of a context folder, with the meaning they have in a `.gitignore`: from the list, else the file, else
 * `.dockerignore`, else {@link DEFAULT_IGNORE}. They are never mixed.
 *
 * @throws UploadFailure when the file that was named cannot be read.
 */
export async function readIgnoreRules(options: IgnoreOptions): Promise<IgnoreRules> {
  const { lines, origin } = await findLines(options);
  const { default: createIgnore } = await import("ignore");
  // Git's own default; the package's is to ignore case.
  const rules = createIgnore({ ignorecase: false }).add(lines);
  return {
    origin,
    ignores: (path, isDirectory) => path !== "." && rules.ignores(isDirectory ? `${path}/` : path),
  };
}

interface FoundLines {
  readonly lines: readonly string[];
  readonly origin: string;
}

async function findLines({ context, ignore, ignoreFile }: IgnoreOptions): Promise<FoundLines> {
  if (ignore !== undefined) return { lines: ignore, origin: "the ignore rules" };
  const name = ignoreFile ?? ".dockerignore";
  const path = resolve(context, name);
  try {
    const text = await readFile(path, "utf8");
    return { lines: text.replace(/^\uFEFF/, "").split(/\r?\n/), origin: name };
  } catch (error) {
    const isMissing = errorCode(error) === "ENOENT";
    if (isMissing && ignoreFile === undefined)
      return { lines: DEFAULT_IGNORE, origin: "the default ignore rules" };
    if (isMissing) throw new UploadFailure(`There is no file of ignore rules at ${path}.`, { cause: error });
    throw unreadable(path, error);
  }
}
