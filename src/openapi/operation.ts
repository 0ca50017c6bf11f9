import { isWithoutBody } from "../answer-header.ts";
import { bytesRuleOf } from "../routes/bytes.ts";
import { parameterNames } from "../routes/path-pattern.ts";
import type { BatchOptions } from "../routes/dispatch-options.ts";
import { itemSchemaOf, type RouteSignature } from "../routes/signature.ts";
import { describeParameters, type Parameter } from "./parameters.ts";
import { describeBody, describeEncoding } from "./request-body.ts";
import { describeOverload, type LoadSettings } from "./overload-answers.ts";
import { type Components, titleWords } from "./components.ts";

/** An operation of a document. Its references to components have the form `NAME#`. */
export interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  requestBody?: { required: boolean; content: Record<string, object> };
  parameters?: readonly Parameter[];
  responses: Record<string, unknown>;
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
  const { summary = titleWords(route.methodName), description = "" } = route;
  const parameters = describeParameters(route, components);
  // The keys have the order in which earlier versions wrote them, so that documents in version control stay the same.
  const comeFirst = parameterNames(route.path).length > 0;
  return {
    operationId: route.methodName,
    ...(summary === "" ? {} : { summary }),
    ...(description === "" ? {} : { description }),
    ...requestBody(route, components),
    ...(batch === undefined ? {} : { "x-fal-batch": limitsOf(batch) }),
    ...(comeFirst ? { parameters } : {}),
    responses: {
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
    ...(comeFirst || parameters.length === 0 ? {} : { parameters }),
  };
}

/** Whether a request to a route may be answered with 422. */
export function isValidated({ input, params, query, headers }: RouteSignature): boolean {
  return [input, params, query, headers].some((schema) => schema !== undefined);
}

/** Describes the body of a request, which is optional if its schema has a default. */
function requestBody(route: RouteSignature, components: Components): Pick<Operation, "requestBody"> {
  const { input, body } = route;
  if (input === undefined) return {};
  const schema = components.reference(input, { route, as: "input" });
  const content = body === undefined ? { "application/json": { schema } } : describeBody(body, schema);
  const encoding = body?.kind === "multipart" ? describeEncoding(body) : undefined;
  if (encoding !== undefined) for (const media of Object.values(content)) Object.assign(media, { encoding });
  return { requestBody: { required: !("default" in input), content } };
}

/** Describes the answer to a successful request. */
function describeAnswer(route: RouteSignature, components: Components): Record<string, unknown> {
  const description = "Successful Response";
  const { output, status = 200 } = route;
  if (isWithoutBody(status)) return { description };
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
    responses: {
      200: { description: "Successful Response", content: { "application/json": { schema: {} } } },
    },
  };
}
