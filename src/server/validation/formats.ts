import type { Format } from "ajv/dist/2020.js";
import type { FormatName } from "ajv-formats";
import { loadAjvFormats } from "../packages.ts";

/** The formats that are checked. `binary` and `password` are annotations and accept any text. */
export const FORMAT_NAMES: ReadonlySet<string> = new Set([
  ...["date", "time", "date-time", "iso-time", "iso-date-time", "duration"],
  ...["uri", "uri-reference", "uri-template", "url", "email", "hostname", "ipv4", "ipv6"],
  ...["regex", "uuid", "json-pointer", "json-pointer-uri-fragment", "relative-json-pointer"],
  ...["byte", "int32", "int64", "float", "double", "binary", "password"],
]);

const OF_NUMBERS: ReadonlySet<string> = new Set(["int32", "int64", "float", "double"]);

/** The check of a format; values of another type always pass. */
interface FormatCheck {
  readonly type: "string" | "number";
  readonly fits: (value: string | number) => boolean;
}

const checks = new Map<string, FormatCheck["fits"]>();

/** The check of a format in {@link FORMAT_NAMES}. The package with the checks is loaded by the first value. */
export function formatCheck(name: string): FormatCheck {
  const fits = (value: string | number): boolean => {
    let check = checks.get(name);
    if (check === undefined) checks.set(name, (check = makeCheck(name)));
    return check(value);
  };
  return { type: OF_NUMBERS.has(name) ? "number" : "string", fits };
}

function makeCheck(name: string): FormatCheck["fits"] {
  if (name === "byte") return (text) => isBase64(text as string);
  const given: Format = loadAjvFormats().default.get(name as FormatName);
  const check: unknown = typeof given === "object" && "validate" in given ? given.validate : given;
  if (check instanceof RegExp) {
    const pattern = name === "url" ? urlPattern(check) : check;
    if (name !== "url") return (text) => matches(pattern, text as string);
    return (text) => !/\s/.test(text as string) && matches(pattern, text as string);
  }
  return typeof check === "function" ? (check as FormatCheck["fits"]) : () => true;
}

/** A pattern for URLs that takes linear time: the package's own tries each `:` with each `@`. */
function urlPattern(given: RegExp): RegExp {
  return new RegExp(given.source.replace("(?:\\S+(?::\\S*)?@)?", "(?:\\S+@)?"), given.flags);
}

/** Whether a text matches. False for a text that is too long for the regex engine. */
export function matches(pattern: RegExp, text: string): boolean {
  try {
    return pattern.test(text);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) return false;
    throw error;
  }
}

// The package's own pattern accepts line breaks, and overflows the stack on some megabytes.
function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
