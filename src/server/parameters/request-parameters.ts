import type { FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";
import { DefinitionError, InputValidationError, type ValidationIssue } from "../../errors.ts";
import { BYTES } from "../../routes/bytes.ts";
import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { isStandardSchema } from "../../routes/standard-schema.ts";
import type { RouteSignature } from "../../routes/signature.ts";
import { conjuncts, listOf, mapOf, someNode } from "../validation/canonical-nodes.ts";
import { createStandardValidation, type StandardValidation } from "../validation/standard-validation.ts";
import type { CompiledSchema, Validator } from "../validation/validator.ts";
import { firstValues } from "../http/http-context.ts";
import { withTextFaults } from "../validation/text-faults.ts";
import type { TypedParts } from "./typed-parts.ts";
import {
  acceptedTypes,
  compileTextConversion,
  fieldNodes,
  type ConvertedSchema,
  type FieldText,
  type TextConversion,
} from "../validation/text-conversion.ts";

/** The texts of a request's parameters by name. */
type Texts = Readonly<Record<string, FieldText | undefined>>;

/** The parameters of a route: their schemas, and how texts are converted. */
export class RequestParameters {
  readonly #params: ParameterPart | undefined;
  readonly #query: ParameterPart | undefined;
  readonly #headers: ParameterPart | undefined;
  /** The declared headers that are lists: their values are read one by one. */
  readonly #lists: readonly string[];

  constructor(parts: {
    params: ParameterPart | undefined;
    query: ParameterPart | undefined;
    headers: ParameterPart | undefined;
  }) {
    this.#params = parts.params;
    this.#query = parts.query;
    this.#headers = parts.headers;
    this.#lists = parts.headers?.lists ?? [];
  }

  /** Validates all parameters of a request. @throws InputValidationError */
  check(request: FastifyRequest): void {
    const faults: ValidationIssue[] = [];
    this.read(request, { rawHeaders: firstValues(request.raw) }, (issues) => void faults.push(...issues));
    if (faults.length > 0) throw new InputValidationError(faults);
  }

  /**
   * Converts and validates all parameters of a request.
   * @param source holds the request's headers, with the first value of repeated ones; read only where they are declared
   * @param onFault called with the issues of each part that does not fit
   */
  read(
    request: FastifyRequest,
    source: { readonly rawHeaders: Readonly<Record<string, string | string[] | undefined>> },
    onFault: (issues: readonly ValidationIssue[]) => void,
  ): TypedParts {
    const typed: TypedParts = {};
    if (this.#params !== undefined) typed.params = this.#params.read(request.params as Texts, onFault);
    if (this.#query !== undefined) typed.query = this.#query.read(request.query as Texts, onFault);
    if (this.#headers !== undefined) {
      const headers = source.rawHeaders;
      const texts = this.#lists.length === 0 ? headers : withLists(headers, this.#lists, request.raw);
      const values = this.#headers.read(texts, onFault);
      typed.headers = { ...headers, ...(values as Record<string, unknown>) };
    }
    return typed;
  }
}

type OnFault = (issues: readonly ValidationIssue[]) => void;

/** One kind of parameters: those of the path, the query string, or the headers. */
interface ParameterPart {
  /** The names of parameters that may be lists. */
  readonly lists: readonly string[];
  read(texts: Texts, onFault: OnFault): unknown;
}

/** Parameters with a schema of another library, which converts their texts itself. */
class StandardPart implements ParameterPart {
  readonly lists: readonly string[] = [];
  readonly #at: readonly [string];
  readonly #schema: StandardValidation;
  readonly #methodName: string;

  constructor(at: string, schema: StandardValidation, methodName: string) {
    this.#at = [at];
    this.#schema = schema;
    this.#methodName = methodName;
  }

  read(texts: Texts, onFault: OnFault): unknown {
    let value: unknown;
    try {
      value = this.#schema.accept({ ...texts }, this.#at);
    } catch (error) {
      if (!(error instanceof InputValidationError)) throw error;
      onFault(withTextFaults(error.issues, texts));
      return undefined;
    }
    if (!(value instanceof Promise)) return value;
    value.catch(() => {});
    throw new TypeError(
      `The schema of a parameter of ${this.#methodName}() is asynchronous, which is not supported.`,
    );
  }
}

/** Parameters with a schema of TypeBox. */
class SchemaPart implements ParameterPart {
  readonly #at: readonly [string];
  readonly #schema: CompiledSchema;
  readonly #fields: readonly Field[];
  readonly #names: ReadonlySet<string>;
  /** Whether parameters that the schema does not name are passed on; otherwise they are ignored. */
  readonly #keepsOthers: boolean;
  readonly #convertOthers: TextConversion | undefined;
  /** The names of parameters that may be lists. */
  readonly lists: readonly string[];

  constructor(at: "path" | "query" | "header", schema: CompiledSchema, plan: PartPlan) {
    this.#at = [at];
    this.#schema = schema;
    this.#fields = plan.fields;
    this.#names = new Set(plan.fields.map(({ key }) => key));
    this.#keepsOthers = at === "query" && plan.keepsOthers;
    this.#convertOthers = plan.convertOthers;
    this.lists = plan.lists;
  }

  read(texts: Texts, onFault: OnFault): unknown {
    const values: Record<string, unknown> = {};
    const fields = this.#fields;
    // An index, since iterators of lists of pairs take longer than the conversion.
    for (let index = 0; index < fields.length; index++) {
      const { key, convert } = fields[index] as Field;
      const text = texts[key];
      if (text !== undefined) values[key] = convert === undefined ? text : convert(text);
    }
    if (this.#keepsOthers) this.#addOthers(values, texts);
    try {
      return this.#schema.accept(values, this.#at);
    } catch (error) {
      if (!(error instanceof InputValidationError)) throw error;
      onFault(withTextFaults(error.issues, texts));
      return values;
    }
  }

  #addOthers(values: Record<string, unknown>, texts: Texts): void {
    const convert = this.#convertOthers;
    for (const key of Object.keys(texts)) {
      if (this.#names.has(key) || key === "__proto__") continue;
      const text = texts[key] as FieldText;
      values[key] = convert === undefined ? text : convert(text);
    }
  }
}

/** A declared parameter. */
interface Field {
  readonly key: string;
  /** Undefined: the text is the value. */
  readonly convert: TextConversion | undefined;
}

interface PartPlan {
  readonly fields: readonly Field[];
  readonly lists: readonly string[];
  readonly keepsOthers: boolean;
  readonly convertOthers: TextConversion | undefined;
}

/**
 * Compiles the parameters of a route; undefined if it has no schema for any.
 * @throws DefinitionError for a schema that no text can fit
 */
export function compileParameters(
  validator: Validator,
  route: RouteSignature,
): RequestParameters | undefined {
  const { params, query, headers, methodName } = route;
  if (params === undefined && query === undefined && headers === undefined) return undefined;
  const compile = (
    option: "params" | "query" | "headers",
    at: "path" | "query" | "header",
  ): ParameterPart | undefined => {
    const schema = route[option];
    if (schema === undefined) return undefined;
    if (isStandardSchema(schema)) return new StandardPart(at, createStandardValidation(schema), methodName);
    const name = `the \`${option}\` of ${methodName}()`;
    const compiled = validator.compile(schema, name);
    const refuse = (message: string): never => {
      throw new DefinitionError("SCHEMA_INVALID", `Cannot use ${name} as a schema: ${message}`);
    };
    return new SchemaPart(at, compiled, planOf(compiled.document, { validator, name, at, refuse }));
  };
  return new RequestParameters({
    params: compile("params", "path"),
    query: compile("query", "query"),
    headers: compile("headers", "header"),
  });
}

/** Keywords that restrict or describe parameters that a schema does not name. */
const ABOUT_OTHERS = [
  ...["additionalProperties", "unevaluatedProperties", "propertyNames", "minProperties", "maxProperties"],
  ...["dependentRequired", "dependentSchemas", "if", "not"],
];

function planOf(
  document: SchemaNode,
  {
    validator,
    name,
    at,
    refuse,
  }: {
    validator: Validator;
    name: string;
    at: "path" | "query" | "header";
    refuse: (message: string) => never;
  },
): PartPlan {
  const definitions = mapOf(document["$defs"]) as ConvertedSchema["definitions"];
  const fitsNode: ConvertedSchema["fitsNode"] = (node) =>
    validator.compile({ ...node, $defs: definitions }, name).fits;
  const parts = conjuncts(document, definitions);
  if (parts.some((part) => part["patternProperties"] !== undefined)) {
    refuse("parameters have fixed names; use `properties` instead of `patternProperties`.");
  }
  const lists: string[] = [];
  const convertedField = (key: string, node: SchemaNode): TextConversion | undefined => {
    assertText(key, node, { definitions, at, refuse });
    const types = acceptedTypes(node, definitions);
    if (types.has("array") && !types.has("object")) lists.push(key);
    return compileTextConversion({ node, definitions, fitsNode });
  };
  const fields = [...fieldNodes(document, definitions)].map(([key, node]) => ({
    key,
    convert: convertedField(key, node),
  }));
  const others = parts.map((part) => part["additionalProperties"]).find(isSchemaNode);
  return {
    fields,
    lists,
    keepsOthers: parts.some((part) => ABOUT_OTHERS.some((keyword) => keyword in part)),
    convertOthers:
      others === undefined ? undefined : compileTextConversion({ node: others, definitions, fitsNode }),
  };
}

/** Refuses a parameter whose schema describes a value that can't be written as text. */
function assertText(
  key: string,
  node: SchemaNode,
  {
    definitions,
    at,
    refuse,
  }: {
    definitions: ConvertedSchema["definitions"];
    at: "path" | "query" | "header";
    refuse: (message: string) => never;
  },
): void {
  if (someNode(node, (part) => BYTES in part)) refuse(`${key} describes bytes; take them as the body.`);
  const types = acceptedTypes(node, definitions);
  const isAnything = types.has("object") && types.has("string");
  if (types.has("object") && !isAnything) {
    refuse(`${key} describes an object; give each of its fields a parameter, or take it in the body.`);
  }
  if (!types.has("array") || isAnything) return;
  if (at === "path") refuse(`${key} describes a list; a parameter of the path is a single value.`);
  const isNested = conjuncts(node, definitions).some((part) =>
    [part["items"], ...listOf(part["prefixItems"])].some((items) => {
      const itemTypes = acceptedTypes(items, definitions);
      return !itemTypes.has("string") && (itemTypes.has("array") || itemTypes.has("object"));
    }),
  );
  if (isNested) refuse(`${key} describes a list of lists or objects; take it in the body.`);
}

/**
 * Replaces headers by the lists of their values, in the order in which they were sent. Proxies and clients may send the
 * values of several lines in one, with commas between them.
 */
function withLists(headers: Texts, names: readonly string[], { rawHeaders }: IncomingMessage): Texts {
  const all: Record<string, FieldText | undefined> = { ...headers };
  for (const name of names) {
    if (headers[name] === undefined) continue;
    const values: string[] = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if ((rawHeaders[index] as string).toLowerCase() !== name) continue;
      for (const value of (rawHeaders[index + 1] as string).split(",")) values.push(value.trim());
    }
    if (values.length > 0) all[name] = values.length === 1 ? values[0] : values;
  }
  return all;
}
