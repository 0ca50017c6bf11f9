import { DefinitionError } from "../errors.ts";
import { metadataOf } from "./metadata.ts";
import { describeRoute, type RouteSignature } from "./signature.ts";

const ROUTES: unique symbol = Symbol.for("servable.routes");

/** The routes of one class: its parent's, with its own added or replaced. Keyed by method name. */
interface RouteTable {
  readonly routes: Map<string, RouteSignature>;
  /** The methods this very class decorated. */
  readonly own: Set<string>;
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
  for (const other of table.routes.values()) {
    const samePlace = other.path === route.path && other.isWebsocket === route.isWebsocket;
    if (!samePlace || other.methodName === route.methodName) continue;
    throw new DefinitionError(
      "ROUTE_PATH_TAKEN",
      `${route.methodName}() and ${other.methodName}() both claim ${describeRoute(route)}; change one path` +
        (table.own.has(other.methodName)
          ? "."
          : `, or name the method ${other.methodName} to replace the inherited one.`),
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

function ownTable(metadata: Metadata): RouteTable {
  if (!Object.hasOwn(metadata, ROUTES)) {
    metadata[ROUTES] = { routes: new Map(metadata[ROUTES]?.routes), own: new Set() };
  }
  return metadata[ROUTES] as RouteTable;
}
