import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { OpenApiDocument } from "../../openapi/annotate.ts";
import { PAGE_HEADERS } from "../http/answer-headers.ts";
import { notFoundDetail } from "../http/not-found.ts";
import { withoutRootPath } from "../http/root-path.ts";
import { loadFastify } from "../packages.ts";
import { type Documented, schemesOf } from "./document.ts";
import { keyForm } from "./key-form.ts";

/** The header with which a server marks requests to its own pages whose caller it has identified. */
export const READER = "x-servable-reader";

/** A server of the pages below `/docs` of another one. It never listens. */
export interface PagesServer {
  readonly server: FastifyInstance;
  /** The value of the header {@link READER} of requests that may read the document through the pages. */
  readonly readerToken: string;
}

/** Builds the pages that display a document. */
export async function createPages(
  { name, authentication }: Documented,
  rootPath: string,
  document: OpenApiDocument,
): Promise<PagesServer> {
  const { default: swagger } = await import("@fastify/swagger");
  const server = loadFastify().fastify();
  await server.register(swagger, { openapi: {} }); // the pages require the plugin; the document is ours
  answerLostPages(server, rootPath);
  const readerToken = randomUUID();
  const mayRead = (request: FastifyRequest): boolean =>
    authentication === undefined || request.headers[READER] === readerToken;
  await registerPages(server, `${rootPath}/docs`, {
    // The pages are open to everyone, and hold nothing of an app that identifies its callers.
    title: authentication === undefined ? name : "API",
    scripts: authentication === undefined ? [] : [keyForm(schemesOf(authentication))],
    document: (request) => (mayRead(request) ? document : undefined),
  });
  await server.ready();
  return { server, readerToken };
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
