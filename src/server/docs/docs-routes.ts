import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type AnswerHeaders, DOCS_HEADERS, PAGE_HEADERS } from "../http/answer-headers.ts";
import type { LoadSettings } from "../../openapi/overload-answers.ts";
import type { ServerDefinition } from "../definition.ts";
import type { OwnRoute } from "./own-routes.ts";
import type { ServerState } from "../lifecycle/server-state.ts";
import type { OpenApiDocument } from "../../openapi/annotate.ts";
import { makeDocument } from "./document.ts";
import { createPages, type PagesServer, READER } from "./pages.ts";

/** Headers that Node or Fastify sets for each connection. */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
]);
const OURS = { exposeHeadRoute: false, config: { isFrameworkRoute: true } };
/** A page, which everyone may open: browsers can't send a key with the request for a page. */
const PAGE = { exposeHeadRoute: false, config: { isFrameworkRoute: true, isPublic: true } };

/**
 * Mounts `GET /openapi.json` and the pages below `/docs`. The first request for the document makes it, and the first
 * one for a page makes the server of the pages, so that a production process without such requests neither loads nor
 * keeps them.
 */
export function mountDocs(
  server: FastifyInstance,
  definition: ServerDefinition & LoadSettings,
  headers: AnswerHeaders,
  {
    rootPath,
    docs,
    state,
    ownRoutes,
  }: { rootPath: string; docs: boolean | "document"; state: ServerState; ownRoutes: readonly OwnRoute[] },
): void {
  let madeDocument: Promise<OpenApiDocument> | undefined;
  let madePages: Promise<PagesServer> | undefined;
  const document = (): Promise<OpenApiDocument> =>
    (madeDocument ??= makeDocument(definition, rootPath, {
      routes: ownRoutes,
      schemas: server.getSchemas(),
    }));
  const pagesServer = (): Promise<PagesServer> =>
    (madePages ??= document().then((made) => createPages(definition, rootPath, made)));

  const showDocument = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    return headers.sendJson(request, reply, 200, JSON.stringify(await document()), PAGE_HEADERS);
  };
  const showPage = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { server: pages, readerToken } = await pagesServer();
    if (request.routeOptions.config.isPublic !== true) request.raw.headers[READER] = readerToken;
    if (state.hasSendHooks) {
      const url = rootPath + request.url;
      const page = await pages.inject({ method: "GET", url, headers: request.headers });
      for (const [name, value] of Object.entries(page.headers)) {
        if (value !== undefined && !OF_CONNECTION.has(name)) reply.header(name, value);
      }
      headers.apply(request, reply);
      return reply.code(page.statusCode).headers(DOCS_HEADERS).send(page.rawPayload);
    }
    reply.hijack();
    for (const [name, value] of Object.entries({ ...DOCS_HEADERS, ...headers.for(request.headers.origin) })) {
      reply.raw.setHeader(name, value);
    }
    request.raw.url = rootPath + request.url; // the links of the pages begin with the path that the client used
    pages.routing(request.raw, reply.raw);
    return reply;
  };
  const pages = [
    ["/openapi.json", showDocument, OURS],
    ["/docs", showPage, PAGE],
    ["/docs/", showPage, PAGE],
    ["/docs/static/*", showPage, PAGE],
    ["/docs/*", showPage, OURS],
  ] as const;
  for (const [url, show, options] of pages) {
    if (docs === false || (docs === "document" && url !== "/openapi.json")) continue;
    if (!server.hasRoute({ method: "GET", url })) server.get(url, options, show); // otherwise configure() added its own
  }
  server.addHook("onClose", async () => {
    await (await madePages)?.server.close();
  });
}
