import { isSchemaNode, mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { INHERITED_NAMES } from "./fields.ts";

/** Keyword: the object has these fields itself. Ajv's `required` is content with `toString`, which all objects inherit. */
export const OWN_FIELDS = "x-servable-own";

/** Whether a schema names a field that every object seems to have. */
export function namesInherited(node: SchemaNode): boolean {
  let found = [...Object.keys(mapOf(node["properties"])), ...listOf(node["required"])].some(isInherited);
  mapSubschemas(node, (subschema) => (found ||= namesInherited(subschema)));
  return found;
}

/**
 * The schema with such fields said in a way that looks at an object's own fields only. Ajv can be told to look at own
 * fields everywhere, but then it no longer sees the getters of a result's class, and is slower for all.
 */
export function onlyOwn(node: SchemaNode): SchemaNode {
  const copy = mapSubschemas(node, onlyOwn);
  const properties = Object.entries(mapOf(copy["properties"]));
  const required = listOf(copy["required"]);
  if (properties.some(([key]) => isInherited(key))) {
    copy["properties"] = Object.fromEntries(properties.filter(([key]) => !isInherited(key)));
    copy["patternProperties"] = {
      ...mapOf(copy["patternProperties"]),
      ...Object.fromEntries(
        properties.filter(([key]) => isInherited(key)).map(([key, property]) => [`^(?:${key})$`, property]),
      ),
    };
  }
  if (required.some(isInherited)) {
    copy["required"] = required.filter((key) => !isInherited(key));
    copy[OWN_FIELDS] = required.filter(isInherited);
  }
  return copy;
}

function isInherited(key: unknown): boolean {
  return INHERITED_NAMES.has(key as string);
}

function mapOf(value: unknown): SchemaNode {
  return isSchemaNode(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
