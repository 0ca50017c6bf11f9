import type { ValidationIssue } from "../../errors.ts";
import { BYTES, type BytesLimits } from "../../routes/bytes.ts";
import type { SchemaNode } from "../../routes/schema-walk.ts";

type Location = readonly (string | number)[];

/** The wording of pydantic, which clients of the original match on. */
const TYPE_ISSUES: Readonly<Record<string, readonly [type: string, msg: string]>> = {
  integer: ["int_type", "Input should be a valid integer"],
  number: ["float_type", "Input should be a valid number"],
  string: ["string_type", "Input should be a valid string"],
  boolean: ["bool_type", "Input should be a valid boolean"],
  array: ["list_type", "Input should be a valid list"],
  null: ["none_required", "Input should be None"],
};

/** The value is of the wrong JSON type. */
export function typeIssue(node: SchemaNode, input: unknown, at: Location): ValidationIssue {
  const types = Array.isArray(node["type"]) ? node["type"].filter((type) => type !== "null") : [node["type"]];
  const [type, msg] = typeWords(String(types[0]), node, input);
  return { type, loc: [...at], msg, input };
}

function typeWords(wanted: string, node: SchemaNode, input: unknown): readonly [string, string] {
  if ((wanted === "integer" || wanted === "number") && typeof input === "number") {
    return Number.isFinite(input)
      ? ["int_from_float", "Input should be a valid integer, got a number with a fractional part"]
      : ["finite_number", "Input should be a finite number"];
  }
  if (wanted === "object") {
    return "properties" in node
      ? ["model_attributes_type", "Input should be a valid dictionary or object to extract fields from"]
      : ["dict_type", "Input should be a valid dictionary"];
  }
  return TYPE_ISSUES[wanted] ?? ["value_error", `Input should be of type ${wanted}`];
}

const BOUNDS: Readonly<Record<string, readonly [type: string, words: string, key: string]>> = {
  minimum: ["greater_than_equal", "greater than or equal to", "ge"],
  maximum: ["less_than_equal", "less than or equal to", "le"],
  exclusiveMinimum: ["greater_than", "greater than", "gt"],
  exclusiveMaximum: ["less_than", "less than", "lt"],
  multipleOf: ["multiple_of", "a multiple of", "multiple_of"],
};

/** The value is of the right type, but breaks a rule about the value as a whole. */
export function leafIssue(
  keyword: string,
  params: Readonly<Record<string, unknown>>,
  input: unknown,
  at: Location,
  fallback = "does not fit the schema",
): ValidationIssue {
  const issue = (type: string, msg: string, ctx: Record<string, unknown>): ValidationIssue => ({
    type,
    loc: [...at],
    msg,
    input,
    ctx,
  });
  const bound = BOUNDS[keyword];
  if (bound !== undefined) {
    const [type, words, key] = bound;
    const limit = params["limit"] ?? params["multipleOf"];
    return issue(type, `Input should be ${words} ${String(limit)}`, { [key]: limit });
  }
  const limit = Number(params["limit"]);
  switch (keyword) {
    case "minLength":
      return issue("string_too_short", `String should have at least ${count(limit, "character")}`, {
        min_length: limit,
      });
    case "maxLength":
      return issue("string_too_long", `String should have at most ${count(limit, "character")}`, {
        max_length: limit,
      });
    case "minItems":
    case "maxItems":
      return lengthIssue(keyword, limit, (input as readonly unknown[]).length, issue);
    case "pattern":
      return issue("string_pattern_mismatch", `String should match pattern '${String(params["pattern"])}'`, {
        pattern: params["pattern"],
      });
    case "format":
      return issue("string_format_mismatch", `String should be a valid ${String(params["format"])}`, {
        format: params["format"],
      });
    case "enum": {
      const expected = alternatives(params["allowedValues"] as readonly unknown[]);
      return issue("literal_error", `Input should be ${expected}`, { expected });
    }
    case BYTES:
      return bytesIssue(params, input, at, issue);
    default:
      return { type: "value_error", loc: [...at], msg: `Input ${fallback}`, input };
  }
}

function bytesIssue(
  { minBytes, maxBytes }: BytesLimits,
  input: unknown,
  at: Location,
  issue: (type: string, msg: string, ctx: Record<string, unknown>) => ValidationIssue,
): ValidationIssue {
  if (minBytes !== undefined) {
    return issue("bytes_too_short", `Data should have at least ${count(minBytes, "byte")}`, {
      min_length: minBytes,
    });
  }
  if (maxBytes !== undefined) {
    return issue("bytes_too_long", `Data should have at most ${count(maxBytes, "byte")}`, {
      max_length: maxBytes,
    });
  }
  return { type: "bytes_type", loc: [...at], msg: "Input should be a valid bytes", input };
}

function lengthIssue(
  keyword: "minItems" | "maxItems",
  limit: number,
  actual: number,
  issue: (type: string, msg: string, ctx: Record<string, unknown>) => ValidationIssue,
): ValidationIssue {
  const [type, words, key] =
    keyword === "minItems" ? ["too_short", "at least", "min_length"] : ["too_long", "at most", "max_length"];
  const msg = `List should have ${words} ${count(limit, "item")} after validation, not ${actual}`;
  return issue(type, msg, { field_type: "List", [key]: limit, actual_length: actual });
}

function count(limit: number, noun: string): string {
  return `${limit} ${noun}${limit === 1 ? "" : "s"}`;
}

/** `'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`. */
function alternatives(values: readonly unknown[]): string {
  const shown = values.map((value) => (typeof value === "string" ? `'${value}'` : JSON.stringify(value)));
  return shown.length <= 1 ? shown.join("") : `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}`;
}
