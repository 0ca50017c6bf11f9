import type { FastifyRequest } from "fastify";
import type { RouteSignature } from "../../routes/signature.ts";
import type { Span, Tracing } from "../../tracing/tracing.ts";

/** Starts the span of an HTTP request, below the span that the caller names in `traceparent`. */
export function startRequestSpan(tracing: Tracing, request: FastifyRequest, route: RouteSignature): Span {
  const { method, headers } = request;
  const [path = "/"] = request.url.split("?", 1);
  return tracing.start(`${method} ${route.path}`, headers, {
    kind: "SERVER",
    // Without the query, which may hold a key.
    attributes: { "http.request.method": method, "http.route": route.path, "url.path": path },
  });
}
