import {
  DefinitionError,
  InputValidationError,
  OutputValidationError,
  type ValidationIssue,
} from "../../errors.ts";
import { eachSubschema, isSchemaNode, mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { BYTES } from "../../routes/bytes.ts";
import { dereference, documentOf, mapOf, rootsOf, someNode } from "./canonical-nodes.ts";
import { canonicalSchema, type CanonicalSchema } from "./canonical.ts";
import { FastWriters, type FastWriter } from "./fast-writers.ts";
import { IssueFinder } from "./issue-finder.ts";
import { compileNormalizer } from "./normalizer.ts";
import { checkKeywords } from "./keywords.ts";
import { createSchemaMatcher, type SchemaMatcher } from "./matcher.ts";
import { COPYING, IN_PLACE, type Step } from "./normalizer-steps.ts";
import { patternFault } from "./patterns/pattern-safety.ts";
import { compileJsonConversion } from "./json-conversion.ts";
import { SchemaCompiler } from "./schema-compiler.ts";
import { WorkBudget } from "./work-budget.ts";

/** A schema for bodies, results and frames. It is checked when it is created, and compiled by the first value. */
export interface CompiledSchema {
  /** The schema in canonical form, as a single document. Fields with a default are not required in it. */
  readonly document: SchemaNode;
  /** Compiles what the first value would. */
  prepare(): void;
  /** Writes results as JSON that fit, faster than `JSON.stringify`; undefined if the schema has other values. */
  readonly writer: FastWriter | undefined;
  /** Whether a value fits. Does not change the value. */
  fits(value: unknown): boolean;
  /**
   * Validates an input, fills in defaults and drops unknown fields in place, and returns the value.
   * @param at the place of the value in the request, for errors. Default `["body"]`
   * @throws InputValidationError
   */
  accept(value: unknown, at?: readonly string[]): unknown;
  /**
   * Validates a result and returns what callers may see of it: `toJSON()` called, defaults filled in, unknown fields
   * dropped. The result itself is not changed.
   * @throws OutputValidationError
   */
  present(result: unknown, methodName: string): unknown;
  /** Does the last part of {@link present}, for a result that fits and has no `toJSON()` anywhere. */
  reduce(result: unknown, methodName: string): unknown;
  /** The reasons why a value does not fit, in schema order; each `loc` begins with `at`. */
  issuesOf(value: unknown, at: readonly (string | number)[]): ValidationIssue[];
}

const BODY: readonly string[] = ["body"];

/** Reads schemas: strict JSON types, and fields with a default are optional. */
export class Validator {
  readonly #compiler = new SchemaCompiler();
  readonly #writers = new FastWriters();
  readonly #compiled = new WeakMap<object, CompiledSchema>();

  /**
   * Checks a schema, and prepares it for values.
   * @param name the schema's name in errors, for example "the input of run()"
   * @throws DefinitionError
   */
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
    checkKeywords(schema);
    const relaxed = relax(canonicalSchema(schema));
    checkPatterns(relaxed);
    const matching = createSchemaMatcher(relaxed, this.#compiler);
    const { fits } = matching;
    const issueFinder = new IssueFinder(relaxed, matching.checker, matching.discriminators);
    checkDefaults(relaxed, matching);
    if (isLarge(relaxed)) matching.prepare();
    const document = documentOf(relaxed.root, relaxed.definitions);
    const writers = this.#writers;
    // Created by the first value.
    let input: { fill: Step | undefined } | undefined;
    let result: { convert: Step; project: Step } | undefined;
    let tangled: boolean | undefined;
    let writing: { writer: FastWriter | undefined } | undefined;

    const inputSteps = (): { fill: Step | undefined } =>
      (input ??= { fill: compileNormalizer(relaxed, matching, IN_PLACE) });
    const isTangled = (): boolean => (tangled ??= needsRecheck(relaxed));
    const resultSteps = (): { convert: Step; project: Step } =>
      (result ??= {
        convert: compileJsonConversion(relaxed),
        project: compileNormalizer(relaxed, matching, COPYING) ?? ((item) => item),
      });
    const assertFits = (item: unknown, methodName: string): void => {
      if (!fits(item)) throw new OutputValidationError(methodName, issueFinder.find(item, ["output"]));
    };
    const reduce = (value: unknown, methodName: string): unknown => {
      matching.forget();
      const projected = resultSteps().project(value);
      if (isTangled()) assertFits(projected, methodName);
      return projected;
    };

    const fastWriter = (): FastWriter | undefined =>
      (writing ??= { writer: writers.create(document) }).writer;
    let copying: { copy: Step | undefined } | undefined;
    const copy = (): Step | undefined =>
      (copying ??= { copy: isTangled() ? undefined : fastWriter()?.copy }).copy;

    const { default: fallback } = relaxed.root;
    const takesBytes = BYTES in dereference(relaxed.root, relaxed.definitions);
    return {
      document,
      prepare() {
        matching.prepare();
        inputSteps();
      },
      get writer() {
        return fastWriter();
      },
      fits,
      accept(given, at = BODY) {
        // A body may be missing if its schema has a default.
        const value = given === undefined ? structuredClone(fallback) : given;
        if (value === undefined || (value === null && !fits(null))) {
          throw new InputValidationError([
            { type: "missing", loc: [...at], msg: "Field required", input: null },
          ]);
        }
        if ((ArrayBuffer.isView(value) && !takesBytes) || !fits(value)) {
          throw new InputValidationError(issueFinder.find(value, at));
        }
        const { fill } = inputSteps();
        if (fill === undefined) return value;
        matching.forget();
        const filled = fill(value);
        if (isTangled() && !fits(filled)) throw new InputValidationError(issueFinder.find(filled, at));
        return filled;
      },
      present(value, methodName) {
        const converted = resultSteps().convert(value);
        assertFits(converted, methodName);
        return reduce(converted, methodName);
      },
      reduce(value, methodName) {
        const copyFields = copy();
        return copyFields === undefined ? reduce(value, methodName) : copyFields(value);
      },
      issuesOf: (value, at) => issueFinder.find(value, at),
    };
  }
}

/** Number of levels and definitions up to which a schema certainly fits into the stack when Ajv compiles it. */
const FEW_LEVELS = 50;
const FEW_DEFINITIONS = 100;

/** Whether compiling a schema may fail for lack of stack, so that it has to be tried early. */
function isLarge(schema: CanonicalSchema): boolean {
  const exceeds = (node: SchemaNode, levels: number): boolean => {
    if (levels > FEW_LEVELS) return true;
    let found = false;
    eachSubschema(node, (subschema) => (found ||= exceeds(subschema, levels + 1)));
    return found;
  };
  const roots = rootsOf(schema);
  return roots.length > FEW_DEFINITIONS || roots.some((root) => exceeds(root, 0));
}

/** @throws Error for a pattern whose matching time has no reasonable bound. */
function checkPatterns(schema: CanonicalSchema): void {
  const check = (node: SchemaNode): boolean => {
    const fault = patternFault(node);
    if (fault !== undefined) throw new Error(fault);
    return false;
  };
  for (const root of rootsOf(schema)) someNode(root, check);
}

/** Removes fields with a default from the `required` lists: they are filled in later. */
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

/** Checks defaults early: an invalid one would otherwise show only when a caller omits the field. */
function checkDefaults(schema: CanonicalSchema, { checker }: SchemaMatcher): void {
  const check = (node: SchemaNode, path: string): void => {
    if ("default" in node && !checker.fits(node, node["default"], WorkBudget.unlimited())) {
      throw new Error(
        `the default ${JSON.stringify(node["default"])} of ${path || "the schema"} does not fit`,
      );
    }
    eachSubschema(node, (subschema, [keyword, key]) => {
      check(subschema, keyword === "properties" ? `${path}${path && "."}${String(key)}` : path);
    });
  };
  check(schema.root, "");
  for (const [name, node] of Object.entries(schema.definitions)) check(node, name);
}

/** Keywords by which the presence of one field restricts other fields, or the object as a whole. */
const INTERDEPENDENT = [
  ...["allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas", "dependentRequired", "$ref"],
  ...["maxProperties", "propertyNames", "patternProperties", "unevaluatedProperties"],
];

/** Whether a value that fits may no longer fit once its defaults are filled in. */
function needsRecheck(schema: CanonicalSchema): boolean {
  const holds = (test: (node: SchemaNode) => boolean): boolean =>
    rootsOf(schema).some((root) => someNode(root, test));
  return (
    holds((node) => Object.values(mapOf(node["properties"])).some(hasDefault)) &&
    holds((node) => INTERDEPENDENT.some((keyword) => keyword in node))
  );
}
