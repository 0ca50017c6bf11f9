import { isValidated } from "./operation.ts";
import { describeParameters } from "./parameters.ts";
import { documentPath } from "../routes/path-pattern.ts";
import { methodOf, type RouteSignature } from "../routes/signature.ts";
import type { SchemaNode } from "../routes/schema-walk.ts";
import { describeEncoding } from "./request-body.ts";
import { type Components, VALIDATION_SCHEMAS } from "./components.ts";
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

/** The order of paths everywhere: HTTP paths sorted, then `/health`, then websocket paths sorted. */
function orderedPaths(routes: Iterable<Pick<RouteSignature, "path" | "isWebsocket">>): string[] {
  const all = [...routes];
  const sorted = (isWebsocket: boolean): string[] =>
    all
      .filter((route) => route.isWebsocket === isWebsocket)
      .map(({ path }) => documentPath(path))
      .sort();
  return [...new Set([...sorted(false), "/health", ...sorted(true)])];
}

/**
 * Sorts paths and components, and adds websockets and the extensions (`x-fal-…`) that playgrounds generate forms from.
 * Paths of the app's own routes follow those of endpoints.
 * @param ownSchemas names of the schemas that the app added to its server
 */
export function annotateDocument(
  document: { openapi?: unknown; info?: unknown; servers?: unknown; paths?: unknown; components?: unknown },
  components: Components,
  routes: Iterable<RouteSignature>,
  ownSchemas: readonly string[] = [],
): OpenApiDocument {
  const all = [...routes];
  const given = document.paths as OpenApiDocument["paths"];
  const websockets = localReferences(websocketPaths(all, components, given));
  const known = orderedPaths(all);
  const own = Object.keys(given).filter((path) => !known.includes(path));
  known.splice(known.indexOf("/health"), 0, ...own.sort());
  const order = known.filter((path) => path in given || path in websockets);
  const takesBody = all.some((route) => !route.isWebsocket && isValidated(route));
  const shared = sharedSchemas(document.components, ownSchemas);
  const named = {
    ...shared,
    ...localReferences(components.schemas),
    ...(takesBody ? VALIDATION_SCHEMAS : {}),
  };
  const servers = document.servers as { url: string }[] | undefined;
  return {
    openapi: "3.1.0",
    info: document.info as OpenApiDocument["info"],
    ...(servers === undefined || servers.length === 0 ? {} : { servers }),
    paths: Object.fromEntries(
      order.map((path) => {
        const item = withParameters(withBodies(given[path], all, path), all, path, components);
        return [path, { ...item, ...websockets[path] }];
      }),
    ),
    components: {
      schemas: Object.fromEntries(Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1))) as Record<
        string,
        SchemaNode
      >,
    },
    "x-fal-order-paths": order,
  };
}

/** The schemas that the app added to its server, as the generator of the document has converted them. */
function sharedSchemas(components: unknown, names: readonly string[]): Record<string, SchemaNode> {
  const { schemas = {} } = (components ?? {}) as { schemas?: Record<string, SchemaNode> };
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => names.includes(name)));
}

interface RequestBody {
  readonly content?: Readonly<Record<string, object>>;
}

/** Adds the content types of files, which the generator of the document does not know. */
function withEncoding(requestBody: RequestBody, { body }: RouteSignature): RequestBody {
  const encoding = body?.kind === "multipart" ? describeEncoding(body) : undefined;
  if (encoding === undefined) return requestBody;
  const content = Object.entries(requestBody.content ?? {});
  return {
    ...requestBody,
    content: Object.fromEntries(content.map(([type, media]) => [type, { ...media, encoding }])),
  };
}

/** Adds the parameters of operations, which the generator of the document does not describe in full. */
function withParameters(
  item: Readonly<Record<string, unknown>>,
  routes: readonly RouteSignature[],
  path: string,
  components: Components,
): Readonly<Record<string, unknown>> {
  const changed: Record<string, unknown> = { ...item };
  for (const route of routes) {
    if (route.isWebsocket || documentPath(route.path) !== path) continue;
    const parameters = localReferences(describeParameters(route, components));
    const method = methodOf(route).toLowerCase();
    if (parameters.length > 0) changed[method] = { ...(changed[method] as object), parameters };
  }
  return changed;
}

/** Makes bodies optional whose schema has a default, and adds the content types of their parts. */
function withBodies(
  item: Readonly<Record<string, unknown>> | undefined,
  routes: readonly RouteSignature[],
  path: string,
): Readonly<Record<string, unknown>> {
  const changed: Record<string, unknown> = { ...item };
  for (const route of routes) {
    if (route.isWebsocket || documentPath(route.path) !== path) continue;
    const method = methodOf(route).toLowerCase();
    const operation = changed[method] as { requestBody?: RequestBody } | undefined;
    if (route.input === undefined || operation?.requestBody === undefined) continue;
    const requestBody = withEncoding(operation.requestBody, route);
    changed[method] = {
      ...operation,
      requestBody: "default" in route.input ? { ...requestBody, required: false } : requestBody,
    };
  }
  return changed;
}

/** Converts references of the form `NAME#`, used while routes are mounted, to references into the document. */
function localReferences<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (key, item: unknown) =>
    key === "$ref" && typeof item === "string" && item.endsWith("#") && item !== "#"
      ? `#/components/schemas/${item.slice(0, -1)}`
      : item,
  ) as T;
}
