/** Variables by name. Undefined: the value is known only during the build. */
export type Variables = ReadonlyMap<string, string | undefined>;

/** Stands for an unknown value: in a path it is a wildcard. */
const ANYTHING = "*";

/**
 * Expands a word as Docker does: removes quotes and escapes, and replaces `$NAME`, `${NAME}`, `${NAME:-word}` and
 * `${NAME:+word}` by their values. Unknown values become `*`, so that a path matches too many files rather than too few.
 */
export function expandWord(word: string, variables: Variables, escape: "\\" | "`" = "\\"): string {
  let out = "";
  let quote = "";
  for (let at = 0; at < word.length; at++) {
    const letter = word.charAt(at);
    if (letter === escape && quote !== "'") {
      const next = word.charAt(at + 1);
      // Double quotes allow only these escapes.
      if (quote === '"' && !['"', "$", escape].includes(next)) out += letter;
      else at++;
      if (quote !== '"' || ['"', "$", escape].includes(next)) out += next;
    } else if (letter === quote) {
      quote = "";
    } else if (quote === "" && (letter === '"' || letter === "'")) {
      quote = letter;
    } else if (letter === "$" && quote !== "'") {
      const { value, length } = readVariable(word.slice(at), variables, escape);
      out += value;
      at += length - 1;
    } else {
      out += letter;
    }
  }
  return out;
}

function readVariable(
  text: string,
  variables: Variables,
  escape: "\\" | "`",
): { readonly value: string; readonly length: number } {
  const plain = /^\$([A-Za-z_]\w*)/.exec(text);
  if (plain !== null) return { value: valueOf(plain[1] ?? "", variables), length: plain[0].length };
  const [open, name = ""] = /^\$\{([A-Za-z_]\w*)/.exec(text) ?? [];
  if (open === undefined) return { value: "$", length: 1 };
  const end = closingBrace(text);
  if (end === -1) return { value: text, length: text.length };
  const modifier = text.slice(open.length, end);
  return { value: modified(name, modifier, variables, escape), length: end + 1 };
}

/** The index of the brace that closes `${`. Defaults may contain variables, so braces nest. */
function closingBrace(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text.startsWith("${", at)) depth++;
    else if (text.charAt(at) === "}" && --depth === 0) return at;
  }
  return -1;
}

function modified(name: string, modifier: string, variables: Variables, escape: "\\" | "`"): string {
  const isKnown = variables.has(name) && variables.get(name) !== undefined;
  const value = valueOf(name, variables);
  if (modifier === "") return value;
  const [, colon, kind, word = ""] = /^(:?)([-+?])([^]*)$/.exec(modifier) ?? [];
  if (kind === undefined || !isKnown) {
    // An undeclared variable takes the default. Otherwise the base image or the builder may set a value.
    return kind === "-" && !variables.has(name) ? expandWord(word, variables, escape) : ANYTHING;
  }
  const isSet = colon === "" || value !== "";
  if (kind === "+") return isSet ? expandWord(word, variables, escape) : "";
  return isSet || kind === "?" ? value : expandWord(word, variables, escape);
}

function valueOf(name: string, variables: Variables): string {
  return variables.get(name) ?? ANYTHING;
}

/** The assignments of an ENV or an ARG: `NAME=value OTHER="two words"`, `NAME value`, or a name alone. */
export function readAssignments(
  text: string,
): readonly (readonly [name: string, value: string | undefined])[] {
  const old = /^([A-Za-z_]\w*)[ \t]+([^=]*)$/.exec(text);
  if (old !== null && !/^\s*[A-Za-z_]\w*=/.test(text)) return [[old[1] ?? "", (old[2] ?? "").trim()]];
  const words = text.match(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+/g) ?? [];
  return words.map((word) => {
    const at = word.indexOf("=");
    return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
  });
}
