import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { FalServerlessError, UsageError } from "../errors.ts";
import { findUp } from "../typescript/package-files.ts";
import { shortPath, userFrame } from "./user-frame.ts";

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === "Error" || error.name === "" ? error.message : `${error.name}: ${error.message}`;
}

/**
 * Explains in one line why `import()` of a user's file failed, and where. `imported` are the loaded files, the user's own first.
 */
export function explainLoadFailure(error: unknown, imported: readonly string[]): Error {
  if (error instanceof FalServerlessError) return error;
  const message =
    translationFault(error) ??
    missingExport(error) ??
    parserFault(error, imported) ??
    missingImport(error) ??
    thrown(error);
  const [file = "The file"] = imported;
  return new UsageError(message ?? `${shortPath(file)} can't be loaded: ${messageOf(error)}`, {
    cause: error,
  });
}

/** A syntax error in TypeScript, as esbuild reports it. */
function translationFault(error: unknown): string | undefined {
  const [, path, row, column, why] =
    /^Transform failed with \d+ errors?:\n(.+?):(\d+):(\d+): ERROR: (.+)/.exec(rawMessage(error)) ?? [];
  return path === undefined ? undefined : `${shortPath(path)}:${row}:${column}: ${why}`;
}

/** A syntax error in JavaScript. The loader names the file at best; `node --check` finds the line. */
function parserFault(error: unknown, imported: readonly string[]): string | undefined {
  const [, named] = /^Parse error (.+?):\d+:\d+$/.exec(rawMessage(error)) ?? [];
  if (named === undefined && !(error instanceof SyntaxError)) return undefined;
  const suspects = named === undefined ? imported.filter((path) => /\.[cm]?jsx?$/.test(path)) : [named];
  for (const path of suspects) {
    const { stderr } = spawnSync(process.execPath, ["--check", path], { encoding: "utf8" });
    const [, row] = /:(\d+)\n/.exec(stderr) ?? [];
    const [, why] = /^SyntaxError: (.+)$/m.exec(stderr) ?? [];
    if (row === undefined || why === undefined) continue;
    if (named !== undefined || why === rawMessage(error)) return `${shortPath(path)}:${row}: ${why}`;
  }
  return named === undefined ? undefined : `${shortPath(named)}: syntax error`;
}

function missingImport(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") return undefined;
  const message = rawMessage(error);
  const [, kind, wanted = ""] = /^Cannot find (module|package) '(.+?)'/.exec(message) ?? [];
  const importer =
    /' imported from (.+)$/m.exec(message)?.[1] ?? (error as { requireStack?: string[] }).requireStack?.[0];
  if (kind === undefined || importer === undefined) return undefined;
  const path = importer.startsWith("file:") ? fileURLToPath(importer) : importer;
  const isPackage = !/^(?:[./\\]|[A-Za-z]:[\\/])/.test(wanted);
  const where = placeOfImport(path, wanted);
  return isPackage
    ? `${where}: the package "${wanted}" is not installed; run: ${installOf(packageName(wanted), path)}`
    : `${where}: there is no file ${shortPath(wanted)}`;
}

/** The command that installs a package for a file. A package that the project lists is installed by `npm install`. */
function installOf(name: string, path: string): string {
  const manifest = findUp("package.json", dirname(path));
  try {
    const lists = JSON.parse(readFileSync(manifest ?? "", "utf8")) as Record<string, object | undefined>;
    if (name in { ...lists["devDependencies"], ...lists["dependencies"] }) return "npm install";
  } catch {
    // No project, or an invalid package.json, which npm reports.
  }
  return `npm install ${name}`;
}

function missingExport(error: unknown): string | undefined {
  if (!(error instanceof SyntaxError) || !/does not provide an export named/.test(error.message))
    return undefined;
  const head = stackHead(error);
  const [, name] = /named '(.+?)'/.exec(error.message) ?? [];
  const advice = `; if ${name} is a type, write "import type" or "type ${name}"`;
  return `${head === undefined ? "" : `${shortPath(head.path)}:${head.row}: `}${error.message}${advice}`;
}

/** User code threw while the module ran. */
function thrown(error: unknown): string | undefined {
  const frame = userFrame(error);
  return frame === undefined ? undefined : `${messageOf(error)}\n  at ${frame}`;
}

function rawMessage(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

/** Node writes the location of a syntax error in the first line of the stack. */
function stackHead(error: Error): { path: string; row: string } | undefined {
  const [, place, row] = /^((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/]).+?):(\d+)\n/.exec(error.stack ?? "") ?? [];
  if (place === undefined || row === undefined) return undefined;
  return { path: place.startsWith("file:") ? fileURLToPath(place.replace(/[?#].*$/, "")) : place, row };
}

/** `file:line` of the import of `wanted`, or the file alone if the specifier is not a literal. */
function placeOfImport(path: string, wanted: string): string {
  const stem = wanted
    .replaceAll("\\", "/")
    .replace(/^(?:.*\/)?([^/]+?)\.[cm]?[jt]sx?$/, "$1")
    .replace(/^(?:\/|[A-Za-z]:).*\//, "");
  const written = new RegExp(`["'](?:\\.[^"']*/)?${escaped(stem)}(?:\\.\\w+|/[^"']*)?["']`);
  try {
    const row = readFileSync(path, "utf8")
      .split("\n")
      .findIndex((line) => written.test(line));
    return row === -1 ? shortPath(path) : `${shortPath(path)}:${row + 1}`;
  } catch {
    return shortPath(path);
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
