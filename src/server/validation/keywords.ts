import { closestName } from "../../did-you-mean.ts";
import { BYTES } from "../../routes/bytes.ts";
import { NOTES_BESIDE } from "../../routes/field-notes.ts";
import { MEDIA } from "../../routes/media-rule.ts";
import { eachSubschema, isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { FORMAT_NAMES } from "./formats.ts";
import { JSON_TYPES } from "./json-values.ts";
import { TRUSTED_PATTERN } from "./patterns/pattern-safety.ts";

/** Checks the value of a keyword. Returns a description of valid values if it is invalid, otherwise undefined. */
type ValueRule = (value: unknown, node: SchemaNode) => string | undefined;

const isSchema = (value: unknown): boolean => isSchemaNode(value) || typeof value === "boolean";
const isNames = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((name) => typeof name === "string") &&
  new Set(value).size === value.length;
const must =
  (words: string, holds: (value: unknown) => boolean): ValueRule =>
  (value) =>
    holds(value) ? undefined : `must be ${words}`;

const anything: ValueRule = () => undefined;
const schema = must("a schema", isSchema);
const schemas = must(
  "a list of schemas with at least one",
  (value) => Array.isArray(value) && value.length > 0 && value.every(isSchema),
);
const schemaMap = must(
  "an object of schemas",
  (value) => isSchemaNode(value) && Object.values(value).every(isSchema),
);
const count = must(
  "a whole number of at least 0",
  (value) => Number.isInteger(value) && (value as number) >= 0,
);
const number = must("a finite number", (value) => Number.isFinite(value));
const flag = must("true or false", (value) => typeof value === "boolean");
const text = must("a text", (value) => typeof value === "string");
const names = must("a list of different names", isNames);
const list = must("a list", (value) => Array.isArray(value));
const divisor = must("a number above 0", (value) => Number.isFinite(value) && (value as number) > 0);
const nameLists = must(
  "an object of lists of names",
  (value) => isSchemaNode(value) && Object.values(value).every(isNames),
);
const dependencies = must(
  "an object of schemas or lists of names",
  (value) =>
    isSchemaNode(value) && Object.values(value).every((demand) => isSchema(demand) || isNames(demand)),
);
const anchor = must(
  "a name of letters, digits, -, _ and .",
  (value) => typeof value === "string" && /^[A-Za-z_][-A-Za-z0-9._]*$/.test(value),
);
const options = must("a list with at least one value", (value) => Array.isArray(value) && value.length > 0);

const items: ValueRule = (value, node) => {
  if (!Array.isArray(value)) return schema(value, node);
  if ("prefixItems" in node) return "must be a schema beside prefixItems";
  return value.every(isSchema) ? undefined : "must be a schema, or a list of schemas";
};
const additionalItems: ValueRule = (value, node) =>
  Array.isArray(node["items"]) ? schema(value, node) : 'has no effect without a list of "items"; use "items"';

const ofItems: ValueRule = (value, node) =>
  "contains" in node ? count(value, node) : 'has no effect without "contains"';
const ofCondition: ValueRule = (value, node) =>
  "if" in node ? schema(value, node) : 'has no effect without "if"';

const type: ValueRule = (value) => {
  const types: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (types.length === 0 || new Set(types).size < types.length)
    return "must be a type, or a list of different ones";
  const unknown = types.find((one) => !(JSON_TYPES as readonly unknown[]).includes(one));
  if (unknown === undefined) return undefined;
  return `is not a JSON type: ${JSON.stringify(unknown)}${suggestion(unknown, JSON_TYPES)}`;
};

const format: ValueRule = (value) => {
  if (typeof value !== "string") return "must be a string";
  return FORMAT_NAMES.has(value) ? undefined : `is not known: "${value}"${suggestion(value, FORMAT_NAMES)}`;
};

const pattern: ValueRule = (value) => {
  if (typeof value !== "string") return "must be a string";
  try {
    RegExp(value, "u");
  } catch (error) {
    return `is not a valid pattern: ${(error as Error).message}`;
  }
  return undefined;
};
const patterns: ValueRule = (value, node) =>
  schemaMap(value, node) ??
  Object.keys(value as SchemaNode)
    .map((key) => pattern(key, node))
    .find((fault) => fault !== undefined);

/** The order of properties in documents. */
const propertyOrder: ValueRule = (value, node) => {
  const fault = names(value, node);
  if (fault !== undefined) return fault;
  const known = Object.keys(isSchemaNode(node["properties"]) ? node["properties"] : {});
  const unknown = (value as string[]).find((name) => !known.includes(name));
  if (unknown === undefined) return undefined;
  return `names a property that the schema does not have: ${JSON.stringify(unknown)}${suggestion(unknown, known)}`;
};

const nullable: ValueRule = (value, node) =>
  typeof value !== "boolean"
    ? "must be true or false"
    : value && !("type" in node)
      ? 'has no effect without a "type"; use Type.Union([…, Type.Null()])'
      : undefined;

const DIALECTS =
  /^https?:\/\/json-schema\.org\/(?:draft\/2020-12|draft\/2019-09|draft-07|draft-06)\/schema#?$/;
const dialect: ValueRule = (value) =>
  typeof value === "string" && DIALECTS.test(value)
    ? undefined
    : `names an unknown dialect: ${JSON.stringify(value)}; use "https://json-schema.org/draft/2020-12/schema"`;

/** All keywords that are enforced, with the rules for their values. */
const ENFORCED: ReadonlyMap<string, ValueRule> = new Map<string, ValueRule>([
  // Identification and references.
  ["$schema", dialect],
  ["$id", text],
  ["$ref", text],
  ["$anchor", anchor],
  ["$dynamicRef", text],
  ["$dynamicAnchor", anchor],
  ["$defs", schemaMap],
  ["definitions", schemaMap],
  // For any value.
  ["type", type],
  ["enum", options],
  ["const", anything],
  ["allOf", schemas],
  ["anyOf", schemas],
  ["oneOf", schemas],
  ["not", schema],
  ["if", schema],
  ["then", ofCondition],
  ["else", ofCondition],
  ["nullable", nullable],
  // For numbers.
  ["multipleOf", divisor],
  ["minimum", number],
  ["maximum", number],
  ["exclusiveMinimum", number],
  ["exclusiveMaximum", number],
  // For strings.
  ["minLength", count],
  ["maxLength", count],
  ["pattern", pattern],
  ["format", format],
  // For arrays.
  ["items", items],
  ["prefixItems", schemas],
  ["additionalItems", additionalItems],
  ["contains", schema],
  ["minContains", ofItems],
  ["maxContains", ofItems],
  ["minItems", count],
  ["maxItems", count],
  ["uniqueItems", flag],
  ["unevaluatedItems", schema],
  // For objects.
  ["properties", schemaMap],
  ["patternProperties", patterns],
  ["additionalProperties", schema],
  ["propertyNames", schema],
  ["required", names],
  ["minProperties", count],
  ["maxProperties", count],
  ["dependentRequired", nameLists],
  ["dependentSchemas", schemaMap],
  ["dependencies", dependencies],
  ["unevaluatedProperties", schema],
  [BYTES, anything],
  [MEDIA, anything],
]);

/** Allowed keywords without effect on values. */
const ANNOTATIONS: ReadonlyMap<string, ValueRule> = new Map<string, ValueRule>([
  [TRUSTED_PATTERN, flag],
  [NOTES_BESIDE, anything],
  ["$comment", text],
  ["title", text],
  ["description", text],
  ["default", anything],
  ["examples", list],
  ["deprecated", flag],
  ["readOnly", flag],
  ["writeOnly", flag],
  ["contentEncoding", text],
  ["contentMediaType", text],
  ["example", anything],
  ["discriminator", anything],
  ["xml", anything],
  ["externalDocs", anything],
  ["x-fal-order-properties", propertyOrder],
  ["ui", anything], // the widget in fal's playground
]);

const RULES: ReadonlyMap<string, ValueRule> = new Map([...ENFORCED, ...ANNOTATIONS]);

/** Whether a keyword restricts values, or refers to schemas that do. */
export function isEnforced(keyword: string): boolean {
  return ENFORCED.has(keyword);
}

/** Keywords that are refused for a reason other than being unknown, each with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  $vocabulary: "belongs to the schemas of dialects",
  $recursiveRef: 'is of an older draft; use "$ref"',
  $recursiveAnchor: 'is of an older draft; use "$anchor"',
  contentSchema: "is not enforced: what a text holds is not looked into",
  id: 'is of an older draft; use "$id"',
};

/**
 * TypeBox's keywords for checks that are functions. They are refused, because the document could not show these checks.
 */
const BY_CODE: Readonly<Record<string, string>> = {
  "~refine": "Type.Refine is not enforced",
  "~codec": "Type.Codec is not applied",
};

/**
 * Checks a schema as its author wrote it, so that no keyword is ignored silently. Names that begin with `x-` are the
 * author's own annotations.
 * @throws Error with the keyword and its path
 */
export function checkKeywords(root: object): void {
  const seen = new Set<SchemaNode>();
  const check = (node: SchemaNode, path: string): void => {
    if (seen.has(node)) return;
    seen.add(node);
    const where = path === "" ? "" : ` at ${path}`;
    for (const [mark, words] of Object.entries(BY_CODE)) {
      if (mark in node) throw new Error(`${words}${where}; check the value in the handler`);
    }
    for (const [keyword, value] of Object.entries(node)) {
      if (value === undefined) continue;
      const rule = RULES.get(keyword);
      if (rule === undefined) {
        if (!isNote(keyword)) throw new Error(unknownKeyword(keyword, where));
        continue;
      }
      const fault = rule(value, node);
      if (fault !== undefined) throw new Error(`"${keyword}"${where} ${fault}`);
    }
    checkOrder(node, where);
    eachSubschema(node, (subschema, steps) => {
      check(subschema, [...(path === "" ? [] : [path]), ...steps].join("."));
    });
  };
  check(root as SchemaNode, "");
}

/** Pairs of bounds. A lower bound above the upper one is an error: no value could fit. */
const BOUNDS = [
  ["minLength", "maxLength"],
  ["minItems", "maxItems"],
  ["minProperties", "maxProperties"],
  ["minimum", "maximum"],
  ["minContains", "maxContains"],
] as const;

function checkOrder(node: SchemaNode, where: string): void {
  for (const [lower, upper] of BOUNDS) {
    const [least, most] = [node[lower], node[upper]];
    if (typeof least === "number" && typeof most === "number" && least > most) {
      throw new Error(`"${lower}" (${least})${where} is above "${upper}" (${most})`);
    }
  }
}

function isNote(keyword: string): boolean {
  return keyword.startsWith("~") || (keyword.startsWith("x-") && !keyword.startsWith("x-servable-"));
}

function unknownKeyword(keyword: string, where: string): string {
  const reason = REFUSED[keyword];
  if (reason !== undefined) return `"${keyword}"${where} ${reason}`;
  const meant = closestName(keyword, RULES.keys());
  return `"${keyword}"${where} is not a keyword; ${
    meant === undefined ? 'your own annotations begin with "x-"' : `did you mean "${meant}"?`
  }`;
}

function suggestion(word: unknown, known: Iterable<string>): string {
  const meant = typeof word === "string" ? closestName(word, known) : undefined;
  return meant === undefined ? "" : `; did you mean "${meant}"?`;
}
