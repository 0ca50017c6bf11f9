import { DefinitionError } from "../errors.ts";
import { assertOwnPaths, recordedRoutes } from "./registry.ts";
import type { RouteHandler, RouteSignature } from "./signature.ts";

/**
 * Reads the routes off an instance: each signature with its method, bound. Paths come sorted, plain ones before
 * websockets, as every document lists them. A subclass's method stands in for its parent's of the same name.
 * @throws DefinitionError when routes of the class and its ancestors can't be served together.
 */
export function collectRoutes(instance: object): Map<RouteSignature, RouteHandler> {
  assertOwnPaths(instance.constructor);
  const collected = new Map<RouteSignature, RouteHandler>();
  const routes = [...recordedRoutes(instance.constructor).values()];
  for (const route of routes.sort(byPlace)) {
    const method = (instance as Record<string, unknown>)[route.methodName];
    if (typeof method !== "function") {
      throw new DefinitionError(
        "ROUTE_METHOD_REFUSED",
        `${instance.constructor.name}.${route.methodName} is a route of the parent class, but no method here; ` +
          "rename the field or make it a method.",
      );
    }
    collected.set(route, method.bind(instance) as RouteHandler);
  }
  const probes = routes.filter((route) => route.healthCheck !== undefined);
  if (probes.length > 1) {
    throw new DefinitionError(
      "HEALTH_CHECK_TWICE",
      `${instance.constructor.name} marks ${probes.map((route) => route.path).join(" and ")} as its health check; keep one.`,
    );
  }
  return collected;
}

function byPlace(a: RouteSignature, b: RouteSignature): number {
  if (a.isWebsocket !== b.isWebsocket) return a.isWebsocket ? 1 : -1;
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
