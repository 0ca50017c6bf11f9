import { InputValidationError, type ValidationIssue } from "../errors.ts";

/** A number in a JSON text that a double cannot represent. */
export interface InexactNumber {
  /** The number as written. */
  readonly literal: string;
  /** Its path: keys and indexes. */
  readonly path: readonly (string | number)[];
  /** Whether it is beyond the range of doubles, so that it would be parsed as infinite. */
  readonly isInfinite: boolean;
}

const LONG_EXPONENT = /[0-9][eE]\+?[0-9]{3}/;
/** Numbers with fewer digits are always exact. */
const LONG = 16;
const INTEGER = /^-?[0-9]+$/;
/** Maximum number of reported numbers, and of characters of each number and key: this limits the size of an answer. */
const MAX_FOUND = 20;
const MAX_SHOWN = 100;
const NONE: readonly InexactNumber[] = [];

/**
 * Finds the numbers of a JSON text that parsing would silently change: integers with more digits than a double keeps,
 * and numbers that would become infinite. Fractions are rounded to doubles as usual. An integer is accepted if a double
 * holds it exactly, or prints the same digits.
 * @param text valid JSON: it has been parsed before
 */
export function findInexactNumbers(text: string): readonly InexactNumber[] {
  if (!isSuspicious(text)) return NONE;
  const found: InexactNumber[] = [];
  /** The current path: the index in each enclosing list, and the offset of the key in each enclosing object. */
  const path: number[] = [];
  const isList: boolean[] = [];
  let isKey = false;
  let at = 0;
  while (at < text.length && found.length < MAX_FOUND) {
    const code = text.charCodeAt(at);
    switch (code) {
      case 0x22: {
        if (isKey) path[path.length - 1] = at;
        at = endOfString(text, at);
        continue;
      }
      case 0x7b: // {
      case 0x5b: // [
        isList.push(code === 0x5b);
        path.push(0);
        isKey = code === 0x7b;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        isList.pop();
        path.pop();
        isKey = false;
        break;
      case 0x3a: // :
        isKey = false;
        break;
      case 0x2c: // ,
        if (isList.at(-1) === true) path[path.length - 1] = (path.at(-1) as number) + 1;
        else isKey = true;
        break;
      default:
        if (code === 0x2d || isDigit(code)) {
          const end = endOfNumber(text, at);
          const literal = end - at < LONG && !hasExponent(text, at, end) ? "" : text.slice(at, end);
          const fault = literal === "" ? undefined : faultOf(literal);
          if (fault !== undefined) {
            const keys = path.map((place, depth) => (isList[depth] === true ? place : keyAt(text, place)));
            found.push({ literal: shortened(literal), path: keys, isInfinite: fault === "infinite" });
          }
          at = end;
          continue;
        }
    }
    at++;
  }
  return found;
}

/**
 * A quick test that all texts with such a number pass, and few others. It runs on each body: reads every 16th
 * character.
 */
function isSuspicious(text: string): boolean {
  for (let at = LONG - 1; at < text.length; at += LONG) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let first = at;
    let last = at;
    while (isDigit(text.charCodeAt(first - 1))) first--;
    while (isDigit(text.charCodeAt(last + 1))) last++;
    if (last - first + 1 >= LONG) return true;
  }
  return LONG_EXPONENT.test(text);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function faultOf(literal: string): "infinite" | "inexact" | undefined {
  const value = Number(literal);
  if (!Number.isFinite(value)) return "infinite";
  return holds(value, literal) ? undefined : "inexact";
}

/** Whether a double keeps the number as written. */
function holds(value: number, literal: string): boolean {
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return true;
  const digits = integerOf(literal);
  return digits === undefined || String(value) === digits || BigInt(value) === BigInt(digits);
}

/** The digits of an integer, including one written as `9007199254740993.0`; undefined for other numbers. */
function integerOf(literal: string): string | undefined {
  const whole = literal.replace(/\.0*$/, "");
  return INTEGER.test(whole) ? whole : undefined;
}

function keyAt(text: string, start: number): string {
  return shortened(JSON.parse(text.slice(start, endOfString(text, start))) as string);
}

function shortened(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return text.length;
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && isNumeric(text.charCodeAt(at))) at++;
  return at;
}

/** Whether a character can follow the first one of a number. */
function isNumeric(code: number): boolean {
  return isDigit(code) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === 0x2d;
}

function hasExponent(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x65 || code === 0x45) return true;
  }
  return false;
}

/**
 * Rejects JSON with numbers that parsing would change.
 * @param text valid JSON: it has been parsed before
 * @throws InputValidationError with up to 20 of these numbers
 */
export function assertExactNumbers(text: string): void {
  const found = findInexactNumbers(text);
  if (found.length > 0) throw new InputValidationError(found.map(issueOf));
}

function issueOf({ literal, path, isInfinite }: InexactNumber): ValidationIssue {
  const loc = ["body", ...path];
  if (isInfinite) {
    const input = literal.startsWith("-") ? "-Infinity" : "Infinity";
    return { type: "finite_number", loc, msg: "Input should be a finite number", input };
  }
  const msg = "Input should be an integer that a double holds, up to 2^53 in any case; send it as a string";
  return { type: "int_parsing_size", loc, msg, input: literal };
}
