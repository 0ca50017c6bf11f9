import { DefinitionError } from "../errors.ts";
import { callSite } from "./call-site.ts";
import { metadataOf } from "./metadata.ts";
import { describeRoute, type RouteSignature } from "./signature.ts";

const ROUTES: unique symbol = Symbol.for("servable.routes");

/** The routes of one class: its parent's, with its own added or replaced. Keyed by method name. */
interface RouteTable {
  readonly routes: Map<string, RouteSignature>;
  /** The methods this very class decorated. */
  readonly own: Set<string>;
  /** `file:` URL of the module that the class is defined in, if it can be told. */
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
  // Inherited routes may still move on in this very class: they are looked at when routes are collected.
  for (const methodName of table.own) {
    const other = table.routes.get(methodName);
    if (other === undefined || !isSamePlace(other, route)) continue;
    throw new DefinitionError(
      "ROUTE_PATH_TAKEN",
      `${route.methodName}() and ${methodName}() both claim ${describeRoute(route)}; change one path.`,
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

/** The `file:` URL of the module that defines a class; undefined for one without a route of its own. */
export function definingModule(constructor: object): string | undefined {
  const metadata = metadataOf(constructor) as Metadata | undefined;
  if (metadata === undefined || !Object.hasOwn(constructor, Symbol.metadata)) return undefined;
  return Object.hasOwn(metadata, ROUTES) ? metadata[ROUTES]?.definedIn : undefined;
}

/** @throws DefinitionError when a route of a class claims the path of one that it inherits under another name. */
export function assertOwnPaths(constructor: object): void {
  const routes = [...recordedRoutes(constructor).values()];
  for (const [index, route] of routes.entries()) {
    const other = routes.slice(0, index).find((earlier) => isSamePlace(earlier, route));
    if (other === undefined) continue;
    const [newer, older] = isNewer(other, route, constructor) ? [other, route] : [route, other];
    throw new DefinitionError(
      "ROUTE_PATH_TAKEN",
      `${newer.methodName}() and ${older.methodName}() both claim ${describeRoute(newer)}; change one path, ` +
        `or name the method ${older.methodName} to replace the inherited one.`,
    );
  }
}

/** Whether the first of two routes was decorated further down the line of classes. */
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

function isSamePlace(one: RouteSignature, two: RouteSignature): boolean {
  return one.path === two.path && one.isWebsocket === two.isWebsocket;
}

function ownTable(metadata: Metadata): RouteTable {
  if (!Object.hasOwn(metadata, ROUTES)) {
    metadata[ROUTES] = { routes: new Map(metadata[ROUTES]?.routes), own: new Set(), definedIn: callSite() };
  }
  return metadata[ROUTES] as RouteTable;
}
