import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { equalityKey } from "./equality.ts";
import { isOfType } from "./json-types.ts";

/** Keywords beside a literal that say nothing about the value. */
const NOTES: ReadonlySet<string> = new Set([
  "default",
  "deprecated",
  "description",
  "example",
  "examples",
  "title",
  "ui",
]);

/** The values of a node that is nothing but literals; undefined for any other. */
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
  // A value that two alternatives list fits more than one of them.
  const distinct = new Set(values.map(equalityKey));
  return rule === "oneOf" && distinct.size < values.length ? undefined : values;
}

/** A union of literals as what it is, a list of values: one look instead of one a branch. */
export function literalUnion(node: Record<string, unknown>): Record<string, unknown> {
  const keyword = Array.isArray(node["anyOf"]) ? "anyOf" : Array.isArray(node["oneOf"]) ? "oneOf" : undefined;
  if (keyword === undefined || "enum" in node || "const" in node) return node;
  if (keyword === "anyOf" && "oneOf" in node) return node;
  const values = literalsOf({ [keyword]: node[keyword] });
  if (values === undefined || values.length === 0) return node;
  const { [keyword]: _union, ...rest } = node;
  return { ...rest, enum: values };
}
