import { randomUUID } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { OpenApiDocument } from "../../openapi/annotate.ts";
import { PAGE_HEADERS } from "../http/answer-headers.ts";
import { escapeHtml } from "../http/html.ts";
import { notFoundDetail } from "../http/not-found.ts";
import { withoutRootPath } from "../http/root-path.ts";
import { loadFastify } from "../packages.ts";
import { type Documented, schemesOf } from "./document.ts";
import { keyForm } from "./key-form.ts";
import { PAGE_FILES, pageFile } from "./page-files.ts";

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
  const server = loadFastify().fastify();
  answerLostPages(server, rootPath);
  const readerToken = randomUUID();
  const mayRead = (request: FastifyRequest): boolean =>
    authentication === undefined || request.headers[READER] === readerToken;
  mountPages(server, `${rootPath}/docs`, {
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

/** Mounts Swagger UI: the page, its script and its files. */
function mountPages(
  server: FastifyInstance,
  prefix: string,
  parts: {
    readonly title: string;
    /** Scripts to load after those of the pages. */
    readonly scripts: readonly { readonly filename: string; readonly content: string }[];
    /** The document for a request. */
    document(request: FastifyRequest): object | undefined;
  },
): void {
  const page = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    reply
      .type("text/html; charset=utf-8")
      // A link in a page whose address ends in a slash is relative, in case a proxy added a prefix.
      .send(pageOf(parts, request.url.split("?")[0]?.endsWith("/") === true ? "." : prefix));
  server.get(prefix, page);
  server.get(`${prefix}/`, page);
  server.get(`${prefix}/json`, (request, reply) => reply.send(parts.document(request) ?? {}));
  for (const { filename, content } of [
    { filename: STARTER, content: STARTER_CODE },
    ...parts.scripts.map((script) => ({ ...script, filename: `theme/${script.filename}` })),
  ]) {
    server.get(`${prefix}/static/${filename}`, (_request, reply) => reply.type(JAVASCRIPT).send(content));
  }
  for (const [name, type] of PAGE_FILES) {
    server.get(`${prefix}/static/${name}`, (request, reply) => sendFile(request, reply, name, type));
  }
}

async function sendFile(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  name: string,
  type: string,
): Promise<FastifyReply> {
  const path = pageFile(name);
  const { size, mtimeMs } = await stat(path);
  const tag = `"${size.toString(36)}-${Math.trunc(mtimeMs).toString(36)}"`;
  reply.headers({ etag: tag, "cache-control": "public, max-age=0" });
  if (headers["if-none-match"] === tag) return reply.code(304).send();
  return reply.type(type).send(await readFile(path));
}

function pageOf({ title, scripts }: Parameters<typeof mountPages>[2], prefix: string): string {
  const files = `${escapeHtml(prefix)}/static`;
  const names = ["swagger-ui-bundle.js", STARTER, ...scripts.map(({ filename }) => `theme/${filename}`)];
  return [
    "<!DOCTYPE html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="UTF-8">',
    `<title>${escapeHtml(title)}</title>`,
    ...["swagger-ui.css", "index.css"].map(
      (name) => `<link rel="stylesheet" type="text/css" href="${files}/${name}">`,
    ),
    ...["32x32", "16x16"].map(
      (size) => `<link rel="icon" type="image/png" href="${files}/favicon-${size}.png" sizes="${size}">`,
    ),
    "</head>",
    "<body>",
    '<div id="swagger-ui"></div>',
    ...names.map((name) => `<script src="${files}/${name}" charset="UTF-8"></script>`),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

const JAVASCRIPT = "text/javascript; charset=utf-8";
/** The script that shows the document once the page has loaded. */
const STARTER = "swagger-initializer.js";
const STARTER_CODE = `window.onload = function () {
  "use strict";
  const folder = location.href.split(/[?#]/, 1)[0].replace(/\\/?$/, "/");
  window.SwaggerUIBundle({
    dom_id: "#swagger-ui",
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl],
    layout: "BaseLayout",
    validatorUrl: null,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    url: folder + "json",
    oauth2RedirectUrl: folder + "static/oauth2-redirect.html",
  });
};
`;
