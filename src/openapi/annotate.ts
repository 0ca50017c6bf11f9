import { describeHealth, describeOperation, isValidated } from "./operation.ts";
import type { LoadSettings } from "./overload-answers.ts";
import { documentPath } from "../routes/path-pattern.ts";
import { methodOf, type RouteSignature } from "../routes/signature.ts";
import type { SchemaNode } from "../routes/schema-walk.ts";
import { componentSteps, VALIDATION_SCHEMAS } from "./components.ts";
import type { Steps } from "./steps.ts";
import { websocketPaths } from "./websocket-paths.ts";

/** Security schemes in the form of OpenAPI, by name. */
export type SecuritySchemes = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** An OpenAPI 3.1 document. */
export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string };
  servers?: { url: string }[];
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, SchemaNode>; securitySchemes?: SecuritySchemes };
  security?: Record<string, string[]>[];
  "x-fal-order-paths": string[];
}

/** The order of paths everywhere: HTTP paths sorted, the app's own, then `/health`, then websocket paths sorted. */
function orderedPaths(
  routes: readonly RouteSignature[],
  given: Readonly<Record<string, unknown>>,
  websockets: Readonly<Record<string, unknown>>,
): string[] {
  const sorted = (isWebsocket: boolean): string[] =>
    routes
      .filter((route) => route.isWebsocket === isWebsocket)
      .map(({ path }) => documentPath(path))
      .sort();
  const known = new Set([...sorted(false), "/health", ...sorted(true)]);
  const own = Object.keys(given).filter((path) => !known.has(path));
  const order = [...known];
  order.splice(order.indexOf("/health"), 0, ...own.sort());
  return order.filter((path) => path in given || path in websockets);
}

/** The parts of a document besides the routes of its class. */
export interface DocumentFrame {
  readonly info: OpenApiDocument["info"];
  readonly servers?: { url: string }[];
  /** The operations of the routes that the app added to its server. */
  readonly ownPaths: OpenApiDocument["paths"];
  /** The schemas that the app added to its server. */
  readonly ownSchemas: Readonly<Record<string, SchemaNode>>;
  /** Whether the app added a `GET /health`. */
  readonly hasOwnHealth: boolean;
  readonly settings: LoadSettings;
}

/**
 * Makes the document of a class, with a step for each route and component: its operations, websockets, sorted paths and
 * components, and the extensions (`x-fal-…`) that playgrounds generate forms from. Paths of the app's own routes follow
 * those of endpoints.
 */
export function* documentSteps(
  routes: Iterable<RouteSignature>,
  { info, servers, ownPaths, ownSchemas, hasOwnHealth, settings }: DocumentFrame,
): Steps<OpenApiDocument> {
  const all = [...routes];
  const components = yield* componentSteps(all);
  const http = all.filter((route) => !route.isWebsocket);
  const given: OpenApiDocument["paths"] = {};
  const add = (path: string, operations: Readonly<Record<string, unknown>>): void => {
    given[path] = { ...given[path], ...operations };
  };
  for (const route of http) {
    const operation = localReferences(describeOperation(route, components, settings));
    add(documentPath(route.path), { [methodOf(route).toLowerCase()]: operation });
    yield;
  }
  for (const [path, operations] of Object.entries(ownPaths)) add(path, operations);
  if (!hasOwnHealth && !http.some(({ path }) => path === "/health"))
    add("/health", { get: describeHealth(new Set(http.map((route) => route.methodName))) });
  const websockets = localReferences(websocketPaths(all, components, given));
  const named: Record<string, SchemaNode> = { ...ownSchemas };
  for (const [name, schema] of Object.entries(components.schemas)) {
    named[name] = localReferences(schema);
    yield;
  }
  const takesBody = http.some(isValidated);
  if (takesBody) Object.assign(named, localReferences(VALIDATION_SCHEMAS));
  const order = orderedPaths(all, given, websockets);
  return {
    openapi: "3.1.0",
    info,
    ...(servers === undefined ? {} : { servers }),
    paths: Object.fromEntries(order.map((path) => [path, { ...given[path], ...websockets[path] }])),
    components: {
      schemas: Object.fromEntries(Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    "x-fal-order-paths": order,
  };
}

/** Converts references of the form `NAME#` to references into the document. */
function localReferences<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (key, item: unknown) =>
    key === "$ref" && typeof item === "string" && item.endsWith("#") && item !== "#"
      ? `#/components/schemas/${item.slice(0, -1)}`
      : item,
  ) as T;
}
