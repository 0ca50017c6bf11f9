import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from "fastify";
import { annotateDocument, type OpenApiDocument, type SecuritySchemes } from "../../openapi/annotate.ts";
import { type Components, VALIDATION_SCHEMAS } from "../../openapi/components.ts";
import type { LoadSettings } from "../../openapi/overload-answers.ts";
import { withSecurity } from "../../openapi/security.ts";
import type { Authentication } from "../../settings/authentication.ts";
import { describeHealth, describeOperation, type Operation } from "../../openapi/operation.ts";
import { methodOf } from "../../routes/signature.ts";
import type { ServerDefinition } from "../definition.ts";
import { notFoundDetail } from "../http/not-found.ts";
import { keyForm } from "./key-form.ts";
import { loadFastify } from "../packages.ts";
import { readOwnRoutes, type OwnRoutes } from "./own-routes.ts";
import { PAGE_HEADERS } from "../http/answer-headers.ts";
import { withoutRootPath } from "../http/root-path.ts";
import { documentedRoutes } from "./standard-documents.ts";
import { compileParameters } from "../parameters/request-parameters.ts";
import { compileSchemas, namedSchemas } from "../validation/route-schemas.ts";
import { Validator } from "../validation/validator.ts";

/** The parts of a definition that the document is made of. */
type Documented = Pick<ServerDefinition, "name" | "version" | "routes" | "authentication" | "moduleUrl"> &
  LoadSettings;

/** The header with which a server marks requests to its own pages whose caller it has identified. */
export const READER = "x-servable-reader";

/** A server that serves nothing but the document of another one. */
export interface DocumentServer {
  readonly document: OpenApiDocument;
  readonly server: FastifyInstance;
  /** The value of the header {@link READER} of requests that may read the document through the pages. */
  readonly readerToken: string;
}

/**
 * Builds the OpenAPI document of a class, without listening and without `setup()`.
 * @throws DefinitionError if the class can't be served
 */
export async function createDocument(
  definition: Omit<Documented, "maxMultiplexing"> &
    Pick<ServerDefinition, "configure" | "className" | "settings">,
  rootPath: string,
): Promise<OpenApiDocument> {
  const validator = new Validator();
  for (const route of definition.routes.keys()) {
    compileSchemas(validator, route);
    compileParameters(validator, route);
  }
  const own = await readOwnRoutes(definition);
  const documented = { ...definition, maxMultiplexing: definition.settings.maxMultiplexing };
  const { document, server } = await createDocumentServer(documented, rootPath, { withPages: false, own });
  await server.close();
  return document;
}

/** Builds the document together with the pages below `/docs` that display it. */
export async function createDocumentServer(
  definition: Documented,
  rootPath: string,
  { withPages, own }: { withPages: boolean; own: OwnRoutes | undefined },
): Promise<DocumentServer> {
  const { default: swagger } = await import("@fastify/swagger");
  const server = loadFastify().fastify();
  const signatures = await documentedRoutes(definition.routes.keys(), definition.moduleUrl);
  const components = namedSchemas(definition, signatures);
  await server.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: definition.name, version: definition.version },
      ...(rootPath === "" ? {} : { servers: [{ url: rootPath }] }),
    },
    refResolver: { buildLocalReference: (json) => String(json["$id"]) },
  });
  // swagger-ui displays the annotated document, which is complete once all routes are registered.
  let document: OpenApiDocument | undefined;
  if (withPages) answerLostPages(server, rootPath);
  const { authentication } = definition;
  const readerToken = randomUUID();
  const mayRead = (request: FastifyRequest): boolean =>
    authentication === undefined || request.headers[READER] === readerToken;
  if (withPages) {
    await registerPages(server, `${rootPath}/docs`, {
      // The pages are open to everyone, and hold nothing of an app that identifies its callers.
      title: authentication === undefined ? definition.name : "API",
      scripts: authentication === undefined ? [] : [keyForm(schemesOf(authentication))],
      document: (request) => (mayRead(request) ? document : undefined),
    });
  }
  addSchemas(server, components);
  const http = signatures.filter((route) => !route.isWebsocket);
  for (const route of http)
    addOperation(server, methodOf(route), route.path, describeOperation(route, components, definition));
  addOwnRoutes(server, own);
  const hasHealth = own?.routes.some(
    ({ method, url }) => url === "/health" && [method].flat().includes("GET"),
  );
  if (!http.some((route) => route.path === "/health") && hasHealth !== true) {
    addOperation(server, "GET", "/health", describeHealth(new Set(http.map((route) => route.methodName))));
  }
  await server.ready();
  document = annotateDocument(server.swagger(), components, signatures, Object.keys(own?.schemas ?? {}));
  if (authentication !== undefined)
    document = withSecurity(
      document,
      schemesOf(authentication),
      signatures,
      (own?.routes ?? []).filter((route) => route.isPublic),
    );
  return { document, server, readerToken };
}

function addSchemas(server: FastifyInstance, components: Components): void {
  for (const [name, schema] of Object.entries({ ...components.schemas, ...VALIDATION_SCHEMAS })) {
    server.addSchema({ $id: name, title: schema["title"] });
  }
}

function addOperation(
  server: FastifyInstance,
  method: RouteOptions["method"],
  url: string,
  operation: Operation | FastifySchema,
): void {
  server.route({
    method,
    url,
    exposeHeadRoute: false,
    schema: operation,
    validatorCompiler: () => () => true,
    serializerCompiler: () => () => "",
    handler: (_request, reply) => reply.callNotFound(),
  });
}

/** Adds the app's own routes that carry a schema. */
function addOwnRoutes(server: FastifyInstance, own: OwnRoutes | undefined): void {
  for (const [name, schema] of Object.entries(own?.schemas ?? {})) {
    if (server.getSchema(name) === undefined) server.addSchema(schema);
  }
  for (const { method, url, schema } of own?.routes ?? []) {
    if (schema !== undefined && method !== "HEAD") addOperation(server, method, url, schema);
  }
}

/** Answers unknown paths below `/docs` with the same 404 as other unknown paths. */
function answerLostPages(server: FastifyInstance, rootPath: string): void {
  const answer = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    reply
      .code(404)
      .headers({ "x-fal-billable-units": "0", ...PAGE_HEADERS })
      .type("application/json")
      .send(JSON.stringify({ detail: notFoundDetail(withoutRootPath(request.url, rootPath)) }));
  server.setNotFoundHandler(answer);
  server.setErrorHandler((error, request, reply) => {
    const { statusCode = 500 } = error as { statusCode?: number };
    if (statusCode < 500) return answer(request, reply);
    return reply.code(500).type("application/json").send('{"detail":"Internal Server Error"}');
  });
}

async function registerPages(
  server: FastifyInstance,
  routePrefix: string,
  parts: {
    readonly title: string;
    /** Scripts to load after those of the pages. */
    readonly scripts: readonly { readonly filename: string; readonly content: string }[];
    /** The document for a request. */
    document(request: FastifyRequest): object | undefined;
  },
): Promise<void> {
  const { default: swaggerUi } = await import("@fastify/swagger-ui");
  await server.register(swaggerUi, {
    routePrefix,
    transformSpecification: (_document, request) => parts.document(request) ?? {},
    transformSpecificationClone: false,
    uiConfig: { layout: "BaseLayout", tryItOutEnabled: true, displayRequestDuration: true },
    theme: { title: parts.title, js: [...parts.scripts] },
  });
}

/** The security schemes of an app that identifies its callers. */
function schemesOf({ securitySchemes }: Authentication): SecuritySchemes {
  return securitySchemes ?? { bearer: { type: "http", scheme: "bearer" } };
}
