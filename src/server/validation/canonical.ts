import { DefinitionError } from "../../errors.ts";
import { BYTES } from "../../routes/bytes.ts";
import { isSchemaNode, mapSubschemas, refName, type SchemaNode } from "../../routes/schema-walk.ts";

/**
 * A schema in the one form the rest of this folder reads: no `$id`s, every reference written `#/$defs/NAME`, all
 * definitions at the root. The user's schema stays as it is.
 */
export interface CanonicalSchema {
  readonly root: SchemaNode;
  readonly definitions: Readonly<Record<string, SchemaNode>>;
}

/** What a schema of bytes tells documents: true of no value. */
const BYTES_NOTES = ["type", "format", "contentMediaType"];

/** Definitions visible at some place of a schema, innermost first. */
interface Scope {
  readonly names: SchemaNode;
  readonly outer: Scope | undefined;
}

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

  const rewrite = (node: SchemaNode, outer: Scope | undefined): SchemaNode => {
    const names = node["$defs"] ?? node["definitions"];
    const scope = isSchemaNode(names) ? { names, outer } : outer;
    const { $id, $defs: _defs, definitions: _definitions, $ref, ...rest } = node;
    const copy = mapSubschemas(rest, (subschema) => rewrite(subschema, scope));
    if (BYTES in copy) for (const keyword of BYTES_NOTES) delete copy[keyword];
    if (typeof $id === "string") copy["title"] ??= $id; // the name a union's branch is reported under
    if (typeof $ref !== "string") return copy;
    const name = refName($ref);
    const [target, where] = name === "" ? [schema as SchemaNode, undefined] : resolve(name, scope);
    if (target === undefined) {
      throw new DefinitionError(
        "SCHEMA_INVALID",
        `"$ref": "${$ref}" leads nowhere; use Type.Cyclic or Type.Module.`,
      );
    }
    return { ...copy, $ref: `#/$defs/${define(target, name, where)}` };
  };

  return { root: rewrite(schema as SchemaNode, undefined), definitions };
}

function resolve(name: string, scope: Scope | undefined): [SchemaNode | undefined, Scope | undefined] {
  for (let place = scope; place !== undefined; place = place.outer) {
    const direct = Object.hasOwn(place.names, name) ? place.names[name] : undefined;
    if (isSchemaNode(direct)) return [direct, place];
    const byId = Object.values(place.names).find((node) => isSchemaNode(node) && node["$id"] === name);
    if (byId !== undefined) return [byId as SchemaNode, place];
  }
  return [undefined, undefined];
}

/** Follows `$ref`s to a node that says something itself. Keywords beside a `$ref` stay with the referring node. */
export function dereference(node: SchemaNode, definitions: CanonicalSchema["definitions"]): SchemaNode {
  let target = node;
  for (let hops = 0; typeof target["$ref"] === "string" && hops < 100; hops++) {
    target = definitions[target["$ref"].slice("#/$defs/".length)] ?? {};
  }
  return target;
}

/** The schema as one document: what a compiler takes. */
export function documentOf(root: SchemaNode, definitions: CanonicalSchema["definitions"]): SchemaNode {
  return Object.keys(definitions).length === 0 ? root : { ...root, $defs: definitions };
}
