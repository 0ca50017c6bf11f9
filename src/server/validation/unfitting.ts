import { isSchemaNode, mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import type { CanonicalSchema } from "./canonical.ts";

/** Keywords by which a field that is there says something about others, or about the object as a whole. */
const ENTANGLING = [
  ...["allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas", "dependentRequired", "$ref"],
  ...["maxProperties", "propertyNames", "patternProperties", "unevaluatedProperties"],
];

/** Whether a value that fits may no longer fit once defaults are filled in: it has to be looked at again. */
export function defaultsMayUnfit({ root, definitions }: CanonicalSchema): boolean {
  let hasDefault = false;
  let isEntangled = false;
  const look = (node: SchemaNode): void => {
    const { properties } = node;
    if (isSchemaNode(properties)) {
      hasDefault ||= Object.values(properties).some(
        (property) => isSchemaNode(property) && "default" in property,
      );
    }
    isEntangled ||= ENTANGLING.some((keyword) => keyword in node);
    mapSubschemas(node, (subschema) => (look(subschema), subschema));
  };
  [root, ...Object.values(definitions)].forEach(look);
  return hasDefault && isEntangled;
}
