import { isWithoutBody } from "../answer-header.ts";
import { bytesRuleOf } from "../routes/bytes.ts";
import type { BatchOptions } from "../routes/dispatch-options.ts";
import { itemSchemaOf, type RouteSignature } from "../routes/signature.ts";
import type { SchemaNode } from "../routes/schema-walk.ts";
import { describeBody } from "./request-body.ts";
import { describeOverload, type LoadSettings } from "./overload-answers.ts";
import { type Components, titleWords } from "./components.ts";

/** The schema of a route in the form that @fastify/swagger reads. */
export interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  body?: SchemaNode;
  response: Record<string, unknown>;
  /** The limits of a batch. Each caller sends and receives a single item. */
  "x-fal-batch"?: { maxSize: number; maxCost?: number };
}

/** Describes an HTTP route. */
export function describeOperation(
  route: RouteSignature,
  components: Components,
  settings: LoadSettings,
): Operation {
  const { batch } = route.dispatch ?? {};
  return {
    operationId: route.methodName,
    summary: route.summary ?? titleWords(route.methodName),
    ...(route.description === undefined ? {} : { description: route.description }),
    ...requestBody(route, components),
    ...(batch === undefined ? {} : { "x-fal-batch": limitsOf(batch) }),
    response: {
      [route.status ?? 200]: describeAnswer(route, components),
      ...(!isValidated(route)
        ? {}
        : {
            422: {
              description: "Validation Error",
              content: { "application/json": { schema: { $ref: "HTTPValidationError#" } } },
            },
          }),
      ...describeOverload(route, settings),
    },
  };
}

/** Whether a request to a route may be answered with 422. */
export function isValidated({ input, params, query, headers }: RouteSignature): boolean {
  return [input, params, query, headers].some((schema) => schema !== undefined);
}

function requestBody(route: RouteSignature, components: Components): Pick<Operation, "body"> {
  if (route.input === undefined) return {};
  const schema = components.reference(route.input, { route, as: "input" });
  return { body: route.body === undefined ? schema : { content: describeBody(route.body, schema) } };
}

/** Describes the answer to a successful request. */
function describeAnswer(route: RouteSignature, components: Components): Record<string, unknown> {
  const description = "Successful Response";
  const { output, status = 200 } = route;
  if (isWithoutBody(status)) return { description, type: "null" }; // read by @fastify/swagger as: no content
  const rule = bytesRuleOf(output);
  if (rule !== undefined) {
    const types = rule.contentTypes ?? ["application/octet-stream"];
    const schema = { type: "string", format: "binary" };
    return { description, content: Object.fromEntries(types.map((type) => [type, { schema }])) };
  }
  const schema = output === undefined ? {} : components.reference(output, { route, as: "output" });
  const single = route.stream === true ? {} : { "application/json": { schema } };
  return { description, content: { ...single, ...streamContent(route, components) } };
}

/** The forms of a stream, each with the schema of one item. */
function streamContent(route: RouteSignature, components: Components): Record<string, unknown> {
  if (route.stream === false) return {};
  const item = itemSchemaOf(route);
  const as = route.stream === true ? "output" : "item";
  const schema = item === undefined ? {} : components.reference(item, { route, as });
  return { "text/event-stream": { schema }, "application/x-ndjson": { schema } };
}

function limitsOf({ maxSize, maxCost }: BatchOptions): { maxSize: number; maxCost?: number } {
  return { maxSize, ...(maxCost === undefined ? {} : { maxCost }) };
}

/** Describes `GET /health`. */
export function describeHealth(takenIds: ReadonlySet<string>): Operation {
  return {
    operationId: takenIds.has("health") ? "health_get" : "health",
    summary: "Health",
    response: {
      200: { description: "Successful Response", content: { "application/json": { schema: {} } } },
    },
  };
}
