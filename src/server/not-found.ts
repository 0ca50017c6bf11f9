import type { FastifyReply, FastifyRequest } from "fastify";
import type { AnswerHeaders } from "./answer-headers.ts";

/** Paths, and the methods they are served with. */
export class PathTable {
  readonly #methods = new Map<string, Set<string>>();

  add(path: string, methods: string | readonly string[]): void {
    const known = this.#methods.get(path) ?? new Set();
    for (const method of [methods].flat()) known.add(method);
    this.#methods.set(path, known);
  }

  /** The methods of a path, sorted; undefined for an unknown one. */
  methods(path: string): readonly string[] | undefined {
    const known = this.#methods.get(path);
    return known === undefined ? undefined : [...known].sort();
  }
}

/** Answers what no route took: requests without a host, preflights, wrong methods, a slash too many or too few, unknown paths. */
export function createNotFoundHandler(headers: AnswerHeaders, paths: PathTable, rootPath: string) {
  return function handleNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (request.headers.host === undefined && request.raw.httpVersion === "1.1") {
      headers.apply(request, reply);
      return json(reply.code(400).header("connection", "close"), { detail: "Bad Request" });
    }
    if (isPreflight(request)) return answerPreflight(headers, request, reply);
    const [path = "/", query] = splitUrl(request.url);
    const methods = paths.methods(path);
    if (methods !== undefined) {
      headers.apply(request, reply);
      return json(reply.code(405).header("allow", methods.join(", ")), { detail: "Method Not Allowed" });
    }
    const other = path.endsWith("/") ? path.slice(0, -1) : `${path}/`;
    if (other !== "" && paths.methods(other) !== undefined) {
      headers.apply(request, reply);
      return reply.code(307).header("location", `${rootPath}${other}${query}`).send();
    }
    return notFound(headers, request, reply);
  };
}

/** 404, in the documented form. */
export function notFound(headers: AnswerHeaders, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  headers.apply(request, reply);
  const [path = "/"] = splitUrl(request.url);
  return json(reply.code(404).header("x-fal-billable-units", "0"), {
    detail: `Path ${decodePath(path)} not found`,
  });
}

function isPreflight(request: FastifyRequest): boolean {
  const { origin, "access-control-request-method": wanted } = request.headers;
  return request.method === "OPTIONS" && origin !== undefined && wanted !== undefined;
}

function answerPreflight(headers: AnswerHeaders, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { origin = "", "access-control-request-headers": wanted } = request.headers;
  headers.apply(request, reply);
  if (!headers.allows(origin)) return reply.code(400).type("text/plain").send("Disallowed CORS origin");
  reply.headers({
    "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
    "access-control-max-age": "600",
  });
  if (wanted !== undefined) reply.header("access-control-allow-headers", wanted);
  return reply.code(200).type("text/plain").send("OK");
}

function json(reply: FastifyReply, body: object): FastifyReply {
  return reply.type("application/json").send(JSON.stringify(body));
}

function splitUrl(url: string): [path: string, query: string] {
  const at = url.indexOf("?");
  return at < 0 ? [url, ""] : [url.slice(0, at), url.slice(at)];
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
