import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { UsageError } from "../errors.ts";
import { parseJsonWithComments } from "../typescript/json-with-comments.ts";
import { resolvePackage, usedPackages, type LockedPackages } from "./npm-lockfile.ts";

/** The files that the tsconfig.json of an app extends. */
export interface CompilerSettings {
  /** Paths relative to the project's folder, the tsconfig.json itself included. */
  readonly files: readonly string[];
  /** Folders of linked packages that such files are in. */
  readonly folders: readonly string[];
}

/** The project that is searched. */
export interface CompilerContext {
  /** The folder of the lockfile. */
  readonly directory: string;
  readonly locked: LockedPackages;
  /** The packages that are installed in the image, by path. */
  readonly used: ReadonlySet<string>;
  /** Whether a folder is a package of the workspace, which npm can link. */
  readonly isMember: (folder: string) => boolean;
}

/**
 * Follows "extends" from the tsconfig.json nearest to a file. An app does not start if an extended file is missing.
 * @throws UsageError for a file outside of the project, or in a package that is installed only for development
 */
export function compilerSettings(file: string, context: CompilerContext): CompilerSettings {
  const found = { files: new Set<string>(), folders: new Set<string>() };
  const used = new Set(context.used);
  const first = nearest(dirname(file), context.directory);
  const waiting = first === undefined ? [] : [first];
  for (const path of waiting) {
    const name = within(context.directory, path);
    if (found.files.has(name)) continue;
    found.files.add(name);
    for (const parent of parentsOf(path)) {
      const next = locate(parent, path, { ...context, used });
      if (next?.folder !== undefined) {
        found.folders.add(next.folder);
        for (const each of usedPackages(context.locked, [next.folder])) used.add(each);
      }
      if (next?.file !== undefined) waiting.push(next.file);
    }
  }
  return { files: [...found.files], folders: [...found.folders] };
}

function nearest(from: string, directory: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, "tsconfig.json");
    if (existsSync(path)) return path;
    if (folder === directory || dirname(folder) === folder) return undefined;
  }
}

interface Extended {
  readonly file: string | undefined;
  /** The folder of the linked package that it is in. */
  readonly folder?: string;
}

/** Finds an extended file; undefined if it is missing or in an installed package. */
function locate(
  parent: string,
  from: string,
  { directory, locked, used, isMember }: CompilerContext,
): Extended | undefined {
  if (isAbsolute(parent) || /^\.\.?(?:\/|\\|$)/.test(parent)) {
    const path = settingsAt(resolve(dirname(from), parent));
    if (path === undefined) return undefined;
    if (isAbsolute(parent) || within(directory, path).startsWith("..")) {
      throw new UsageError(
        `${from} extends "${parent}", which is not copied into the image: move it into ${directory}, and use a relative path.`,
      );
    }
    return { file: path };
  }
  const [name = ""] = /^(?:@[^/]+\/)?[^/]+/.exec(parent) ?? [];
  const installedAt = resolvePackage(locked, name, within(directory, dirname(from)));
  if (installedAt === undefined) return undefined;
  const { link, resolved = "" } = locked[installedAt] ?? {};
  if (!used.has(installedAt) && !(link === true && isMember(resolved))) {
    throw new UsageError(
      `${from} extends "${parent}", which is installed only for development and therefore not in the image: run "npm install --save-prod ${name}" in ${dirname(from)}.`,
    );
  }
  if (link !== true) return undefined;
  return { folder: resolved, file: settingsAt(join(directory, resolved, parent.slice(name.length))) };
}

/** The file that a path in "extends" refers to. */
function settingsAt(path: string): string | undefined {
  return [path, `${path}.json`, join(path, "tsconfig.json")].find(
    (each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true,
  );
}

/** The values of "extends". Errors in the file are reported when the app is run. */
function parentsOf(path: string): readonly string[] {
  try {
    const { extends: parents = [] } = parseJsonWithComments(readFileSync(path, "utf8")) as {
      extends?: unknown;
    };
    return [parents].flat().filter((parent) => typeof parent === "string");
  } catch {
    return [];
  }
}

function within(directory: string, path: string): string {
  return relative(directory, path).split(sep).join("/");
}
