import { BYTES, type BytesLimits } from "../../routes/bytes.ts";
import type { SchemaNode } from "../../routes/schema-walk.ts";
import type { Fault } from "./issue-list.ts";
import { bytesFault, type Rule } from "./rules.ts";

/** The wording of pydantic, which clients of the original match on. */
const TYPE_ISSUES: Readonly<Record<string, readonly [type: string, msg: string]>> = {
  integer: ["int_type", "Input should be a valid integer"],
  number: ["float_type", "Input should be a valid number"],
  string: ["string_type", "Input should be a valid string"],
  boolean: ["bool_type", "Input should be a valid boolean"],
  array: ["list_type", "Input should be a valid list"],
  null: ["none_required", "Input should be None"],
};

/** The issue of a value with the wrong JSON type. */
export function typeFault(node: SchemaNode, input: unknown): Fault {
  const types = Array.isArray(node["type"]) ? node["type"].filter((type) => type !== "null") : [node["type"]];
  const [type, msg] = typeWords(String(types[0]), node, input);
  return { type, msg, input };
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

/** The issue of a value with the right type that breaks a rule about the value as a whole. */
export function ruleFault({ keyword, params }: Pick<Rule, "keyword" | "params">, input: unknown): Fault {
  const fault = (type: string, msg: string, ctx: Record<string, unknown>): Fault => ({
    type,
    msg,
    input,
    ctx,
  });
  const bound = BOUNDS[keyword];
  if (bound !== undefined) {
    const [type, words, key] = bound;
    const limit = params["limit"] ?? params["multipleOf"];
    return fault(type, `Input should be ${words} ${String(limit)}`, { [key]: limit });
  }
  const limit = Number(params["limit"]);
  switch (keyword) {
    case "minLength":
      return fault("string_too_short", `String should have at least ${count(limit, "character")}`, {
        min_length: limit,
      });
    case "maxLength":
      return fault("string_too_long", `String should have at most ${count(limit, "character")}`, {
        max_length: limit,
      });
    case "minItems":
    case "maxItems":
      return lengthFault(keyword, limit, "List", (input as readonly unknown[]).length, fault);
    case "minProperties":
    case "maxProperties":
      return lengthFault(keyword, limit, "Dictionary", Object.keys(input as object).length, fault);
    case "uniqueItems":
      return { type: "value_error", msg: "Input must NOT have duplicate items", input };
    case "pattern":
      return fault("string_pattern_mismatch", `String should match pattern '${String(params["pattern"])}'`, {
        pattern: params["pattern"],
      });
    case "format":
      return fault("string_format_mismatch", `String should be a valid ${String(params["format"])}`, {
        format: params["format"],
      });
    case "const":
    case "enum": {
      const expected = alternatives(params["allowedValues"] as readonly unknown[]);
      return fault("literal_error", `Input should be ${expected}`, { expected });
    }
    case BYTES:
      return bytesFaultWords(bytesFault(params["limits"] as BytesLimits, input) ?? {}, input, fault);
    default:
      return { type: "value_error", msg: `Input should fit ${keyword}`, input };
  }
}

type MakeFault = (type: string, msg: string, ctx: Record<string, unknown>) => Fault;

function bytesFaultWords({ minBytes, maxBytes }: BytesLimits, input: unknown, fault: MakeFault): Fault {
  if (minBytes !== undefined) {
    return fault("bytes_too_short", `Data should have at least ${count(minBytes, "byte")}`, {
      min_length: minBytes,
    });
  }
  if (maxBytes !== undefined) {
    return fault("bytes_too_long", `Data should have at most ${count(maxBytes, "byte")}`, {
      max_length: maxBytes,
    });
  }
  return { type: "bytes_type", msg: "Input should be a valid bytes", input };
}

function lengthFault(keyword: string, limit: number, field: string, actual: number, fault: MakeFault): Fault {
  const [type, words, key] = keyword.startsWith("min")
    ? ["too_short", "at least", "min_length"]
    : ["too_long", "at most", "max_length"];
  const msg = `${field} should have ${words} ${count(limit, "item")} after validation, not ${actual}`;
  return fault(type, msg, { field_type: field, [key]: limit, actual_length: actual });
}

export function count(limit: number, noun: string): string {
  return `${limit} ${noun}${limit === 1 ? "" : "s"}`;
}

/** Maximum length of a list of values in a message, and of one value, in characters. */
const MAX_LISTED = 1000;
const MAX_SHOWN = 200;

/** `'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`; of a long list the first ones and the number of the others. */
function alternatives(values: readonly unknown[]): string {
  const shown: string[] = [];
  let length = 0;
  for (const value of values) {
    const text = typeof value === "string" ? `'${value}'` : JSON.stringify(value);
    const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
    if ((length += short.length + 2) > MAX_LISTED) break;
    shown.push(short);
  }
  const left = values.length - shown.length;
  if (left > 0) shown.push(left === 1 ? "another" : `${left} others`);
  return shown.length <= 1 ? shown.join("") : `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}`;
}
