import { DefinitionError } from "../../errors.ts";
import { BYTES } from "../../routes/bytes.ts";
import { MEDIA } from "../../routes/media-rule.ts";
import {
  countDynamicAnchors,
  enterScope,
  resolveReference,
  type Scope,
  type ResolvedReference,
} from "../../routes/schema-references.ts";
import { mapSubschemas, modernise, type SchemaNode, isSchemaNode } from "../../routes/schema-walk.ts";
import { equalityKey } from "./equality.ts";
import { isOfType } from "./json-values.ts";

/**
 * A schema in the one form that this folder reads: keywords of 2020-12, no `$id`s, every reference written as
 * `#/$defs/NAME`, all definitions at the root. The user's schema is not changed.
 */
export interface CanonicalSchema {
  readonly root: SchemaNode;
  readonly definitions: Readonly<Record<string, SchemaNode>>;
}

/** Keywords of a bytes schema that are only for documents. No value would satisfy them. */
const BYTES_NOTES = ["type", "format", "contentMediaType"];
/** Keywords of the schema of a file that are only for documents: its rule knows more forms. */
const MEDIA_NOTES = ["type", "properties", "required"];

/** Keywords that the canonical form replaces. */
const NAMING = [
  "$id",
  "$schema",
  "$comment",
  "$defs",
  "definitions",
  "$anchor",
  "$dynamicAnchor",
  "$dynamicRef",
];

/** @throws DefinitionError for an unresolved reference */
export function canonicalSchema(schema: object): CanonicalSchema {
  const definitions = Object.create(null) as Record<string, SchemaNode>; // a definition may be named "constructor"
  const keys = new Map<SchemaNode, string>();

  const define = (target: SchemaNode, name: string, scope: Scope | undefined): string => {
    const known = keys.get(target);
    if (known !== undefined) return known;
    const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, "_") || "root";
    const key = plain in definitions ? `${plain}-${keys.size}` : plain;
    keys.set(target, key);
    definitions[key] = {}; // reserves the name while the target is rewritten: it may refer to itself
    definitions[key] = rewrite(target, scope);
    return key;
  };

  const refer = (copy: SchemaNode, { node, name, scope }: ResolvedReference): SchemaNode => {
    if (node === true) return copy;
    if (node === false) return { ...copy, not: {} };
    const $ref = `#/$defs/${define(node, name, scope)}`;
    if (copy["$ref"] === undefined) return { ...copy, $ref };
    return { ...copy, allOf: [...((copy["allOf"] as unknown[] | undefined) ?? []), { $ref }] };
  };

  const rewrite = (node: SchemaNode, outer: Scope | undefined): SchemaNode => {
    const scope = enterScope(node, outer);
    const { $ref, ...rest } = modernise(node);
    for (const keyword of NAMING) delete rest[keyword];
    let copy: Record<string, unknown> = mapSubschemas(rest, (subschema) => rewrite(subschema, scope));
    if (MEDIA in copy) for (const keyword of MEDIA_NOTES) delete copy[keyword];
    if (BYTES in copy) for (const keyword of BYTES_NOTES) delete copy[keyword];
    if (typeof node["$id"] === "string") copy["title"] ??= node["$id"]; // the name that a union's branch is reported under
    copy = coverAllKeys(literalUnion(copy), node);
    if (typeof $ref === "string") copy = refer(copy, find($ref, scope));
    const dynamic = node["$dynamicRef"];
    return typeof dynamic === "string" ? refer(copy, findDynamic(dynamic, scope)) : copy;
  };

  return { root: rewrite(schema as SchemaNode, undefined), definitions };
}

function find(ref: string, scope: Scope): ResolvedReference {
  const target = resolveReference(ref, scope);
  if (target !== undefined) return target;
  throw new DefinitionError(
    "SCHEMA_INVALID",
    `"$ref": "${ref}" leads nowhere; use Type.Cyclic or Type.Module.`,
  );
}

/** If the anchor is unique, a dynamic reference is an ordinary one. */
function findDynamic(ref: string, scope: Scope): ResolvedReference {
  const target = find(ref, scope);
  const name = ref.slice(ref.indexOf("#") + 1);
  if (countDynamicAnchors(scope.document, name) <= 1) return target;
  throw new DefinitionError(
    "SCHEMA_INVALID",
    `"$dynamicRef": "${ref}" has more than one "$dynamicAnchor" to choose from, which is not supported; use "$ref".`,
  );
}

/** Annotations beside a literal. They have no effect on validation. */
const NOTES: ReadonlySet<string> = new Set([
  "default",
  "deprecated",
  "description",
  "example",
  "examples",
  "title",
  "ui",
]);

/** The values of a node that consists of literals only; undefined for any other. */
export function literalsOf(node: unknown): readonly unknown[] | undefined {
  if (!isSchemaNode(node)) return undefined;
  const rules = Object.keys(node).filter((keyword) => keyword !== "type" && !NOTES.has(keyword));
  if (rules.length !== 1) return undefined;
  const [rule] = rules;
  const values =
    rule === "const"
      ? [node["const"]]
      : rule === "enum"
        ? (node["enum"] as readonly unknown[])
        : branches(node, rule);
  if (values === undefined || node["type"] === undefined) return values;
  return values.filter((value) => isOfType(value, node["type"]));
}

function branches(node: SchemaNode, rule: string | undefined): readonly unknown[] | undefined {
  const list = rule === "anyOf" || rule === "oneOf" ? node[rule] : undefined;
  if (!Array.isArray(list)) return undefined;
  const values: unknown[] = [];
  for (const branch of list) {
    const literals = literalsOf(branch);
    if (literals === undefined) return undefined;
    values.push(...literals);
  }
  // With `oneOf`, a value that is in two alternatives is invalid, because it fits both.
  const distinct = new Set(values.map(equalityKey));
  return rule === "oneOf" && distinct.size < values.length ? undefined : values;
}

/** Rewrites a union of literals as an enumeration: one lookup instead of one check per branch. */
function literalUnion(node: Record<string, unknown>): Record<string, unknown> {
  const keyword = Array.isArray(node["anyOf"]) ? "anyOf" : Array.isArray(node["oneOf"]) ? "oneOf" : undefined;
  if (keyword === undefined || "enum" in node || "const" in node) return node;
  if (keyword === "anyOf" && "oneOf" in node) return node;
  const values = literalsOf({ [keyword]: node[keyword] });
  if (values === undefined || values.length === 0) return node;
  const { [keyword]: _union, ...rest } = node;
  return { ...rest, enum: values };
}

/** Patterns that are meant to match every key. Some of them don't match keys with line breaks. */
const ANY_KEY: ReadonlySet<string> = new Set([
  "^.*$",
  "^(.*)$",
  "^(?:.*)$",
  ".*",
  "",
  "^",
  "$",
  "^.*",
  ".*$",
]);

/**
 * Makes the patterns of `Type.Record` match keys with line breaks, which a pattern's dot does not: such a key would
 * pass unchecked. Documents keep the pattern as it was written.
 */
function coverAllKeys(copy: Record<string, unknown>, original: SchemaNode): Record<string, unknown> {
  const patterns = copy["patternProperties"];
  if (!isSchemaNode(patterns)) return copy;
  const isRecord = original["~kind"] === "Record";
  const entries = Object.entries(patterns);
  const [first] = entries;
  const speaksForAll = first !== undefined && entries.length === 1 && ANY_KEY.has(first[0]);
  if (speaksForAll && !("properties" in copy) && !("additionalProperties" in copy)) {
    const { patternProperties: _patterns, ...rest } = copy;
    return { ...rest, additionalProperties: first[1] };
  }
  const widened = entries.map(([pattern, schema], index) => [
    // All these patterns match every key. They get different spellings, so that none replaces another in the object.
    ANY_KEY.has(pattern) ? "(?:)".repeat(index) : isRecord ? dotsTakeAll(pattern) : pattern,
    schema,
  ]);
  return { ...copy, patternProperties: Object.fromEntries(widened) as SchemaNode };
}

/** Replaces each dot that matches any character by one that matches line breaks, too. */
function dotsTakeAll(pattern: string): string {
  return pattern.replaceAll(/\\[^]|\[(?:\\[^]|[^\]])*\]|\./g, (part) => (part === "." ? "[^]" : part));
}
