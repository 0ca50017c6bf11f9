import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { UsageError } from "../errors.ts";
import { parseJsonWithComments } from "../typescript/json-with-comments.ts";
import { resolvePackage, usedPackages, type LockedPackages } from "./npm-lockfile.ts";

/** What the tsconfig.json of an app needs beside it, by "extends". */
export interface CompilerSettings {
  /** Files of the project, relative to its folder, the tsconfig.json itself included. */
  readonly files: readonly string[];
  /** Folders of linked packages that have such files. */
  readonly folders: readonly string[];
}

/** Where it is looked. */
export interface CompilerContext {
  /** The folder of the lockfile. */
  readonly directory: string;
  readonly places: LockedPackages;
  /** The places of packages that an image gets. */
  readonly used: ReadonlySet<string>;
  /** Whether a folder is a package of the workspace, which npm links for whoever names it. */
  readonly isMember: (folder: string) => boolean;
}

/**
 * Follows the tsconfig.json that is nearest to a file: an app doesn't start where one that is extended is missing.
 * @throws UsageError for one outside of the project, or in a package that is installed for development alone
 */
export function compilerSettings(file: string, ground: CompilerContext): CompilerSettings {
  const found = { files: new Set<string>(), folders: new Set<string>() };
  const used = new Set(ground.used);
  const first = nearest(dirname(file), ground.directory);
  const waiting = first === undefined ? [] : [first];
  for (const path of waiting) {
    const name = within(ground.directory, path);
    if (found.files.has(name)) continue;
    found.files.add(name);
    for (const parent of parentsOf(path)) {
      const next = locate(parent, path, { ...ground, used });
      if (next?.folder !== undefined) {
        found.folders.add(next.folder);
        for (const place of usedPackages(ground.places, [next.folder])) used.add(place);
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
  /** Of the linked package that has it. */
  readonly folder?: string;
}

/** What is extended; undefined for a file of an installed package, and for one that is not there at all. */
function locate(
  parent: string,
  from: string,
  { directory, places, used, isMember }: CompilerContext,
): Extended | undefined {
  if (isAbsolute(parent) || /^\.\.?(?:\/|\\|$)/.test(parent)) {
    const path = settingsAt(resolve(dirname(from), parent));
    if (path === undefined) return undefined;
    if (isAbsolute(parent) || within(directory, path).startsWith("..")) {
      throw new UsageError(
        `${from} extends "${parent}", which an image does not get: move it into ${directory}, and name it by a relative path.`,
      );
    }
    return { file: path };
  }
  const [name = ""] = /^(?:@[^/]+\/)?[^/]+/.exec(parent) ?? [];
  const place = resolvePackage(places, name, within(directory, dirname(from)));
  if (place === undefined) return undefined;
  const { link, resolved = "" } = places[place] ?? {};
  if (!used.has(place) && !(link === true && isMember(resolved))) {
    throw new UsageError(
      `${from} extends "${parent}", which is installed for development alone, and so not in an image: run "npm install --save-prod ${name}" in ${dirname(from)}.`,
    );
  }
  if (link !== true) return undefined;
  return { folder: resolved, file: settingsAt(join(directory, resolved, parent.slice(name.length))) };
}

/** The file that a path in "extends" means. */
function settingsAt(path: string): string | undefined {
  return [path, `${path}.json`, join(path, "tsconfig.json")].find(
    (each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true,
  );
}

/** A file that can't be read is nobody's parent: running the app says what is wrong with it. */
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
