import type { FastifyInstance, onRequestHookHandler } from "fastify";
import { DefinitionError } from "../errors.ts";
import { methodOf, type RouteSignature } from "../routes/signature.ts";
import type { PathTable } from "./http/not-found.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route is one of the framework's own: an endpoint, a probe, the document or its pages. */
    isFrameworkRoute?: boolean;
  }
}

/**
 * Makes a server list the paths of its routes, and puts hooks before those of each route. Call it before any other code
 * adds routes or plugins, so that no route and no `onRoute` hook of a plugin comes before these hooks.
 */
export function addRouteHooks(
  server: FastifyInstance,
  { paths, guard }: { paths: PathTable; guard: onRequestHookHandler },
): void {
  server.addHook("onRoute", (route) => {
    // A plain request to the path of a websocket is answered with 404.
    if (route.wsHandler === undefined) paths.add(route.url, route.method);
    // Refused requests match no route of the framework, but they may match a route of the app.
    const first = route.config?.isFrameworkRoute === true ? [] : [guard];
    if (first.length > 0) route.onRequest = [...first, ...[route.onRequest ?? []].flat()];
  });
}

/**
 * Checks that no route of the app has the method and path of an endpoint or websocket.
 * @throws DefinitionError
 */
export function assertFree(server: FastifyInstance, signature: RouteSignature): void {
  const { path, methodName, isWebsocket } = signature;
  const method = isWebsocket ? "GET" : methodOf(signature);
  if (!server.hasRoute({ method, url: path })) return;
  throw new DefinitionError(
    "ROUTE_PATH_TAKEN",
    `configure() adds ${method} ${path}, which ${methodName}() serves; change the path of one.`,
  );
}
