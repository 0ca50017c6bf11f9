import type { StandardIssue } from "../../routes/standard-schema.ts";
import type { Fault } from "./issue-list.ts";

/** A fault and its path. */
export interface PlacedFault {
  readonly path: readonly (string | number)[];
  /** The value at the path is filled in later. */
  readonly fault: Omit<Fault, "input">;
  /** Whether the fault is that a field is missing, if the value has none at the path. */
  readonly mayBeMissing: boolean;
}

/** The fields that Zod (`code`), Valibot (`type`) and ArkType (`code`) add to an issue. */
type LibraryIssue = StandardIssue & Readonly<Record<string, unknown>>;

/** How often unions within unions are looked into. */
const DEEPEST_UNION = 8;

/**
 * Translates an issue of a library into faults of a 422 answer: the library's message, and the `type` of the same fault of a
 * TypeBox schema if the library's code tells. An issue about several keys or branches becomes several faults.
 */
export function faultsOf(
  vendor: string,
  issue: StandardIssue,
  from: readonly (string | number)[] = [],
  depth: number = 0,
): PlacedFault[] {
  const path = [...from, ...keysOf(issue)];
  const own = issue as LibraryIssue;
  const inner = depth < DEEPEST_UNION ? branchesOf(vendor, own) : [];
  if (inner.length > 0) {
    // ArkType's branches have the whole path, those of other libraries start at the union.
    const start = vendor === "arktype" ? from : path;
    return inner.flatMap((branch) => faultsOf(vendor, branch, start, depth + 1));
  }
  const { code, keys } = own;
  if (vendor === "zod" && code === "unrecognized_keys" && Array.isArray(keys)) {
    return keys.map((key) => place([...path, String(key)], "extra_forbidden", issue.message));
  }
  const {
    type,
    ctx,
    isShape = false,
  } = TRANSLATIONS[vendor]?.(own) ?? { type: "value_error", isShape: true };
  return [place(path, type, issue.message, ctx, isShape)];
}

function place(
  path: readonly (string | number)[],
  type: string,
  message: unknown,
  ctx?: Record<string, unknown>,
  mayBeMissing: boolean = false,
): PlacedFault {
  const fault = { type, msg: String(message), ...(ctx === undefined ? {} : { ctx }) };
  return { path, fault, mayBeMissing };
}

function keysOf({ path }: StandardIssue): (string | number)[] {
  return Array.from(path ?? [], (step) => {
    const key: unknown = typeof step === "object" ? step.key : step;
    return typeof key === "number" ? key : typeof key === "object" ? "…" : String(key);
  });
}

/** The issues that an issue stands for: those of a union's branches, of a record's key, or of an intersection. */
function branchesOf(vendor: string, { code, type, errors, issues }: LibraryIssue): readonly StandardIssue[] {
  let parts: unknown;
  if (vendor === "zod") parts = code === "invalid_union" ? errors : issues;
  else if (vendor === "valibot") parts = type === "union" ? issues : undefined;
  else if (vendor === "arktype") {
    const isListed = code === "intersection" || (code === "union" && !areLiterals(errors));
    parts = isListed ? errors : undefined;
  }
  return Array.isArray(parts) ? (parts.flat() as StandardIssue[]) : [];
}

function areLiterals(errors: unknown): boolean {
  return Array.isArray(errors) && errors.every((error: LibraryIssue) => error["code"] === "unit");
}

/** The translation of an issue. */
interface Translation {
  readonly type: string;
  readonly ctx?: Record<string, unknown>;
  /** Whether the value has the wrong type, which a missing value has as well. */
  readonly isShape?: boolean;
}

const TRANSLATIONS: Readonly<Record<string, (issue: LibraryIssue) => Translation>> = {
  zod: fromZod,
  valibot: fromValibot,
  arktype: fromArkType,
};

/** The `type` of a value of the wrong type, by the name that libraries have for the right one. */
const TYPES: Readonly<Record<string, string>> = {
  string: "string_type",
  number: "float_type",
  nan: "float_type",
  int: "int_type",
  integer: "int_type",
  boolean: "bool_type",
  null: "none_required",
  array: "list_type",
  loose_tuple: "list_type",
  strict_tuple: "list_type",
  tuple: "list_type",
  object: "model_attributes_type",
  loose_object: "model_attributes_type",
  strict_object: "model_attributes_type",
  record: "dict_type",
};

function ofType(name: unknown): Translation {
  return { type: typeof name === "string" ? (TYPES[name] ?? "value_error") : "value_error", isShape: true };
}

function fromZod(issue: LibraryIssue): Translation {
  const { code, expected, origin, inclusive, minimum, maximum, format, divisor } = issue;
  switch (code) {
    case "invalid_type":
      return ofType(expected);
    case "invalid_value":
      return { type: "literal_error", isShape: true };
    case "invalid_union":
      return { type: issue["discriminator"] === undefined ? "value_error" : "literal_error", isShape: true };
    case "too_small":
      return ofBound("least", origin, minimum, inclusive !== false);
    case "too_big":
      return ofBound("most", origin, maximum, inclusive !== false);
    case "invalid_format":
      return format === "regex" ? ofPattern(issue["pattern"]) : ofFormat(format);
    case "not_multiple_of":
      return { type: "multiple_of", ctx: { multiple_of: divisor } };
    default:
      return { type: "value_error" };
  }
}

/** The faults of bounds, by the kind of value: a number, a text, or a collection. */
function ofBound(side: "least" | "most", origin: unknown, bound: unknown, inclusive: boolean): Translation {
  const isLeast = side === "least";
  const limit = typeof bound === "bigint" ? String(bound) : bound;
  if (origin === "string") {
    return isLeast
      ? { type: "string_too_short", ctx: { min_length: limit } }
      : { type: "string_too_long", ctx: { max_length: limit } };
  }
  if (origin === "number" || origin === "int" || origin === "bigint") {
    const name = isLeast ? (inclusive ? "ge" : "gt") : inclusive ? "le" : "lt";
    return { type: BOUND_TYPES[name], ctx: { [name]: limit } };
  }
  if (origin !== "array" && origin !== "set" && origin !== "map") return { type: "value_error" };
  return isLeast
    ? { type: "too_short", ctx: { min_length: limit } }
    : { type: "too_long", ctx: { max_length: limit } };
}

const BOUND_TYPES = {
  ge: "greater_than_equal",
  gt: "greater_than",
  le: "less_than_equal",
  lt: "less_than",
} as const;

function ofPattern(pattern: unknown): Translation {
  return { type: "string_pattern_mismatch", ctx: { pattern: String(pattern) } };
}

function ofFormat(format: unknown): Translation {
  return { type: "string_format_mismatch", ctx: { format: String(format) } };
}

/** Formats that have an action of their own in Valibot. */
const VALIBOT_FORMATS: ReadonlySet<unknown> = new Set([
  ...[
    "base64",
    "cuid2",
    "email",
    "rfc_email",
    "emoji",
    "hex_color",
    "hexadecimal",
    "imei",
    "ip",
    "ipv4",
    "ipv6",
  ],
  ...[
    "iso_date",
    "iso_date_time",
    "iso_time",
    "iso_time_second",
    "iso_timestamp",
    "iso_week",
    "mac",
    "mac48",
  ],
  ...[
    "mac64",
    "nanoid",
    "octal",
    "decimal",
    "digits",
    "slug",
    "ulid",
    "url",
    "uuid",
    "bic",
    "credit_card",
    "domain",
  ],
]);

function fromValibot(issue: LibraryIssue): Translation {
  const { kind, type, requirement, input, path, expected } = issue;
  if (kind === "schema") {
    if (type === "picklist" || type === "literal" || type === "enum" || type === "variant") {
      return { type: "literal_error", isShape: true };
    }
    // An object reports its keys: an unknown one, or one that is missing.
    const last: unknown = Array.isArray(path) ? path.at(-1) : undefined;
    const isKey = (last as { origin?: unknown } | undefined)?.origin === "key";
    if (isKey && expected === "never") return { type: "extra_forbidden" };
    return isKey ? { type: "missing", isShape: true } : ofType(type);
  }
  const of = typeof input === "string" ? "string" : typeof input === "number" ? "number" : "array";
  switch (type) {
    case "min_length":
    case "non_empty":
      return ofBound("least", of, type === "non_empty" ? 1 : requirement, true);
    case "max_length":
      return ofBound("most", of, requirement, true);
    case "min_value":
    case "gt_value":
      return ofBound("least", of === "number" ? of : undefined, requirement, type === "min_value");
    case "max_value":
    case "lt_value":
      return ofBound("most", of === "number" ? of : undefined, requirement, type === "max_value");
    case "integer":
    case "safe_integer":
      return { type: typeof input === "number" && !Number.isInteger(input) ? "int_from_float" : "int_type" };
    case "multiple_of":
      return { type: "multiple_of", ctx: { multiple_of: requirement } };
    case "regex":
      return ofPattern(requirement);
    default:
      return VALIBOT_FORMATS.has(type) ? ofFormat(type) : { type: "value_error" };
  }
}

function fromArkType(issue: LibraryIssue): Translation {
  const { code, rule, expected, data } = issue;
  const exclusive = issue["exclusive"] === true;
  const isText = typeof data === "string";
  switch (code) {
    case "required":
      return { type: "missing", isShape: true };
    case "domain":
      return ofType(String(expected).replace(/^an? /, ""));
    case "proto":
      return ofType(/^an? (array)$/.exec(String(expected))?.[1]);
    case "unit":
    case "union":
      return { type: expected === "null" ? "none_required" : "literal_error", isShape: true };
    case "minLength":
      return ofBound("least", isText ? "string" : "array", rule, true);
    case "maxLength":
      return ofBound("most", isText ? "string" : "array", rule, true);
    case "min":
      return ofBound("least", "number", rule, !exclusive);
    case "max":
      return ofBound("most", "number", rule, !exclusive);
    case "divisor":
      return rule === 1 ? { type: "int_from_float" } : { type: "multiple_of", ctx: { multiple_of: rule } };
    case "pattern":
      return ofPattern(rule);
    case "predicate":
      return { type: expected === "removed" ? "extra_forbidden" : "value_error" };
    default:
      return { type: "value_error" };
  }
}
