import { eachSubschema, isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import type { CanonicalSchema } from "./canonical.ts";

/** Follows `$ref`s to a node without one. Other keywords of the nodes on the way are ignored. */
export function dereference(node: SchemaNode, definitions: CanonicalSchema["definitions"]): SchemaNode {
  let target = node;
  for (let hops = 0; typeof target["$ref"] === "string" && hops < 100; hops++) {
    target = refTarget(target, definitions) ?? {};
  }
  return target;
}

/** The target of a node's `$ref`, one step. */
export function refTarget(
  node: SchemaNode,
  definitions: CanonicalSchema["definitions"],
): SchemaNode | undefined {
  const { $ref } = node;
  return typeof $ref === "string" ? definitions[$ref.slice("#/$defs/".length)] : undefined;
}

/** The schema as a single document, for compilers. */
export function documentOf(root: SchemaNode, definitions: CanonicalSchema["definitions"]): SchemaNode {
  return Object.keys(definitions).length === 0 ? root : { ...root, $defs: definitions };
}

/** The node, the target of its `$ref` and the members of its `allOf`, which all apply to the same value. */
export function conjuncts(
  node: SchemaNode,
  definitions: CanonicalSchema["definitions"],
): readonly SchemaNode[] {
  const parts = new Set<SchemaNode>();
  const read = (part: unknown): void => {
    if (!isSchemaNode(part) || parts.has(part)) return;
    parts.add(part);
    read(refTarget(part, definitions));
    listOf(part["allOf"]).forEach(read);
  };
  read(node);
  return [...parts];
}

/** The root and all definitions. */
export function rootsOf({ root, definitions }: CanonicalSchema): readonly SchemaNode[] {
  return [root, ...Object.values(definitions)];
}

/** Whether the test is true for a node or one of its descendants. References are not followed. */
export function someNode(node: SchemaNode, test: (node: SchemaNode) => boolean): boolean {
  let found = test(node);
  if (!found) eachSubschema(node, (subschema) => (found ||= someNode(subschema, test)));
  return found;
}

/** A keyword's list; empty where the keyword is missing. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A keyword's object of schemas; empty where the keyword is missing. */
export function mapOf(value: unknown): SchemaNode {
  return isSchemaNode(value) ? value : {};
}

/** The entries of a keyword's object of schemas. */
export function entriesOf(value: unknown): [string, unknown][] {
  return Object.entries(mapOf(value));
}
