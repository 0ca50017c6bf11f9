import { DefinitionError } from "../errors.ts";
import type { SchemaObject } from "./handler-types.ts";
import { parameterNames } from "./path-pattern.ts";
import { isSchemaNode, type SchemaNode } from "./schema-walk.ts";
import { isStandardSchema } from "./standard-schema.ts";
import type { HttpMethod } from "./signature.ts";

const METHODS: readonly unknown[] = ["GET", "POST", "PUT", "PATCH", "DELETE"] satisfies HttpMethod[];
/** Statuses of answers without a body. */
const BODILESS: ReadonlySet<unknown> = new Set([204, 205, 304]);

/** The options of an endpoint that are about HTTP itself. */
interface RequestOptions {
  readonly method?: HttpMethod | undefined;
  readonly params?: SchemaObject | undefined;
  readonly query?: SchemaObject | undefined;
  readonly headers?: SchemaObject | undefined;
  readonly input?: SchemaObject | undefined;
  readonly output?: SchemaObject | undefined;
  readonly stream?: boolean | "optional" | undefined;
  readonly status?: number | undefined;
  readonly public?: boolean | undefined;
  readonly healthCheck?: unknown;
}

/** Checks an endpoint's method, parameters and status. @throws DefinitionError */
export function assertRequestOptions(methodName: string, path: string, options: RequestOptions): void {
  const refuse = (message: string): never => {
    throw new DefinitionError("ROUTE_OPTION_INVALID", `@endpoint on ${methodName}(): ${message}`);
  };
  const { method = "POST", params, query, headers, input, output, stream, status } = options;
  assertHttpMethod(method, refuse);
  if (method === "GET" && input !== undefined) {
    refuse("a GET has no body; take `query` or `params` instead of `input`, or another method.");
  }
  const isStatus = Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 399;
  if (status !== undefined && !isStatus)
    refuse(`status must be a whole number from 200 to 399, got ${String(status)}.`);
  const isStream = stream === true || stream === "optional";
  if (BODILESS.has(status) && (output !== undefined || isStream)) {
    refuse(`an answer with status ${status} has no body; drop \`output\` and \`stream\`.`);
  }
  if (options.public !== undefined && typeof options.public !== "boolean") {
    refuse(`public must be true or false, got ${String(options.public)}.`);
  }
  for (const [name, schema] of Object.entries({ params, query, headers })) {
    if (schema === undefined || isStandardSchema(schema)) continue; // the library checks the values
    if (fieldNames(schema as SchemaNode) === undefined) {
      refuse(`${name} must describe an object, such as Type.Object({ limit: Type.Integer() }).`);
    }
  }
  if (headers !== undefined && !isStandardSchema(headers)) assertHeaderNames(headers as SchemaNode, refuse);
  if (options.healthCheck !== undefined && options.healthCheck !== false) {
    if (method !== "GET" && method !== "POST") refuse("a health check is called with GET or POST.");
    if (parameterNames(path).length > 0)
      refuse("a health check is called without parameters; drop them from its path.");
  }
  if (params !== undefined && !isStandardSchema(params))
    assertParameterNames(parameterNames(path), params as SchemaNode, refuse);
}

function assertHttpMethod(method: unknown, refuse: (message: string) => never): void {
  if (METHODS.includes(method)) return;
  if (method === "HEAD") refuse('HEAD is answered wherever GET is; write method: "GET".');
  if (method === "OPTIONS") refuse("OPTIONS is answered on every path; it can't be an endpoint.");
  refuse(`method must be one of ${METHODS.join(", ")}, got ${JSON.stringify(method)}.`);
}

/** The names of an object's fields, also of those in `allOf`; undefined for another schema. */
function fieldNames(schema: SchemaNode): readonly string[] | undefined {
  const { type, properties, allOf } = schema;
  const own = type === "object" && isSchemaNode(properties) ? Object.keys(properties) : undefined;
  if (!Array.isArray(allOf)) return own;
  const others = allOf.map((part) => (isSchemaNode(part) ? fieldNames(part) : undefined));
  if (others.includes(undefined)) return undefined;
  return [...(own ?? []), ...(others as string[][]).flat()];
}

function assertParameterNames(
  names: readonly string[],
  schema: SchemaNode,
  refuse: (message: string) => never,
): void {
  const declared = fieldNames(schema) ?? [];
  const missing = names.find((name) => !declared.includes(name));
  if (missing !== undefined) refuse(`the path has :${missing}, but \`params\` does not describe it.`);
  const unknown = declared.find((name) => !names.includes(name));
  if (unknown !== undefined) refuse(`\`params\` describes ${unknown}, but the path has no :${unknown}.`);
}

/** The characters of a header's name in lower case, without "_", which proxies drop. */
const HEADER_NAME = /^[a-z0-9!#$%&'*+.^`|~-]+$/;

function assertHeaderNames(schema: SchemaNode, refuse: (message: string) => never): void {
  for (const name of fieldNames(schema) ?? []) {
    if (HEADER_NAME.test(name)) continue;
    const advice = name.toLowerCase().replaceAll("_", "-");
    if (HEADER_NAME.test(advice)) refuse(`\`headers\` names "${name}"; write "${advice}", as it is sent.`);
    refuse(`\`headers\` names "${name}", which can't be a header.`);
  }
  if (closes(schema)) refuse("`headers` can't refuse other headers: each request has more of them.");
}

function closes(schema: SchemaNode): boolean {
  const { additionalProperties, unevaluatedProperties, allOf } = schema;
  if (additionalProperties === false || unevaluatedProperties === false) return true;
  return Array.isArray(allOf) && allOf.some((part) => isSchemaNode(part) && closes(part));
}
