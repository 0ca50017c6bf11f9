/** The position of a syntax error in JSON, and its reason. */
interface SyntaxFault {
  /** Code points before the error, counted as in Python's parser: an unclosed string is reported at its start. */
  readonly offset: number;
  readonly message: string;
}

const WHITESPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const UNICODE_ESCAPE = /\\u[0-9a-fA-F]{4}/y;
const SHORT_ESCAPES = '"\\/bfnrt';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Characters below are control characters, which must be escaped. */
const FIRST_PLAIN = 0x20;
const WORD = /true|false|null/y;

/**
 * Finds the first syntax error of a text that `JSON.parse` refused. The engine's own message differs between Node
 * versions and mostly lacks the position. Uses its own stack, so that deep nesting can't overflow the call stack.
 */
export function findSyntaxFault(text: string): SyntaxFault | undefined {
  const closers: ("}" | "]")[] = [];
  let at = 0;
  let failure: string | undefined;

  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  const take = (character: string): boolean => {
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const fail = (message: string, where = at): false => {
    at = where;
    failure = message;
    return false;
  };
  const takeString = (): boolean => {
    const start = at++; // the opening quote
    for (;;) {
      // Scanned by hand: a pattern per escape would take seconds on a long text.
      let code = text.charCodeAt(at);
      while (code !== QUOTE && code !== BACKSLASH && code >= FIRST_PLAIN) code = text.charCodeAt(++at);
      if (take('"')) return true;
      if (at >= text.length || (text[at] === "\\" && at + 1 === text.length)) {
        return fail("Unterminated string", start);
      }
      if (text[at] !== "\\") return fail("Invalid control character in string");
      if (SHORT_ESCAPES.includes(text[at + 1] as string)) at += 2;
      else if (!skip(UNICODE_ESCAPE))
        return fail("Invalid escape in string", text[at + 1] === "u" ? at + 1 : at);
    }
  };
  const takeKey = (expected: string): boolean => {
    skip(WHITESPACE);
    if (text[at] !== '"') return fail(expected);
    if (!takeString()) return false;
    skip(WHITESPACE);
    return take(":") || fail("Expecting ':'");
  };
  /** Reads one value, or the start of a container. True if the value is complete. */
  const takeValue = (): boolean | undefined => {
    skip(WHITESPACE);
    if (take("{")) {
      skip(WHITESPACE);
      if (take("}")) return true;
      closers.push("}");
      return takeKey("Expecting property name or '}'") ? undefined : false;
    }
    if (take("[")) {
      skip(WHITESPACE);
      if (take("]")) return true;
      closers.push("]");
      return undefined;
    }
    if (text[at] === '"') return takeString();
    return skip(NUMBER) || skip(WORD) || fail("Expecting value");
  };
  /** Runs after a complete value: closes containers, or proceeds to the next value of one. */
  const takeSeparator = (): boolean => {
    for (;;) {
      skip(WHITESPACE);
      const closer = closers.at(-1);
      if (closer === undefined) return at >= text.length || fail("Extra data");
      if (take(closer)) closers.pop();
      else if (!take(",")) return fail(`Expecting ',' or '${closer}'`);
      else return closer === "]" || takeKey("Expecting property name");
    }
  };

  while (failure === undefined) {
    const complete = takeValue();
    if (complete === false) break;
    if (complete === true && (!takeSeparator() || (closers.length === 0 && at >= text.length))) break;
  }
  return failure === undefined ? undefined : { offset: codePoints(text, at), message: failure };
}

function codePoints(text: string, end: number): number {
  let count = 0;
  for (let index = 0; index < end; count++) index += (text.codePointAt(index) as number) > 0xffff ? 2 : 1;
  return count;
}
