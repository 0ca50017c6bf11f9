import type { RequestContext } from "../../context.ts";
import type { RouteSignature } from "../../routes/signature.ts";
import { setSpan, type Span, spanOf, type Tracing } from "../../tracing/tracing.ts";

/** Starts the span of a websocket's session at its first use. It ends when the session's signal aborts. */
export function sessionSpan(
  tracing: Tracing,
  context: RequestContext,
  route: Pick<RouteSignature, "path">,
): Span {
  const known = spanOf(context);
  if (known !== undefined) return known;
  const span = tracing.start(`websocket ${route.path}`, context.headers, {
    kind: "SERVER",
    attributes: { "http.route": route.path, "network.protocol.name": "websocket" },
  });
  setSpan(context, span);
  context.signal.addEventListener("abort", () => span.end(), { once: true });
  return span;
}
