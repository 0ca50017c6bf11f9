import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type createIgnoreRules from "ignore";
import type { Ignore } from "ignore";
import { DefinitionError } from "../errors.ts";
import { isPattern, segmentFits, translateSegment } from "./globs.ts";
import { secretParts } from "./secret-files.ts";
import { errorCode } from "./file-failures.ts";

/** Rules for folders without a `.dockerignore`: files that images don't need, and packages, which the build installs. */
export const DEFAULT_IGNORE: readonly string[] = [
  ...[".git", ".gitignore", ".dockerignore", "Dockerfile", "Dockerfile.*", "*.md", "__pycache__", "*.pyc"],
  ...[".DS_Store", ".venv", "venv", ".env", "node_modules"],
];

/** Options of {@link IgnoreRules}. */
export interface IgnoreRulesOptions {
  /**
   * Ignores files whose names are typical of secrets (`.npmrc`, `.env.local`, private keys), unless an exception names
   * them: `!.npmrc`, `!.env*` or `!certs/*.pem`, but neither `!src` nor `!**`. Default false.
   */
  readonly guardsSecrets?: boolean;
}

/**
 * Ignore rules in the format of a .gitignore: a `/` anchors a line to the root, a trailing `/` limits it to folders. The
 * last line that matches a path, or a folder above it, decides. Unlike in Git, and as in a .dockerignore, an exception (`!`)
 * covers everything in a folder, and an anchored exception applies even if a folder above it is ignored.
 */
export class IgnoreRules {
  /**
   * The lines as regular expressions for JavaScript and Python. A path is ignored if one of them matches. Guarded secrets
   * are not included, because the receiver of the patterns never receives secrets.
   */
  readonly patterns: readonly string[];
  readonly #rules: readonly Rule[];
  readonly #guardsSecrets: boolean;
  /** Matches a path that any line matches, exceptions included. A fast check before the lines are tried one by one. */
  #all: Ignore | undefined;

  constructor(lines: readonly string[], { guardsSecrets = false }: IgnoreRulesOptions = {}) {
    this.#guardsSecrets = guardsSecrets;
    this.#rules = lines.map(parseRule).filter((rule) => rule !== undefined);
    this.patterns = this.#rules.flatMap(({ isException, body }, index) => {
      const later = this.#rules.slice(index + 1).filter((rule) => rule.isException);
      return isException ? [] : [`^${later.map((rule) => `(?!${rule.body})`).join("")}${body}`];
    });
  }

  /**
   * The rules of a folder: its `.dockerignore`, else {@link DEFAULT_IGNORE}. They guard secrets.
   * @throws DefinitionError with code IMAGE_INVALID if the file exists but can't be read
   */
  static of(directory: string): IgnoreRules {
    const lines = readIgnoreFile(join(directory, ".dockerignore")) ?? DEFAULT_IGNORE;
    return new IgnoreRules(lines, { guardsSecrets: true });
  }

  /** Whether a path is ignored. A folder's path ends in `/`. */
  ignores(path: string): boolean {
    return this.#linesIgnore(path) || this.#guards(path);
  }

  /** Whether a path is ignored only because its name is typical of secrets, not by a line. */
  guardsAlone(path: string): boolean {
    return this.#guards(path) && !this.#linesIgnore(path);
  }

  #linesIgnore(path: string): boolean {
    this.#all ??= matcher(this.#rules);
    if (!this.#all.ignores(path)) return false;
    const decisive = this.#rules.findLast((rule) => fits(rule, path));
    return decisive?.isException === false;
  }

  #guards(path: string): boolean {
    if (!this.#guardsSecrets) return false;
    const parts = secretParts(path);
    if (parts.length === 0) return false;
    return !this.#rules.some((rule) => rule.isException && rule.names(parts) && fits(rule, path));
  }

  /** Whether an exception may apply below an ignored folder, so that it has to be walked. */
  mayReopen(folder: string): boolean {
    const parts = folder.replace(/\/$/, "").split("/");
    return this.#rules.some(
      ({ isException, anchor }) =>
        isException && anchor?.every((part, index) => index >= parts.length || part === parts[index]),
    );
  }
}

/**
 * The lines of a file of ignore rules; undefined if it does not exist.
 * @throws DefinitionError with code IMAGE_INVALID if it can't be read
 */
export function readIgnoreFile(path: string): string[] | undefined {
  try {
    return readFileSync(path, "utf8")
      .replace(/^\uFEFF/, "")
      .split("\n");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new DefinitionError("IMAGE_INVALID", `${path} can't be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

interface Rule {
  readonly isException: boolean;
  /** The line without the `!` of an exception. */
  readonly line: string;
  /** A regular expression for the path from its start, without `^`. */
  readonly body: string;
  /** The segments of an anchored pattern before its first wildcard. */
  readonly anchor: readonly string[] | undefined;
  /** Whether a segment that is more than wildcards matches one of these names. */
  readonly names: (parts: readonly string[]) => boolean;
  matcher?: Ignore;
}

/** Whether a line matches a path, or a folder above it. */
function fits(rule: Rule, path: string): boolean {
  return (rule.matcher ??= matcher([rule])).ignores(path);
}

/** Matches the paths that one of the lines matches, or a folder above them. */
function matcher(rules: readonly Rule[]): Ignore {
  // Loaded on first use, because registering an image does not need it.
  const { default: createIgnore } = require("ignore") as { default: typeof createIgnoreRules };
  // Case-sensitive like Git; the package ignores case by default.
  return createIgnore({ ignorecase: false, allowRelativePaths: true }).add(rules.map(({ line }) => line));
}

const require = createRequire(import.meta.url);

/** Parses one line; undefined if it is empty, a comment or a pattern that matches nothing. */
function parseRule(written: string): Rule | undefined {
  let text = withoutEnd(written.replace(/\r$/, ""));
  if (text === "" || text.startsWith("#")) return undefined;
  const isException = text.startsWith("!");
  if (isException) text = text.slice(1);
  // An escaped slash is still a separator.
  text = text.replaceAll(/(?<!\\)((?:\\\\)*)\\\//g, "$1/");
  const line = /^[!#]/.test(text) ? `\\${text}` : text;
  const segments = splitSegments(text);
  const isFolder = segments.length > 1 && segments.at(-1) === "";
  if (isFolder) segments.pop();
  const isAnchored = text.slice(0, -1).includes("/");
  if (segments.length > 1 && segments[0] === "") segments.shift();
  if (segments.join("") === "") return undefined;
  let body = isAnchored ? "" : "(?:.+/)?";
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (isAnyDepth(segment)) {
      if (isLast) body += ".+";
      else if (!isAnyDepth(segments[index + 1])) body += "(?:.+/)?";
      continue;
    }
    const translated = translateSegment(segment);
    if (translated === undefined) return undefined;
    body += isLast ? translated : `${translated}/`;
  }
  body += isFolder ? "/" : "(?:/|$)";
  const special = segments.findIndex(isPattern);
  const plain = special === -1 ? segments : segments.slice(0, special);
  const names = (parts: readonly string[]): boolean =>
    segments.some((segment) => isSpecific(segment) && parts.some((part) => segmentFits(segment, part)));
  return { isException, line, body, anchor: isAnchored ? plain : undefined, names };
}

/** Whether a segment has a letter or a digit outside of its wildcards and sets. */
function isSpecific(segment: string): boolean {
  return /[\p{L}\p{N}]/u.test(segment.replaceAll(/\[[^\]]*\]/g, ""));
}

function isAnyDepth(segment: string | undefined): boolean {
  return segment !== undefined && /^\*{2,}$/.test(segment);
}

/** Splits at slashes, but not inside a set. */
function splitSegments(text: string): string[] {
  const segments = [""];
  for (const [piece] of text.matchAll(/\\[^]|\[[!^]?\]?(?:\\[^]|\[:[a-z]+:\]|[^\\\]])*\]|[^]/gu)) {
    if (piece === "/") segments.push("");
    else segments.push(`${segments.pop()}${piece}`);
  }
  return segments;
}

/** Removes the spaces at the end of a line, except an escaped one. */
function withoutEnd(line: string): string {
  const text = line.replace(/ +$/, "");
  const [slashes = ""] = /\\*$/.exec(text) ?? [];
  return slashes.length % 2 === 1 && text.length < line.length ? `${text} ` : text;
}
