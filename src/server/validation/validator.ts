import type { Ajv, ErrorObject, ValidateFunction } from "ajv";
import { DefinitionError, InputValidationError, type ValidationIssue } from "../../errors.ts";
import { isSchemaNode, mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { BYTES } from "../../routes/bytes.ts";
import { createAjv } from "./ajv.ts";
import { canonicalSchema, dereference, documentOf, type CanonicalSchema } from "./canonical.ts";
import { Explainer } from "./explain.ts";
import { compileFill } from "./fill.ts";
import { NodeCompiler } from "./nodes.ts";
import { IN_PLACE } from "./object-steps.ts";

/** A schema, compiled once, for bodies, results and frames alike. */
export interface CompiledSchema {
  /** The schema in canonical form, as one document; fields with a default are not required in it. */
  readonly document: SchemaNode;
  /** Whether a value fits. Does not touch the value. */
  fits(value: unknown): boolean;
  /**
   * Takes an input in: fills in defaults and drops unknown fields, in place, and returns the value.
   * @throws InputValidationError
   */
  accept(value: unknown): unknown;
  /** Why a value does not fit, in schema order; `at` names the root of each `loc`. */
  explain(value: unknown, at: readonly (string | number)[]): ValidationIssue[];
}

/** Compiles schemas with Ajv: strict JSON types, and a field with a default may be missing. */
export class Validator {
  readonly #ajv: Ajv;
  #leaf: Ajv | undefined;
  readonly #compiled = new WeakMap<object, CompiledSchema>();

  constructor() {
    this.#ajv = createAjv();
  }

  /** @param name says in an error which schema it is, for example "the input of run()". */
  compile(schema: object, name: string): CompiledSchema {
    let compiled = this.#compiled.get(schema);
    if (compiled === undefined) {
      try {
        compiled = this.#compile(schema);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new DefinitionError("SCHEMA_INVALID", `Cannot use ${name} as a schema: ${why}`, {
          cause: error,
        });
      }
      this.#compiled.set(schema, compiled);
    }
    return compiled;
  }

  #compile(schema: object): CompiledSchema {
    const given = canonicalSchema(schema);
    const relaxed = relax(given);
    const nodes = new NodeCompiler(this.#ajv, relaxed);
    const fits = nodes.compile(relaxed.root);
    const explainer = new Explainer(relaxed, {
      fits: (node, value) => nodes.compile(node)(value),
      faults: (leaf, value) => faultsOf(nodes.compile(leaf, this.#leafAjv()), value),
    });
    checkDefaults(relaxed, nodes);
    const fill = compileFill(relaxed, (branch, value) => nodes.compile(branch)(value), IN_PLACE);

    const takesBytes = BYTES in dereference(relaxed.root, relaxed.definitions);
    return {
      document: documentOf(relaxed.root, relaxed.definitions),
      fits: (value) => fits(value),
      accept(value) {
        if (value === undefined || (value === null && !fits(null))) {
          throw new InputValidationError([
            { type: "missing", loc: ["body"], msg: "Field required", input: null },
          ]);
        }
        if ((ArrayBuffer.isView(value) && !takesBytes) || !fits(value)) {
          throw new InputValidationError(explainer.explain(relaxed.root, value, ["body"]));
        }
        return fill === undefined ? value : fill(value);
      },
      explain: (value, at) => explainer.explain(relaxed.root, value, at),
    };
  }

  /** Finds every fault, where the one above stops at the first: only needed once a value was refused. */
  #leafAjv(): Ajv {
    return (this.#leaf ??= createAjv({ allErrors: true, validateSchema: false }));
  }
}

function faultsOf(fits: ValidateFunction, value: unknown): readonly ErrorObject[] {
  return fits(value) ? [] : (fits.errors ?? []).filter(({ instancePath }) => instancePath === "");
}

/** The schema with every field that has a default taken off the `required` lists: it is filled in afterwards. */
function relax(schema: CanonicalSchema): CanonicalSchema {
  const relaxNode = (node: SchemaNode): SchemaNode => {
    const copy = mapSubschemas(node, relaxNode);
    const { properties, required } = node;
    if (!Array.isArray(required) || !isSchemaNode(properties)) return copy;
    const left = required.filter(
      (key: string) => !Object.hasOwn(properties, key) || !hasDefault(properties[key]),
    );
    return { ...copy, required: left };
  };
  return {
    root: relaxNode(schema.root),
    definitions: Object.fromEntries(
      Object.entries(schema.definitions).map(([name, node]) => [name, relaxNode(node)]),
    ),
  };
}

function hasDefault(property: unknown): boolean {
  return isSchemaNode(property) && "default" in property;
}

/** A default that does not fit its own schema would only show when a caller leaves the field out. */
function checkDefaults(schema: CanonicalSchema, nodes: NodeCompiler): void {
  const check = (node: SchemaNode, path: string): void => {
    if ("default" in node && !nodes.compile(node)(node["default"])) {
      throw new Error(
        `the default ${JSON.stringify(node["default"])} of ${path || "the schema"} does not fit`,
      );
    }
    mapSubschemas(node, (subschema, [keyword, key]) => {
      check(subschema, keyword === "properties" ? `${path}${path && "."}${String(key)}` : path);
      return subschema;
    });
  };
  check(schema.root, "");
  for (const [name, node] of Object.entries(schema.definitions)) check(node, name);
}
