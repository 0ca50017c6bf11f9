import { DefinitionError } from "../../errors.ts";
import { collectComponents } from "../../openapi/components.ts";
import { BYTES, type BytesRule, bytesRuleOf } from "../../routes/bytes.ts";
import { BODY, type BodyKind, type MultipartBody } from "../../routes/body-kind.ts";
import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { isStandardSchema } from "../../routes/standard-schema.ts";
import { UPLOAD } from "../../routes/upload.ts";
import type { RouteSignature } from "../../routes/signature.ts";
import type { ServerDefinition } from "../definition.ts";
import { listOf, mapOf, someNode } from "./canonical-nodes.ts";
import { createStandardValidation, type StandardValidation } from "./standard-validation.ts";
import type { CompiledSchema, Validator } from "./validator.ts";

/** The compiled schemas of one route. */
interface RouteSchemas {
  readonly input: CompiledSchema | undefined;
  readonly output: CompiledSchema | undefined;
  /** Of a stream's item, if the method may also return a single result. */
  readonly item: CompiledSchema | undefined;
  /** Schemas of other libraries, which replace those above; undefined for a route that has none. */
  readonly standard: StandardSchemas | undefined;
}

/** The schemas of a route that are of other libraries than TypeBox. */
export interface StandardSchemas {
  readonly input: StandardValidation | undefined;
  readonly output: StandardValidation | undefined;
  readonly item: StandardValidation | undefined;
}

/**
 * Checks the names of the schemas of a class's routes; the first check of a class that is served.
 * @throws DefinitionError when there is no route, or two schemas have the same name
 */
export function assertNames(definition: Pick<ServerDefinition, "name" | "routes">): void {
  assertRoutes(definition);
  collectComponents(withoutStandardSchemas(definition.routes.keys()));
}

/** @throws DefinitionError when there is no route */
export function assertRoutes({ name, routes }: Pick<ServerDefinition, "name" | "routes">): void {
  if (routes.size > 0) return;
  throw new DefinitionError(
    "ROUTES_MISSING",
    `${name} has no route; put @endpoint("/") on the method it should serve.`,
  );
}

/** The routes without schemas of other libraries: these are converted when the document is asked for. */
function withoutStandardSchemas(routes: Iterable<RouteSignature>): RouteSignature[] {
  return Array.from(routes, ({ item, ...route }) => ({
    ...route,
    input: isStandardSchema(route.input) ? undefined : route.input,
    output: isStandardSchema(route.output) ? undefined : route.output,
    ...(item === undefined || isStandardSchema(item) ? {} : { item }),
  }));
}

/**
 * Compiles the input and output schema of a route. Of a multipart body, the schema of its text fields is compiled.
 * @throws DefinitionError for an invalid schema, and for bytes and files where the route can't carry them
 */
export function compileSchemas(
  validator: Validator,
  route: Pick<
    RouteSignature,
    "input" | "output" | "item" | "methodName" | "isWebsocket" | "contentType" | "body" | "stream"
  >,
): RouteSchemas {
  const compile = (
    schema: object | undefined,
    which: "input" | "output" | "item",
  ): CompiledSchema | undefined => {
    if (schema === undefined || isStandardSchema(schema)) return undefined;
    const name = `the ${which} of ${route.methodName}()`;
    const body = which === "input" ? route.body : undefined;
    assertBodySchema(schema, name, body);
    const compiled = validator.compile(body?.kind === "multipart" ? fieldsOf(schema, body) : schema, name);
    if (body?.kind === "bytes") return compiled;
    if (which !== "input" && !route.isWebsocket && bytesRuleOf(schema) !== undefined) {
      assertAnswerBytes(schema, route);
      return undefined;
    }
    const refuse = (message: string): never => {
      throw new DefinitionError("SCHEMA_INVALID", message);
    };
    const talksJson = !route.isWebsocket || route.contentType === "application/json";
    if (talksJson && someNode(compiled.document, (node) => BYTES in node)) {
      const advice = "send base64 as Type.String(), or serve the method with @realtime.";
      refuse(`JSON can't carry the bytes() in ${name}; ${advice}`);
    }
    if (!talksJson && someNode(compiled.document, isOfBodies))
      refuse(`The bytes() in ${name} can't have a contentType or be a stream: it is part of a message.`);
    return compiled;
  };
  return {
    input: compile(route.input, "input"),
    output: compile(route.output, "output"),
    item: compile(route.item, "item"),
    standard: standardSchemas(route),
  };
}

function standardSchemas({
  input,
  output,
  item,
}: Pick<RouteSignature, "input" | "output" | "item">): RouteSchemas["standard"] {
  if (!isStandardSchema(input) && !isStandardSchema(output) && !isStandardSchema(item)) return undefined;
  return {
    input: isStandardSchema(input) ? createStandardValidation(input) : undefined,
    output: isStandardSchema(output) ? createStandardValidation(output) : undefined,
    item: isStandardSchema(item) ? createStandardValidation(item) : undefined,
  };
}

/** @throws DefinitionError for `form()` and `multipart()` that do not describe a whole body, and misplaced files */
function assertBodySchema(schema: object, name: string, body: BodyKind | undefined): void {
  const isMarked = (node: object): boolean => BODY in node;
  const own = body?.kind === "multipart" ? fieldsOf(schema, body) : (schema as SchemaNode);
  if (someNode(own, (node) => UPLOAD in node)) {
    const message = `The upload() in ${name} must be a part of its own: multipart({ image: upload() }).`;
    throw new DefinitionError("SCHEMA_INVALID", message);
  }
  const misplaced =
    body === undefined
      ? someNode(schema as SchemaNode, isMarked)
      : Object.values(mapOf((schema as SchemaNode)["properties"])).some(
          (part) => isSchemaNode(part) && someNode(part, isMarked),
        );
  if (!misplaced) return;
  const message = `The form() or multipart() in ${name} must be the input of an @endpoint as a whole.`;
  throw new DefinitionError("SCHEMA_INVALID", message);
}

/** The schema of the text fields of a multipart body. */
function fieldsOf(schema: object, { uploads }: MultipartBody): SchemaNode {
  const { properties, required, ...rest } = schema as SchemaNode;
  // A part that may also be a text is a field, too.
  const isField = (name: string): boolean => uploads.get(name)?.media !== undefined || !uploads.has(name);
  const fields = Object.entries(mapOf(properties)).filter(([name]) => isField(name));
  const names = listOf(required).filter((name) => !uploads.has(String(name)));
  return { ...rest, properties: Object.fromEntries(fields), required: names };
}

/** Checks the bytes() that describes the answer of an endpoint as a whole. */
function assertAnswerBytes(schema: object, route: Pick<RouteSignature, "methodName" | "stream">): void {
  const refuse = (why: string): never => {
    throw new DefinitionError("SCHEMA_INVALID", `The output of ${route.methodName}() is bytes(), but ${why}`);
  };
  if (bytesRuleOf(schema)?.isStream === true)
    refuse("`stream` is for inputs; the method may return a stream anyway.");
  if (route.stream !== false)
    refuse("the items of a stream are JSON; drop `stream`, and return a Readable or a ReadableStream.");
}

/** Whether a schema of bytes has options that only a body or an answer as a whole can have. */
function isOfBodies(node: SchemaNode): boolean {
  const rule = node[BYTES] as BytesRule | undefined;
  return rule?.contentTypes !== undefined || rule?.isStream === true;
}
