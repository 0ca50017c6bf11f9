import { translateSegment } from "./glob-segment.ts";

/** What stays behind when nothing else is said, as gitignore patterns. */
export const DEFAULT_IGNORE: readonly string[] = [
  ...[".git", ".gitignore", ".dockerignore", "Dockerfile", "Dockerfile.*", "*.md", "__pycache__", "*.pyc"],
  ...[".DS_Store", ".venv", "venv", ".env", "node_modules"],
];

/**
 * Patterns with the meaning they have in a .gitignore: the last one that fits decides, `!` takes a file back in, `/`
 * ties a pattern to the root, a trailing `/` means folders. Other than with git, an exception that is tied to the root
 * holds although the folder around it was left out.
 */
export class IgnoreRules {
  /**
   * The same as regular expressions, of which any may fit: they mean one thing to JavaScript and Python, and take paths
   * with `/` between their parts.
   */
  readonly patterns: readonly string[];
  readonly #expressions: readonly RegExp[];
  readonly #exceptions: readonly Rule[];

  constructor(lines: readonly string[]) {
    const rules = lines.map(parseRule).filter((rule) => rule !== undefined);
    this.#exceptions = rules.filter(({ isException }) => isException);
    this.patterns = rules.flatMap(({ isException, body }, index) => {
      const later = rules.slice(index + 1).filter((rule) => rule.isException);
      return isException ? [] : [`^${later.map((rule) => `(?!${rule.body})`).join("")}${body}`];
    });
    this.#expressions = this.patterns.map((pattern) => new RegExp(pattern, "u"));
  }

  /** Whether a path stays behind. A folder's path ends in `/`. */
  ignores(path: string): boolean {
    return this.#expressions.some((expression) => expression.test(path));
  }

  /** Whether something below an ignored folder may be taken back in, so that it has to be looked into. */
  mayReopen(folder: string): boolean {
    const parts = folder.replace(/\/$/, "").split("/");
    return this.#exceptions.some(({ anchor }) =>
      anchor?.every((part, index) => index >= parts.length || part === parts[index]),
    );
  }
}

interface Rule {
  readonly isException: boolean;
  /** A regular expression for the whole path from its start, without anchor. */
  readonly body: string;
  /** The plain parts that a pattern which is tied to the root starts with. */
  readonly anchor: readonly string[] | undefined;
}

/** Reads one line; undefined for an empty one, a comment, and what can fit nothing. */
function parseRule(line: string): Rule | undefined {
  let text = withoutEnd(line.replace(/\r$/, ""));
  if (text === "" || text.startsWith("#")) return undefined;
  const isException = text.startsWith("!");
  if (isException) text = text.slice(1);
  const isFolder = text.endsWith("/") && !text.endsWith("\\/");
  if (isFolder) text = text.slice(0, -1);
  const isAnchored = text.includes("/");
  if (text.startsWith("/")) text = text.slice(1);
  if (text === "") return undefined;
  const segments = text.split("/");
  let body = isAnchored ? "" : "(?:.+/)?";
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === "**") {
      if (isLast) body += ".+";
      else if (segments[index + 1] !== "**") body += "(?:.+/)?";
      continue;
    }
    const translated = translateSegment(segment);
    if (translated === undefined) return undefined;
    body += isLast ? translated : `${translated}/`;
  }
  body += isFolder ? "/" : "(?:/|$)";
  const special = segments.findIndex((segment) => /[*?[\\]/.test(segment));
  const plain = special === -1 ? segments : segments.slice(0, special);
  return { isException, body, anchor: isAnchored ? plain : undefined };
}

/** A line without the spaces at its end, but for one that is escaped. */
function withoutEnd(line: string): string {
  const text = line.replace(/ +$/, "");
  const [slashes = ""] = /\\*$/.exec(text) ?? [];
  return slashes.length % 2 === 1 && text.length < line.length ? `${text} ` : text;
}
