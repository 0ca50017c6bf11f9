import { DefinitionError } from "../errors.ts";
import { callSite } from "./call-site.ts";
import { pathShape } from "./path-pattern.ts";
import {
  describeRoute,
  methodOf,
  type HttpMethod,
  type RouteHandler,
  type RouteSignature,
} from "./signature.ts";

// Node does not have Symbol.metadata yet. It must exist before the first decorated class is defined, under the name
// that compilers fall back to, so that every copy of this package and every compiler agree on it.
const symbols = Symbol as { metadata?: symbol };
symbols.metadata ??= Symbol.for("Symbol.metadata");

/** A class's decorator metadata; undefined for a class without decorators. Inherits from the parent class's. */
function metadataOf(constructor: object): object | undefined {
  return (constructor as Record<symbol, object | undefined>)[symbols.metadata as symbol];
}

const ROUTES: unique symbol = Symbol.for("servable.routes");

/** The routes of a class by method name: a copy of its parent's routes, to which its own are added. */
interface RouteTable {
  readonly routes: Map<string, RouteSignature>;
  /** The methods that this class itself decorates. */
  readonly own: Set<string>;
  /** `file:` URL of the module that defines the class, if known. */
  readonly definedIn: string | undefined;
}

type Metadata = { [ROUTES]?: RouteTable };

/** Records a route in the metadata of the class being defined, without touching its parent's. */
export function recordRoute(metadata: object, route: RouteSignature): void {
  const table = ownTable(metadata);
  if (table.own.has(route.methodName)) {
    throw new DefinitionError(
      "ROUTE_DECORATED_TWICE",
      `${route.methodName}() has two route decorators; give each route a method of its own.`,
    );
  }
  // This class may still override inherited routes: those are checked when routes are collected.
  for (const methodName of table.own) {
    const other = table.routes.get(methodName);
    if (other === undefined || !areEqual(other, route)) continue;
    throw new DefinitionError(
      "ROUTE_PATH_TAKEN",
      `${route.methodName}() and ${methodName}() both claim ${describeBoth(route, other)}; change one path.`,
    );
  }
  table.own.add(route.methodName);
  table.routes.set(route.methodName, route);
}

/** The routes recorded for a class and its ancestors, keyed by method name. */
export function recordedRoutes(constructor: object): ReadonlyMap<string, RouteSignature> {
  const metadata = metadataOf(constructor) as Metadata | undefined;
  return metadata?.[ROUTES]?.routes ?? new Map();
}

/** The `file:` URL of the module that defines a class; undefined for a class without routes of its own. */
export function definingModule(constructor: object): string | undefined {
  const metadata = metadataOf(constructor) as Metadata | undefined;
  if (metadata === undefined || !Object.hasOwn(constructor, Symbol.metadata)) return undefined;
  return Object.hasOwn(metadata, ROUTES) ? metadata[ROUTES]?.definedIn : undefined;
}

/** @throws DefinitionError if a route has the path of an inherited route with another method name. */
export function assertOwnPaths(constructor: object): void {
  const routes = [...recordedRoutes(constructor).values()];
  for (const [index, route] of routes.entries()) {
    const other = routes.slice(0, index).find((earlier) => areEqual(earlier, route));
    if (other === undefined) continue;
    const [newer, older] = isNewer(other, route, constructor) ? [other, route] : [route, other];
    throw new DefinitionError(
      "ROUTE_PATH_TAKEN",
      `${newer.methodName}() and ${older.methodName}() both claim ${describeBoth(newer, older)}; change one path, ` +
        `or name the method ${older.methodName} to replace the inherited one.`,
    );
  }
}

/** Whether the first of two routes belongs to a more derived class. */
function isNewer(one: RouteSignature, two: RouteSignature, constructor: object): boolean {
  let metadata = metadataOf(constructor) as Metadata | null | undefined;
  while (metadata !== undefined && metadata !== null) {
    const own = Object.hasOwn(metadata, ROUTES) ? metadata[ROUTES]?.own : undefined;
    if (own?.has(one.methodName)) return true;
    if (own?.has(two.methodName)) return false;
    metadata = Object.getPrototypeOf(metadata) as Metadata | null;
  }
  return false;
}

/** Whether two routes would get the same requests. An upgrade to a websocket is a GET. */
function areEqual(one: RouteSignature, two: RouteSignature): boolean {
  return requestMethod(one) === requestMethod(two) && pathShape(one.path) === pathShape(two.path);
}

function requestMethod(route: RouteSignature): string {
  return route.isWebsocket ? "GET" : methodOf(route);
}

function describeBoth(one: RouteSignature, two: RouteSignature): string {
  const [first, second] = [describeRoute(one), describeRoute(two)];
  return first === second ? first : `the same requests, with ${first} and ${second}`;
}

function ownTable(metadata: Metadata): RouteTable {
  if (!Object.hasOwn(metadata, ROUTES)) {
    metadata[ROUTES] = { routes: new Map(metadata[ROUTES]?.routes), own: new Set(), definedIn: callSite() };
  }
  return metadata[ROUTES] as RouteTable;
}

/**
 * Collects the routes of an instance: each signature with its bound method. Paths are sorted, HTTP before websockets,
 * as in every document. A subclass's method replaces its parent's of the same name.
 * @throws DefinitionError if routes of the class and its ancestors conflict.
 */
export function collectRoutes(instance: object): Map<RouteSignature, RouteHandler> {
  assertOwnPaths(instance.constructor);
  const collected = new Map<RouteSignature, RouteHandler>();
  const routes = [...recordedRoutes(instance.constructor).values()];
  for (const route of routes.sort(byDocumentOrder)) {
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

/** The order of the methods of one path. */
const METHODS: readonly HttpMethod[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

function byDocumentOrder(a: RouteSignature, b: RouteSignature): number {
  if (a.isWebsocket !== b.isWebsocket) return a.isWebsocket ? 1 : -1;
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return METHODS.indexOf(methodOf(a)) - METHODS.indexOf(methodOf(b));
}
