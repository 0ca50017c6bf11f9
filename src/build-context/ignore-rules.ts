import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type createIgnoreRules from "ignore";
import type { Ignore } from "ignore";
import { DefinitionError } from "../errors.ts";
import { isPattern, segmentFits, translateSegment } from "./globs.ts";
import { secretParts } from "./secret-files.ts";
import { errorCode } from "./file-failures.ts";

/** Left out when nothing else says so: files that no image needs, and packages, which it installs. */
export const DEFAULT_IGNORE: readonly string[] = [
  ...[".git", ".gitignore", ".dockerignore", "Dockerfile", "Dockerfile.*", "*.md", "__pycache__", "*.pyc"],
  ...[".DS_Store", ".venv", "venv", ".env", "node_modules"],
];

/** What {@link IgnoreRules} do beside their lines. */
export interface IgnoreRulesOptions {
  /**
   * Leaves out files whose names say that they hold secrets (`.npmrc`, `.env.local`, private keys), unless an exception
   * names them: `!.npmrc`, `!.env*` or `!certs/*.pem`, but neither `!src` nor `!**`. Default false.
   */
  readonly guardsSecrets?: boolean;
}

/**
 * Lines that each mean what they mean in a .gitignore: `/` ties one to the root, a trailing `/` means folders. Of those
 * that fit a path, or a folder that it is in, the last one decides. Git itself takes nothing back in below a folder that
 * it leaves out. Here, as in a .dockerignore, an exception (`!`) is good for all that is in a folder, and one that is
 * tied to the root holds although the folder around it was left out.
 */
export class IgnoreRules {
  /**
   * The lines as regular expressions, of which any may fit: they mean one thing to JavaScript and Python, and take paths
   * with `/` between their parts. Guarded secrets are not among them: whoever gets these patterns gets no secrets.
   */
  readonly patterns: readonly string[];
  readonly #rules: readonly Rule[];
  readonly #guardsSecrets: boolean;
  /** Fits what any line fits, exception or not. */
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
   * The rules of a folder: those of its `.dockerignore`, else {@link DEFAULT_IGNORE}. They guard secrets.
   * @throws DefinitionError with code IMAGE_INVALID when the file is there, but can't be read
   */
  static of(directory: string): IgnoreRules {
    const lines = readIgnoreFile(join(directory, ".dockerignore")) ?? DEFAULT_IGNORE;
    return new IgnoreRules(lines, { guardsSecrets: true });
  }

  /** Whether a path stays behind. A folder's path ends in `/`. */
  ignores(path: string): boolean {
    return this.#linesIgnore(path) || this.#guards(path);
  }

  /** Whether a path stays behind only because its name says that it holds secrets: no line mentions it. */
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

  /** Whether something below an ignored folder may be taken back in, so that it has to be looked into. */
  mayReopen(folder: string): boolean {
    const parts = folder.replace(/\/$/, "").split("/");
    return this.#rules.some(
      ({ isException, anchor }) =>
        isException && anchor?.every((part, index) => index >= parts.length || part === parts[index]),
    );
  }
}

/**
 * The lines of a file of ignore rules; undefined when it is not there.
 * @throws DefinitionError with code IMAGE_INVALID when it can't be read
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
  /** The line without the mark of an exception. */
  readonly line: string;
  /** A regular expression for the whole path from its start, without anchor. */
  readonly body: string;
  /** The plain parts that a pattern which is tied to the root starts with. */
  readonly anchor: readonly string[] | undefined;
  /** Whether a part of it that is more than wildcards fits one of these names. */
  readonly names: (parts: readonly string[]) => boolean;
  matcher?: Ignore;
}

/** Whether a line fits a path, or a folder that it is in. */
function fits(rule: Rule, path: string): boolean {
  return (rule.matcher ??= matcher([rule])).ignores(path);
}

/** Fits the paths that any of some lines fits, or a folder that they are in. */
function matcher(rules: readonly Rule[]): Ignore {
  // Whoever only makes an image known needs none of it.
  const { default: createIgnore } = require("ignore") as { default: typeof createIgnoreRules };
  // Git's own default; the package's is to ignore case.
  return createIgnore({ ignorecase: false, allowRelativePaths: true }).add(rules.map(({ line }) => line));
}

const require = createRequire(import.meta.url);

/** Reads one line; undefined for an empty one, a comment, and what can fit nothing. */
function parseRule(written: string): Rule | undefined {
  let text = withoutEnd(written.replace(/\r$/, ""));
  if (text === "" || text.startsWith("#")) return undefined;
  const isException = text.startsWith("!");
  if (isException) text = text.slice(1);
  // A slash is one with or without an escape.
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

/** The parts between slashes, of which one in a set is none. */
function splitSegments(text: string): string[] {
  const segments = [""];
  for (const [piece] of text.matchAll(/\\[^]|\[[!^]?\]?(?:\\[^]|\[:[a-z]+:\]|[^\\\]])*\]|[^]/gu)) {
    if (piece === "/") segments.push("");
    else segments.push(`${segments.pop()}${piece}`);
  }
  return segments;
}

/** A line without the spaces at its end, but for one that is escaped. */
function withoutEnd(line: string): string {
  const text = line.replace(/ +$/, "");
  const [slashes = ""] = /\\*$/.exec(text) ?? [];
  return slashes.length % 2 === 1 && text.length < line.length ? `${text} ` : text;
}
