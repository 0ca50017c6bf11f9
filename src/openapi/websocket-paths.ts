import type { TSchema } from "typebox";
import type { SchemaNode } from "../routes/schema-walk.ts";
import type { RealtimeMode, RouteSignature } from "../routes/signature.ts";
import type { Components } from "./components.ts";

/** The description of the websocket at a path. OpenAPI itself cannot describe websockets. */
interface Protocol {
  type: "realtime" | "websocket";
  /** The method's name. */
  operationId: string;
  /** Settings without a value are null. `sessionTimeout` is in seconds. */
  config: { buffering: number | null; sessionTimeout: number | null; maxBatchSize: number };
  contentType?: string;
  realtimeMode?: RealtimeMode;
}

/** The key of a path that holds the description of its websocket. */
const PROTOCOL_KEY = "x-fal-protocol";

/**
 * The additions of websocket routes to the paths of a document: the protocol, and for a typed realtime route without a
 * POST at the same path a mirror of one, which forms are generated from.
 * @param paths the existing paths, which are not changed
 */
export function websocketPaths(
  routes: Iterable<RouteSignature>,
  components: Components,
  paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): Record<string, Record<string, unknown>> {
  const takenIds = new Set(operationIds(paths));
  const added: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    if (!route.isWebsocket) continue;
    const item: Record<string, unknown> = { [PROTOCOL_KEY]: describeProtocol(route) };
    const hasPost = "post" in (paths[route.path] ?? {});
    const isTyped =
      route.realtimeMode !== undefined && (route.input !== undefined || route.output !== undefined);
    if (isTyped && !hasPost) {
      item["post"] = describeMirror(route, components, freeId(`${route.methodName}_post`, takenIds));
    } else if (route.description !== undefined && !(route.path in paths)) {
      item["description"] = route.description; // the path has no other field for it
    }
    added[route.path] = item;
  }
  return added;
}

/** Describes the protocol of a websocket route. */
function describeProtocol(route: RouteSignature): Protocol {
  const isRealtime = route.realtimeMode !== undefined;
  return {
    type: isRealtime ? "realtime" : "websocket",
    operationId: route.methodName,
    config: {
      buffering: route.buffering ?? null,
      sessionTimeout: route.sessionTimeout ?? null,
      maxBatchSize: route.maxBatchSize ?? 1,
    },
    ...(isRealtime && route.contentType !== undefined ? { contentType: route.contentType } : {}),
    ...(route.realtimeMode === undefined ? {} : { realtimeMode: route.realtimeMode }),
  };
}

/** Describes a realtime route in the form of a POST that is not served: one message in, one out. */
function describeMirror(route: RouteSignature, components: Components, operationId: string): SchemaNode {
  const description = "WebSocket message response";
  const content = (schema: TSchema, as: "input" | "output"): SchemaNode => ({
    "application/json": { schema: components.reference(schema, { route, as }) },
  });
  return {
    operationId,
    summary: `Realtime endpoint: ${route.methodName}`,
    description: route.description ?? "",
    ...(route.input === undefined ? {} : { requestBody: { content: content(route.input, "input") } }),
    responses:
      route.output === undefined
        ? { "204": { description } }
        : { "200": { description, content: content(route.output, "output") } },
  };
}

function operationIds(paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>): unknown[] {
  const operations = Object.values(paths).flatMap((item) => Object.values(item));
  return operations.map((operation) => (operation as { operationId?: unknown }).operationId);
}

function freeId(wanted: string, taken: Set<unknown>): string {
  let id = wanted;
  for (let count = 2; taken.has(id); count++) id = `${wanted}${count}`;
  taken.add(id);
  return id;
}
