import { documentPath } from "../routes/path-pattern.ts";
import { isOpen, methodOf, type RouteSignature } from "../routes/signature.ts";
import type { OpenApiDocument, SecuritySchemes } from "./annotate.ts";

const METHODS: ReadonlySet<string> = new Set(["get", "post", "put", "patch", "delete", "head", "options"]);

const DETAIL = {
  type: "object",
  properties: { detail: { type: "string", title: "Detail" } },
  required: ["detail"],
};
const CHALLENGE = { "WWW-Authenticate": { schema: { type: "string" } } };

/** The answers to callers that are unknown, or may not do this. */
const REFUSALS = {
  401: {
    description: "Not Authenticated",
    headers: CHALLENGE,
    content: { "application/json": { schema: DETAIL } },
  },
  403: { description: "Forbidden", content: { "application/json": { schema: DETAIL } } },
};

/** A further route that everyone may call. */
interface OpenOperation {
  readonly method: string | readonly string[];
  readonly url: string;
}

/**
 * Adds to a document that every operation needs one of the credentials, except those of open routes and of health, and
 * the answers to requests without them.
 */
export function withSecurity(
  document: OpenApiDocument,
  schemes: SecuritySchemes,
  routes: Iterable<RouteSignature>,
  others: Iterable<OpenOperation> = [],
): OpenApiDocument {
  const open = new Set([...routes].filter(isOpen).map(keyOf));
  for (const { method, url } of others) {
    for (const name of [method].flat()) open.add(`${name.toLowerCase()} ${documentPath(url)}`);
  }
  const paths = Object.entries(document.paths).map(([path, item]) => [
    path,
    Object.fromEntries(
      Object.entries(item).map(([method, operation]) => {
        if (!METHODS.has(method)) return [method, operation];
        const isFree = open.has(`${method} ${path}`) || (method === "get" && path === "/health");
        return [method, isFree ? { ...(operation as object), security: [] } : refusable(operation)];
      }),
    ) as Record<string, unknown>,
  ]);
  const { components, ...rest } = document;
  return {
    ...rest,
    paths: Object.fromEntries(paths) as OpenApiDocument["paths"],
    components: { ...components, securitySchemes: schemes },
    security: Object.keys(schemes).map((name) => ({ [name]: [] })),
  };
}

function refusable(operation: unknown): unknown {
  const { responses, ...rest } = operation as { responses?: object };
  return { ...rest, responses: { ...REFUSALS, ...responses } }; // whole numbers are listed in ascending order
}

/** The operation that describes a route; a websocket is described by the mirror of a POST. */
function keyOf(route: RouteSignature): string {
  const method = route.isWebsocket ? "post" : methodOf(route).toLowerCase();
  return `${method} ${documentPath(route.path)}`;
}
