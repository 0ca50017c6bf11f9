/** Character classes such as `[:alpha:]`, as parts of a regular expression. */
const CLASSES: Readonly<Record<string, string>> = {
  ...{ alnum: "0-9A-Za-z", alpha: "A-Za-z", blank: " \\t", cntrl: "\\x00-\\x1f\\x7f", digit: "0-9" },
  ...{ graph: "!-~", lower: "a-z", print: " -~", punct: "!-\\/:-@\\[-`{-~", space: " \\t\\n\\r\\f\\v" },
  ...{ upper: "A-Z", xdigit: "0-9A-Fa-f" },
};

/** Matches no name. */
const NOTHING = /(?!)/;

/** Whether a path has wildcards or escapes. */
export function isPattern(path: string): boolean {
  return /[*?[\\]/.test(path);
}

/** How a glob relates to a path: it matches the path, a folder above it, or possibly a path below it. */
export type GlobMatch = "self" | "below" | "above";

/**
 * A pattern for paths: `*`, `?`, sets and escapes match within a segment, `**` matches any number of folders. A segment
 * with an invalid set matches nothing.
 */
export class PathGlob {
  readonly #segments: readonly (RegExp | "**")[];

  constructor(glob: string) {
    this.#segments = glob.split("/").map((segment) => (segment === "**" ? "**" : segmentExpression(segment)));
  }

  /** @param path relative, with `/` between its segments */
  match(path: string): GlobMatch | undefined {
    return matchSegments(this.#segments, path.split("/"));
  }
}

function matchSegments(
  [first, ...rest]: readonly (RegExp | "**")[],
  names: readonly string[],
): GlobMatch | undefined {
  const [name, ...others] = names;
  if (first === undefined) return name === undefined ? "self" : "below";
  if (name === undefined) return "above";
  if (first !== "**") return first.test(name) ? matchSegments(rest, others) : undefined;
  if (rest.length === 0) return others.length === 0 ? "self" : "below";
  const matches = new Set([matchSegments(rest, names), matchSegments([first, ...rest], others)]);
  return (["self", "below", "above"] as const).find((match) => matches.has(match));
}

/** Whether a segment of a pattern matches a name. */
export function segmentFits(segment: string, name: string): boolean {
  return segmentExpression(segment).test(name);
}

function segmentExpression(segment: string): RegExp {
  const translated = translateSegment(segment);
  return translated === undefined ? NOTHING : new RegExp(`^${translated}$`, "su");
}

/**
 * Translates one segment of a pattern into a regular expression that never matches a `/`. Its meaning is the same in
 * JavaScript and Python. Undefined for a segment that matches nothing.
 */
export function translateSegment(segment: string): string | undefined {
  let out = "";
  for (let at = 0; at < segment.length; at++) {
    const letter = segment.charAt(at);
    if (letter === "*") {
      while (segment.charAt(at + 1) === "*") at++; // `**` within a segment means `*`
      out += "[^/]*";
    } else if (letter === "?") {
      out += "[^/]";
    } else if (letter === "[") {
      const set = readSet(segment, at);
      if (set === undefined) return undefined;
      out += set.expression;
      at = set.end;
    } else if (letter === "\\") {
      if (++at === segment.length) return undefined;
      out += quoted(segment.charAt(at));
    } else {
      out += quoted(letter);
    }
  }
  // A `*` alone must not match an empty name.
  return out === "[^/]*" ? "[^/]+" : out;
}

/** Translates a set such as `[a-z]` or `[!0-9]`; undefined if it is invalid. */
function readSet(text: string, start: number): { expression: string; end: number } | undefined {
  let at = start + 1;
  const isNegated = text.charAt(at) === "!" || text.charAt(at) === "^";
  if (isNegated) at++;
  let inside = "";
  for (let first = true; ; first = false) {
    const letter = text.charAt(at);
    if (letter === "") return undefined;
    if (letter === "]" && !first) break;
    const [named, name = ""] = /^\[:([a-z]+):\]/.exec(text.slice(at)) ?? [];
    if (named !== undefined) {
      const members = CLASSES[name];
      if (members === undefined) return undefined;
      inside += members;
      at += named.length;
    } else if (letter === "\\") {
      if (at + 1 >= text.length) return undefined;
      inside += quotedInSet(text.charAt(at + 1));
      at += 2;
    } else {
      const isRange = letter === "-" && !first && text.charAt(at + 1) !== "]";
      inside += isRange ? "-" : quotedInSet(letter);
      at++;
    }
  }
  const expression = `(?!/)[${isNegated ? "^" : ""}${inside}]`;
  return isExpression(expression) ? { expression, end: at } : undefined;
}

/** Whether a text is a valid regular expression. A descending range such as `[z-a]` is not. */
function isExpression(text: string): boolean {
  try {
    return new RegExp(text, "u").source !== "";
  } catch {
    return false;
  }
}

function quoted(letter: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(letter) && letter !== "/" ? `\\${letter}` : letter;
}

function quotedInSet(letter: string): string {
  return /[\\\]^[-]/.test(letter) ? `\\${letter}` : letter;
}
