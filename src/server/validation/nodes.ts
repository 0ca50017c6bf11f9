import type { Ajv2020, ValidateFunction } from "ajv/dist/2020.js";
import { mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { DECIDED, ONE_OF } from "./ajv.ts";
import { documentOf, type CanonicalSchema } from "./canonical.ts";
import type { Discriminator, Discriminators } from "./discriminators.ts";
import { readField } from "./fields.ts";
import { namesInherited, onlyOwn } from "./own-fields.ts";

/** A list of so many values, or branches, is looked up rather than gone through. */
const LONG_LIST = 8;

/** Compiles a schema, and single nodes of it, each once. */
export class NodeCompiler {
  readonly #ajv: () => Ajv2020;
  readonly #discriminators: Discriminators;
  readonly #isRecursive: boolean;
  readonly #documentOf: (node: SchemaNode) => SchemaNode;
  readonly #compiled = new Map<SchemaNode, ValidateFunction>();

  /** @param ajv is asked for when something is compiled. */
  constructor(ajv: () => Ajv2020, { root, definitions }: CanonicalSchema, discriminators: Discriminators) {
    this.#ajv = ajv;
    this.#discriminators = discriminators;
    this.#isRecursive = Object.keys(definitions).length > 0;
    const prepare = [root, ...Object.values(definitions)].some(namesInherited)
      ? (node: SchemaNode) => onlyOwn(this.#quick(node))
      : (node: SchemaNode) => this.#quick(node);
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

  /** The schema in the words that Ajv is quick with. */
  #quick(node: SchemaNode): SchemaNode {
    const copy = mapSubschemas(node, (subschema) => this.#quick(subschema));
    for (const keyword of ["anyOf", "oneOf"]) {
      const branches = node[keyword] as readonly SchemaNode[] | undefined;
      const discriminator = this.#discriminators.of(branches);
      if (branches === undefined || discriminator === undefined) continue;
      copy[keyword] = this.#decided(branches, copy[keyword] as readonly SchemaNode[], discriminator);
    }
    return withLookups(copy);
  }

  /**
   * A union's branch is asked for the field that tells branches apart before anything else: Ajv would go through the
   * fields in their order, and so into those that hold the union again, for every branch anew.
   */
  #decided(
    branches: readonly SchemaNode[],
    quick: readonly SchemaNode[],
    { field, branchOf, valuesOf }: Discriminator,
  ): readonly SchemaNode[] {
    if (branches.length > LONG_LIST) {
      const others = quick.filter((_, index) => !valuesOf.has(branches[index] as SchemaNode));
      const fits = (value: unknown): boolean => {
        const branch = branchOf.get(readField(value as Record<string, unknown>, field));
        return branch !== undefined && this.compile(branch)(value);
      };
      return [...others, { type: "object", [DECIDED]: { fits } }];
    }
    if (!this.#isRecursive) return quick;
    return quick.map((quickBranch, index) => {
      const values = valuesOf.get(branches[index] as SchemaNode);
      if (values === undefined) return quickBranch;
      return {
        allOf: [
          { type: "object", required: [field], properties: { [field]: { enum: values } } },
          quickBranch,
        ],
      };
    });
  }
}

/** Long lists of values, and those of objects, as what is looked up. */
function withLookups(node: Record<string, unknown>): SchemaNode {
  const { enum: listed, const: only, ...rest } = node;
  const values = Array.isArray(listed) ? listed : [];
  const isLong = values.length > LONG_LIST || values.some(isCompound);
  if (isLong) rest[ONE_OF] = values;
  else if (listed !== undefined) rest["enum"] = listed;
  if (!("const" in node)) return rest;
  if (!isCompound(only)) rest["const"] = only;
  else if (isLong)
    rest["allOf"] = [...((rest["allOf"] as unknown[] | undefined) ?? []), { [ONE_OF]: [only] }];
  else rest[ONE_OF] = [only];
  return rest;
}

function isCompound(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
