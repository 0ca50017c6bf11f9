import {
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

const UNREAD_FOLDERS = /^(?:tests?|__tests__|docs?|examples?|benchmarks?|bench|coverage|\.github|\.vscode)$/;
const LICENCES = /^(?:licen[cs]e|copying|notice|copyright)/i;

/**
 * Removes files that programs do not read from a `node_modules`: source maps and type declarations beside their
 * JavaScript, Markdown except licences, and a package's folders of tests, examples and documentation, unless its
 * package.json refers to them. Sets all times to 0, so that the same packages give the same layer.
 * @param trims false sets only the times
 */
export function trimPackages(folder: string, trims: boolean): void {
  mkdirSync(folder, { recursive: true }); // a project without packages has no such folder
  visit(folder, trims);
}

function visit(folder: string, trims: boolean): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) lutimesSync(path, 0, 0);
    else if (entry.isDirectory()) {
      if (trims && isUnreadFolder(path)) rmSync(path, { recursive: true });
      else visit(path, trims);
    } else if (trims && isUnreadFile(path)) unlinkSync(path);
    else utimesSync(path, 0, 0);
  }
  utimesSync(folder, 0, 0);
}

function isUnreadFile(path: string): boolean {
  if (path.endsWith(".map")) return existsSync(path.slice(0, -".map".length));
  const [, stem, kind] = /^(.*)\.d\.([cm]?)ts$/.exec(path) ?? [];
  if (stem !== undefined) return existsSync(`${stem}.${kind}js`);
  return /\.(?:md|markdown)$/i.test(path) && !LICENCES.test(basename(path));
}

/** A folder in the root of a package that its package.json does not refer to. */
function isUnreadFolder(path: string): boolean {
  const name = basename(path);
  if (!UNREAD_FOLDERS.test(name)) return false;
  let manifest: Readonly<Record<string, unknown>>;
  try {
    manifest = JSON.parse(readFileSync(join(dirname(path), "package.json"), "utf8")) as typeof manifest;
  } catch {
    return false; // not the root of a package
  }
  // A package.json without name or version only sets the module format of a subfolder.
  if (manifest["name"] === undefined || manifest["version"] === undefined) return false;
  const entries = ["main", "module", "exports", "imports", "bin", "browser", "scripts", "binary"];
  return !JSON.stringify(
    entries.map((key) => (key === "scripts" ? installScripts(manifest) : manifest[key])),
  ).includes(name);
}

function installScripts({ scripts }: Readonly<Record<string, unknown>>): unknown {
  const { preinstall, install, postinstall } = (scripts ?? {}) as Readonly<Record<string, unknown>>;
  return [preinstall, install, postinstall];
}
