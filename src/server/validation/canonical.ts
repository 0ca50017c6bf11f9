import { DefinitionError } from "../../errors.ts";
import { BYTES } from "../../routes/bytes.ts";
import {
  countDynamicAnchors,
  enterScope,
  resolveReference,
  type Scope,
  type Target,
} from "../../routes/schema-references.ts";
import { mapSubschemas, modernise, type SchemaNode } from "../../routes/schema-walk.ts";
import { literalUnion } from "./literals.ts";
import { coverAllKeys } from "./record-keys.ts";

/**
 * A schema in the one form the rest of this folder reads: in the words of 2020-12, no `$id`s, every reference written
 * `#/$defs/NAME`, all definitions at the root. The user's schema stays as it is.
 */
export interface CanonicalSchema {
  readonly root: SchemaNode;
  readonly definitions: Readonly<Record<string, SchemaNode>>;
}

/** What a schema of bytes tells documents: true of no value. */
const BYTES_NOTES = ["type", "format", "contentMediaType"];

/** Said by the form itself. */
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

/** @throws DefinitionError for a reference that leads nowhere. */
export function canonicalSchema(schema: object): CanonicalSchema {
  const definitions = Object.create(null) as Record<string, SchemaNode>; // "constructor" is a name like any other
  const keys = new Map<SchemaNode, string>();

  const define = (target: SchemaNode, name: string, scope: Scope | undefined): string => {
    const known = keys.get(target);
    if (known !== undefined) return known;
    const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, "_") || "root";
    const key = plain in definitions ? `${plain}-${keys.size}` : plain;
    keys.set(target, key);
    definitions[key] = {}; // holds the place while the target is read: it may refer to itself
    definitions[key] = rewrite(target, scope);
    return key;
  };

  const refer = (copy: SchemaNode, { node, name, scope }: Target): SchemaNode => {
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
    if (BYTES in copy) for (const keyword of BYTES_NOTES) delete copy[keyword];
    if (typeof node["$id"] === "string") copy["title"] ??= node["$id"]; // the name a union's branch is reported under
    copy = coverAllKeys(literalUnion(copy), node);
    if (typeof $ref === "string") copy = refer(copy, find($ref, scope));
    const dynamic = node["$dynamicRef"];
    return typeof dynamic === "string" ? refer(copy, findDynamic(dynamic, scope)) : copy;
  };

  return { root: rewrite(schema as SchemaNode, undefined), definitions };
}

function find(ref: string, scope: Scope): Target {
  const target = resolveReference(ref, scope);
  if (target !== undefined) return target;
  throw new DefinitionError(
    "SCHEMA_INVALID",
    `"$ref": "${ref}" leads nowhere; use Type.Cyclic or Type.Module.`,
  );
}

/** Where one anchor of the name exists, nothing can stand in for it: the reference is an ordinary one. */
function findDynamic(ref: string, scope: Scope): Target {
  const target = find(ref, scope);
  const name = ref.slice(ref.indexOf("#") + 1);
  if (countDynamicAnchors(scope.document, name) <= 1) return target;
  throw new DefinitionError(
    "SCHEMA_INVALID",
    `"$dynamicRef": "${ref}" has more than one "$dynamicAnchor" to choose from, which is not supported; use "$ref".`,
  );
}

/** Follows `$ref`s to a node that says something itself. Keywords beside a `$ref` stay with the referring node. */
export function dereference(node: SchemaNode, definitions: CanonicalSchema["definitions"]): SchemaNode {
  let target = node;
  for (let hops = 0; typeof target["$ref"] === "string" && hops < 100; hops++) {
    target = refTarget(target, definitions) ?? {};
  }
  return target;
}

/** What a node's `$ref` leads to, one step on. */
export function refTarget(
  node: SchemaNode,
  definitions: CanonicalSchema["definitions"],
): SchemaNode | undefined {
  const { $ref } = node;
  return typeof $ref === "string" ? definitions[$ref.slice("#/$defs/".length)] : undefined;
}

/** The schema as one document: what a compiler takes. */
export function documentOf(root: SchemaNode, definitions: CanonicalSchema["definitions"]): SchemaNode {
  return Object.keys(definitions).length === 0 ? root : { ...root, $defs: definitions };
}
