import type { Ajv2020, ValidateFunction } from "ajv/dist/2020.js";
import { mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { ONE_OF } from "./ajv.ts";
import { documentOf, type CanonicalSchema } from "./canonical.ts";
import type { Discriminators } from "./discriminators.ts";
import { namesInherited, onlyOwn } from "./own-fields.ts";

/** A list of so many values is looked up rather than gone through. */
const LONG_LIST = 8;

/** Compiles a schema, and single nodes of it, each once. */
export class NodeCompiler {
  readonly #ajv: () => Ajv2020;
  readonly #documentOf: (node: SchemaNode) => SchemaNode;
  readonly #compiled = new Map<SchemaNode, ValidateFunction>();

  /** @param ajv is asked for when something is compiled. */
  constructor(ajv: () => Ajv2020, { root, definitions }: CanonicalSchema, discriminators: Discriminators) {
    this.#ajv = ajv;
    const isRecursive = Object.keys(definitions).length > 0;
    const plain = (node: SchemaNode): SchemaNode => quick(node, isRecursive ? discriminators : undefined);
    const prepare = [root, ...Object.values(definitions)].some(namesInherited)
      ? (node: SchemaNode) => onlyOwn(plain(node))
      : plain;
    const prepared = Object.fromEntries(
      Object.entries(definitions).map(([name, node]) => [name, prepare(node)]),
    );
    this.#documentOf = (node) => documentOf(prepare(node), prepared);
  }

  compile(node: SchemaNode): ValidateFunction {
    const known = this.#compiled.get(node);
    if (known !== undefined) return known;
    const fits = this.#ajv().compile(this.#documentOf(node));
    this.#compiled.set(node, fits);
    return fits;
  }
}

/**
 * The schema in the words that Ajv is quick with. A union's branch is asked for the field that tells branches apart
 * before anything else: Ajv would go through the fields in their order, and so into those that hold the union again,
 * for every branch anew.
 */
function quick(node: SchemaNode, discriminators: Discriminators | undefined): SchemaNode {
  const copy = mapSubschemas(node, (subschema) => quick(subschema, discriminators));
  for (const keyword of ["anyOf", "oneOf"]) {
    const branches = node[keyword] as readonly SchemaNode[] | undefined;
    const discriminator = discriminators?.of(branches);
    if (branches === undefined || discriminator === undefined) continue;
    const { field, valuesOf } = discriminator;
    copy[keyword] = (copy[keyword] as readonly SchemaNode[]).map((quickBranch, index) => {
      const values = valuesOf.get(branches[index] as SchemaNode);
      if (values === undefined) return quickBranch;
      const decides = { type: "object", required: [field], properties: { [field]: { enum: values } } };
      return { allOf: [decides, quickBranch] };
    });
  }
  const { enum: listed, const: only, ...rest } = copy;
  const values = Array.isArray(listed) ? listed : [];
  const isLong = values.length > LONG_LIST || values.some(isCompound);
  if (isLong) rest[ONE_OF] = values;
  else if (listed !== undefined) rest["enum"] = listed;
  if (!("const" in copy)) return rest;
  if (!isCompound(only)) rest["const"] = only;
  else if (isLong)
    rest["allOf"] = [...((rest["allOf"] as unknown[] | undefined) ?? []), { [ONE_OF]: [only] }];
  else rest[ONE_OF] = [only];
  return rest;
}

function isCompound(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
