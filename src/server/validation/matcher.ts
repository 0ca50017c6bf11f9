import type { Ajv2020, ValidateFunction } from "ajv/dist/2020.js";
import { mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { documentOf, listOf, mapOf, rootsOf, someNode } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import { Checker } from "./checker.ts";
import { Discriminators, type Discriminator } from "./discriminators.ts";
import type { NodeMatcher } from "./applicators.ts";
import { hasExponentialCost } from "./validation-cost.ts";
import { WorkBudget } from "./work-budget.ts";
import { DECIDED, ONE_OF, OWN_FIELDS } from "./ajv.ts";
import { readField, INHERITED_NAMES } from "./json-values.ts";

/** Judges a schema's values, and by single nodes of it, the quickest way that has an end. */
export interface SchemaMatcher {
  readonly checker: Checker;
  readonly discriminators: Discriminators;
  /** Whether a value fits the schema. */
  readonly fits: (value: unknown) => boolean;
  /** Whether a part of a value fits a node. */
  readonly matches: NodeMatcher;
  /** What was found of the last value is of no use for the next. */
  forget(): void;
}

/**
 * What Ajv gets wrong: the count of what was evaluated is kept in code that does not always compile, and `contains`
 * takes an empty list beside `prefixItems`.
 */
const MISJUDGED = ["unevaluatedProperties", "unevaluatedItems", "contains"] as const;

function isMisjudged(schema: CanonicalSchema): boolean {
  const says = (node: SchemaNode): boolean => MISJUDGED.some((keyword) => keyword in node);
  return rootsOf(schema).some((root) => someNode(root, says));
}

/** @throws Error for a schema that can't be judged. */
export function createSchemaMatcher(schema: CanonicalSchema, ajv: () => Ajv2020): SchemaMatcher {
  const discriminators = new Discriminators(schema.definitions);
  const checker = new Checker(schema.definitions, discriminators);
  let created: Ajv2020 | undefined;
  const nodes = new NodeCompiler(() => (created ??= ajv()), schema, discriminators);
  const isRecursive = Object.keys(schema.definitions).length > 0;
  const isCheckers = hasExponentialCost(schema, discriminators) || isMisjudged(schema);
  let work = WorkBudget.unlimited();

  let root: ((value: unknown) => boolean) | undefined;
  const fits = isCheckers
    ? (value: unknown): boolean => checker.fits(schema.root, value, WorkBudget.unlimited())
    : (value: unknown): boolean => (root ??= nodes.compile(schema.root))(value);
  // Going down a value that holds itself, each level would be judged down to the end, again and again.
  const matches =
    isRecursive || isCheckers
      ? (node: SchemaNode, value: unknown): boolean => checker.fits(node, value, work)
      : (node: SchemaNode, value: unknown): boolean => nodes.compile(node)(value);
  return {
    checker,
    discriminators,
    fits,
    matches,
    forget: () => {
      if (isRecursive || isCheckers) work = WorkBudget.unlimited();
    },
  };
}

/** A list of so many values, or branches, is looked up rather than gone through. */
const LONG_LIST = 8;

/** Compiles a schema, and single nodes of it, each once. */
class NodeCompiler {
  readonly #ajv: () => Ajv2020;
  readonly #discriminators: Discriminators;
  readonly #isRecursive: boolean;
  readonly #documentOf: (node: SchemaNode) => SchemaNode;
  readonly #compiled = new Map<SchemaNode, ValidateFunction>();

  /** @param ajv is asked for when something is compiled. */
  constructor(ajv: () => Ajv2020, schema: CanonicalSchema, discriminators: Discriminators) {
    const { definitions } = schema;
    this.#ajv = ajv;
    this.#discriminators = discriminators;
    this.#isRecursive = Object.keys(definitions).length > 0;
    const prepare = rootsOf(schema).some((root) => someNode(root, namesInherited))
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

/** Whether a schema names a field that every object seems to have. */
function namesInherited({ properties, required }: SchemaNode): boolean {
  return [...Object.keys(mapOf(properties)), ...listOf(required)].some(isInherited);
}

/**
 * The schema with such fields said in a way that looks at an object's own fields only. Ajv can be told to look at own
 * fields everywhere, but then it no longer sees the getters of a result's class, and is slower for all.
 */
function onlyOwn(node: SchemaNode): SchemaNode {
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
