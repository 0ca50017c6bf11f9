import type { ValidateFunction } from "ajv/dist/2020.js";
import { mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { documentOf, listOf, mapOf, rootsOf, someNode } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import { Checker } from "./checker.ts";
import { Discriminators, type Discriminator } from "./discriminators.ts";
import type { NodeMatcher } from "./applicators.ts";
import { hasExponentialCost } from "./validation-cost.ts";
import { WorkBudget } from "./work-budget.ts";
import { DECIDED, ONE_OF, OWN_FIELDS, PARTS } from "./ajv.ts";
import { readField, INHERITED_NAMES } from "./json-values.ts";
import { isEnforced } from "./keywords.ts";
import type { SchemaCompiler } from "./schema-compiler.ts";

/** Validates values against a schema and its single nodes, with the fastest method that takes bounded time. */
export interface SchemaMatcher {
  readonly checker: Checker;
  readonly discriminators: Discriminators;
  /** Whether a value fits the schema. */
  readonly fits: (value: unknown) => boolean;
  /** Compiles what the first call of {@link fits} would. */
  prepare(): void;
  /** Whether a part of a value fits a node. */
  readonly matches: NodeMatcher;
  /** Discards the cached results of the last value. */
  forget(): void;
}

/**
 * Keywords that Ajv handles incorrectly: its code for tracking evaluated fields does not always compile, and `contains`
 * accepts an empty list beside `prefixItems`.
 */
const MISJUDGED = ["unevaluatedProperties", "unevaluatedItems", "contains"] as const;

function isMisjudged(schema: CanonicalSchema): boolean {
  const says = (node: SchemaNode): boolean =>
    MISJUDGED.some((keyword) => keyword in node) || requiresNoName(node);
  return rootsOf(schema).some((root) => someNode(root, says));
}

/** Whether a node requires the field without a name, `""`, which Ajv never misses. */
function requiresNoName(node: SchemaNode): boolean {
  const lists = [node["required"], ...Object.values(mapOf(node["dependentRequired"]))];
  return lists.some((names) => listOf(names).includes(""));
}

/** @throws Error for a schema that can't be validated in bounded time */
export function createSchemaMatcher(schema: CanonicalSchema, compiler: SchemaCompiler): SchemaMatcher {
  const discriminators = new Discriminators(schema.definitions);
  const checker = new Checker(schema.definitions, discriminators);
  let compiled: NodeCompiler | undefined;
  const compile = (node: SchemaNode): ValidateFunction =>
    (compiled ??= new NodeCompiler(compiler, schema, discriminators)).compile(node);
  const isRecursive = Object.keys(schema.definitions).length > 0;
  const isCheckers = hasExponentialCost(schema, discriminators) || isMisjudged(schema);
  let work = WorkBudget.unlimited();

  let root: ((value: unknown) => boolean) | undefined;
  const fits = isCheckers
    ? (value: unknown): boolean => checker.fits(schema.root, value, WorkBudget.unlimited())
    : (value: unknown): boolean => (root ??= compile(schema.root))(value);
  // For nested values of a recursive schema, Ajv would validate each level down to the leaves again.
  const matches =
    isRecursive || isCheckers
      ? (node: SchemaNode, value: unknown): boolean => checker.fits(node, value, work)
      : (node: SchemaNode, value: unknown): boolean => compile(node)(value);
  return {
    checker,
    discriminators,
    fits,
    prepare: () => {
      if (!isCheckers) root ??= compile(schema.root);
    },
    matches,
    forget: () => {
      if (isRecursive || isCheckers) work = WorkBudget.unlimited();
    },
  };
}

/** Number of values or branches from which a list is looked up instead of searched. */
const LONG_LIST = 8;

/** Number of fields from which an object is validated in parts, and of those of a part. */
const MANY_FIELDS = 100;
const FIELDS_OF_PART = 50;

/** Compiles a schema and its single nodes, each once. */
class NodeCompiler {
  readonly #compiler: SchemaCompiler;
  readonly #discriminators: Discriminators;
  readonly #isRecursive: boolean;
  readonly #namesInherited: boolean;
  readonly #documentOf: (node: SchemaNode) => SchemaNode;
  readonly #compiled = new Map<SchemaNode, ValidateFunction>();

  constructor(compiler: SchemaCompiler, schema: CanonicalSchema, discriminators: Discriminators) {
    const { definitions } = schema;
    this.#compiler = compiler;
    this.#discriminators = discriminators;
    this.#isRecursive = Object.keys(definitions).length > 0;
    this.#namesInherited = rootsOf(schema).some((root) => someNode(root, namesInherited));
    const prepare = this.#namesInherited
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
    const fits = this.#compiler.compile(this.#documentOf(node));
    this.#compiled.set(node, fits);
    return fits;
  }

  /** Rewrites the schema to keywords that Ajv is fast with, and drops those that don't validate. */
  #quick(node: SchemaNode): SchemaNode {
    const copy = mapSubschemas(node, (subschema) => this.#quick(subschema));
    for (const keyword of Object.keys(copy)) if (!isEnforced(keyword)) delete copy[keyword];
    for (const keyword of ["anyOf", "oneOf"]) {
      const branches = node[keyword] as readonly SchemaNode[] | undefined;
      const discriminator = this.#discriminators.of(branches);
      if (branches === undefined || discriminator === undefined) continue;
      copy[keyword] = this.#decided(branches, copy[keyword] as readonly SchemaNode[], discriminator);
    }
    // Parts can't refer to definitions, and fields that every object inherits are rewritten by `onlyOwn`.
    return withLookups(this.#isRecursive || this.#namesInherited ? copy : inParts(copy));
  }

  /**
   * Puts the check of the discriminator first in each branch: Ajv would check fields in their order, and so descend
   * into fields that hold the union again, for every branch.
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

/** Splits an object of many fields into parts of some of its fields. */
function inParts(node: Record<string, unknown>): Record<string, unknown> {
  const fields = Object.entries(mapOf(node["properties"]));
  if (fields.length < MANY_FIELDS) return node;
  const required = new Set(listOf(node["required"]));
  const parts: SchemaNode[] = [];
  for (let start = 0; start < fields.length; start += FIELDS_OF_PART) {
    const some = fields.slice(start, start + FIELDS_OF_PART);
    const names = some.map(([name]) => name).filter((name) => required.delete(name));
    parts.push({ properties: Object.fromEntries(some), required: names });
  }
  // The names are still needed: they tell which fields are additional ones.
  const properties = Object.fromEntries(fields.map(([name]) => [name, {}]));
  return { ...node, properties, required: [...required], [PARTS]: parts };
}

/** Replaces long lists of values, and lists of objects, by a lookup. */
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

/** Whether a schema names a field that every object inherits. */
function namesInherited({ properties, required }: SchemaNode): boolean {
  return [...Object.keys(mapOf(properties)), ...listOf(required)].some(isInherited);
}

/**
 * Rewrites such fields so that only an object's own fields count. Ajv has an option for all own fields, but then it
 * ignores the getters of a result's class, and every schema gets slower.
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
