import type { FastifyInstance, RouteOptions } from "fastify";
import type { DocumentFrame, OpenApiDocument } from "../../openapi/annotate.ts";
import type { SchemaNode } from "../../routes/schema-walk.ts";
import { loadFastify } from "../packages.ts";
import type { OwnRoute, OwnRoutes } from "./own-routes.ts";

/** The part of a document that the app's own routes make. */
type OwnPart = Pick<DocumentFrame, "ownPaths" | "ownSchemas" | "hasOwnHealth">;

/** Describes the routes that the app added to its server, as `@fastify/swagger` does in any Fastify app. */
export async function describeOwnRoutes(
  own: OwnRoutes | undefined,
  frame: Pick<DocumentFrame, "info" | "servers">,
): Promise<OwnPart> {
  const { routes = [], schemas = {} } = own ?? {};
  const hasOwnHealth = routes.some(({ method, url }) => url === "/health" && [method].flat().includes("GET"));
  const documented = routes.filter(({ method, schema }) => schema !== undefined && method !== "HEAD");
  const names = Object.keys(schemas);
  if (documented.length === 0 && names.length === 0) return { ownPaths: {}, ownSchemas: {}, hasOwnHealth };
  const { default: swagger } = await import("@fastify/swagger");
  const server = loadFastify().fastify();
  await server.register(swagger, {
    openapi: { openapi: "3.1.0", ...frame },
    refResolver: { buildLocalReference: (json) => String(json["$id"]) },
  });
  for (const schema of Object.values(schemas)) server.addSchema(schema);
  for (const route of documented) addShell(server, route);
  await server.ready();
  const { paths = {}, components } = server.swagger() as Partial<OpenApiDocument>;
  await server.close();
  const converted = Object.entries(components?.schemas ?? {}).filter(([name]) => names.includes(name));
  return {
    ownPaths: paths,
    ownSchemas: Object.fromEntries(converted) as Record<string, SchemaNode>,
    hasOwnHealth,
  };
}

/** Adds a route that is described, but never called. */
function addShell(server: FastifyInstance, { method, url, schema }: OwnRoute): void {
  const route: RouteOptions = {
    method,
    url,
    exposeHeadRoute: false,
    validatorCompiler: () => () => true,
    serializerCompiler: () => () => "",
    handler: (_request, reply) => reply.callNotFound(),
  };
  server.route(schema === undefined ? route : { ...route, schema });
}
