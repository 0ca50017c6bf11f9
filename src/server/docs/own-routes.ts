import type { FastifyInstance, FastifySchema, RouteOptions } from "fastify";
import { inSameScope } from "../configuration.ts";
import type { ServerDefinition } from "../definition.ts";
import { loadFastify } from "../packages.ts";

/** A route that the app added to its server. */
export interface OwnRoute {
  readonly method: RouteOptions["method"];
  readonly url: string;
  /** Only routes with a schema are documented. */
  readonly schema: FastifySchema | undefined;
  /** Whether everyone may call the route of an app that identifies its callers. */
  readonly isPublic: boolean;
}

/** The routes that the app added to its server, and the schemas that theirs refer to. */
export interface OwnRoutes {
  readonly routes: readonly OwnRoute[];
  readonly schemas: Readonly<Record<string, unknown>>;
}

/** Maximum time of each plugin while the routes are read, in ms. */
const PLUGIN_TIMEOUT_MS = 10_000;

/**
 * Reads the routes that `configure()` adds, from a server that never listens. A failure is a warning, since a machine
 * that only generates the document may lack what the plugins need, such as keys.
 */
export async function readOwnRoutes({
  configure,
  className,
}: Pick<ServerDefinition, "configure" | "className">): Promise<OwnRoutes | undefined> {
  if (configure === undefined) return undefined;
  const routes: OwnRoute[] = [];
  const server = loadFastify().fastify({ pluginTimeout: PLUGIN_TIMEOUT_MS, exposeHeadRoutes: false });
  server.addHook("onRoute", ({ method, url, schema, config }) => {
    routes.push({ method, url, schema, isPublic: config?.isPublic === true });
  });
  try {
    await server.register(inSameScope(async (root: FastifyInstance) => configure(root)));
    await server.ready();
    return { routes, schemas: server.getSchemas() };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.emitWarning(
      `The OpenAPI document of ${className} lacks the routes that configure() adds, since it failed: ${why}`,
    );
    return undefined;
  } finally {
    await server.close().catch(() => {});
  }
}
