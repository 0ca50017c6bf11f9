import type { FastifyReply, FastifyRequest } from "fastify";
import { isPreflight, type Access } from "../access/access.ts";
import { type AnswerHeaders, PAGE_HEADERS } from "./answer-headers.ts";
import type { PathTable } from "./path-table.ts";

/** Answers a request without a route, unless its path is unknown: then it returns undefined. */
export type AnswerWithoutRoute = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | undefined;

/** Answers requests without a route whose path is known: refused requests, preflights, wrong methods, a slash too many. */
export function createAnswerWithoutRoute(
  headers: AnswerHeaders,
  paths: PathTable,
  { access, rootPath }: { access: Access; rootPath: string },
): AnswerWithoutRoute {
  const refuse = createRefusal(headers, access);
  return function answerWithoutRoute(request, reply) {
    const refused = refuse(request, reply);
    if (refused !== undefined) return refused;
    if (isPreflight(request.raw)) return answerPreflight(headers, request, reply);
    const [path = "/", query] = splitUrl(request.url);
    if (leadsToDocs(request, paths)) return showDocs(headers, request, reply, rootPath);
    const methods = paths.methods(path);
    if (methods !== undefined && request.method === "OPTIONS") {
      return answerOptions(headers, request, reply, methods);
    }
    if (methods !== undefined) {
      // The route has found nothing, for example a file that does not exist.
      if (methods.includes(request.method)) return undefined;
      return refuseJson(headers, request, reply, 405, "Method Not Allowed", { allow: methods.join(", ") });
    }
    const other = path.endsWith("/") ? path.slice(0, -1) : `${path}/`;
    if (other !== "" && paths.methods(other) !== undefined) {
      headers.apply(request, reply);
      return reply.code(307).header("location", `${rootPath}${other}${query}`).send();
    }
    return undefined;
  };
}

/** Whether a browser opens the address as a page. */
export function isForPage({ method, headers }: FastifyRequest): boolean {
  return method === "GET" && /\btext\/html\b/i.test(headers.accept ?? "");
}

/** Whether a request without a route is led to the documentation. Callers need no key for it, as for the page itself. */
export function leadsToDocs(request: FastifyRequest, paths: PathTable): boolean {
  return splitUrl(request.url)[0] === "/" && paths.methods("/docs") !== undefined && isForPage(request);
}

/** Leads a browser that opens the app's address to its documentation. */
export function showDocs(
  headers: AnswerHeaders,
  request: FastifyRequest,
  reply: FastifyReply,
  rootPath: string,
): FastifyReply {
  headers.apply(request, reply);
  return reply.code(307).header("location", `${rootPath}/docs`).send();
}

/** Creates a function that answers refused requests and returns undefined for admitted ones. */
function createRefusal(headers: AnswerHeaders, access: Access) {
  return function refuse(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const refusal = access.refused(request.raw);
    if (refusal === undefined) return undefined;
    const { status, detail } = refusal;
    if (refusal.isPreflight === true) {
      headers.apply(request, reply);
      return reply.code(status).headers(PAGE_HEADERS).type("text/plain").send(detail);
    }
    const more = status === 400 ? CLOSE : status === 422 ? UNBILLED : {};
    return refuseJson(headers, request, reply, status, detail, more);
  };
}

/** Creates a hook that answers refused requests before any code of the app. */
export function createRefusalHook(headers: AnswerHeaders, access: Access) {
  const refuse = createRefusal(headers, access);
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    if (refuse(request, reply) === undefined) done();
  };
}

/**
 * Answers with 404 in the documented form.
 * @param metricsUrl the address of the metrics; undefined if none is open
 */
export function notFound(
  headers: AnswerHeaders,
  request: FastifyRequest,
  reply: FastifyReply,
  metricsUrl?: string,
): FastifyReply {
  let detail = notFoundDetail(request.url);
  if (splitUrl(request.url)[0] === "/metrics") {
    detail += `; metrics are on a port of their own${metricsUrl === undefined ? "" : `, at ${metricsUrl}`}`;
  }
  return refuseJson(headers, request, reply, 404, detail, UNBILLED);
}

function answerPreflight(headers: AnswerHeaders, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { origin = "", "access-control-request-headers": wanted } = request.headers;
  headers.apply(request, reply);
  if (headers.allows(origin) === "no")
    return reply.code(400).headers(PAGE_HEADERS).type("text/plain").send("Disallowed CORS origin");
  reply.headers({
    "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
    "access-control-max-age": headers.preflightMaxAge,
  });
  if (wanted !== undefined) reply.header("access-control-allow-headers", wanted);
  return reply.code(200).headers(PAGE_HEADERS).type("text/plain").send("OK");
}

/** Answers OPTIONS, which asks for the methods of a path. */
function answerOptions(
  headers: AnswerHeaders,
  request: FastifyRequest,
  reply: FastifyReply,
  methods: readonly string[],
): FastifyReply {
  headers.apply(request, reply);
  const all = [...new Set([...methods, "OPTIONS"])].sort();
  return reply.code(204).header("allow", all.join(", ")).send();
}

function refuseJson(
  headers: AnswerHeaders,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  detail: string,
  more: Readonly<Record<string, string>>,
): FastifyReply {
  return headers.sendJson(request, reply, status, JSON.stringify({ detail }), { ...more, ...PAGE_HEADERS });
}

const CLOSE = { connection: "close" };
const UNBILLED = { "x-fal-billable-units": "0" };

function splitUrl(url: string): [path: string, query: string] {
  const at = url.indexOf("?");
  return at < 0 ? [url, ""] : [url.slice(0, at), url.slice(at)];
}

/** The error detail for an unknown path. */
export function notFoundDetail(url: string): string {
  const [path = "/"] = splitUrl(url);
  return `Path ${decodePath(path)} not found`;
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
