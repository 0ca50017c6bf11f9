import type { IncomingMessage, ServerResponse } from "node:http";

/** Headers of answers that pages of other origins may read. */
const EXPOSED = [
  ...["x-fal-request-id", "x-fal-request-timeout-type", "x-fal-error-type", "x-fal-billable-units"],
  ...["etag", "accept-ranges", "content-range", "content-disposition"],
].join(", ");
/** How long a browser keeps the answer to a preflight request, in seconds. */
const MAX_AGE = "86400";

/**
 * Allows pages of any origin to read an answer of the platform itself. Browsers send no credentials with such a request:
 * keys are in a header that the page has to have.
 */
export function allowOrigins(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.origin === undefined) return;
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-expose-headers", EXPOSED);
}

/** Whether a browser asks if it may send the request that follows. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

/** Answers a preflight request. False for any other request. */
export function answerPreflight(request: IncomingMessage, response: ServerResponse): boolean {
  if (!isPreflight(request)) return false;
  response.writeHead(204, {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    "access-control-allow-headers": request.headers["access-control-request-headers"] ?? "*",
    "access-control-max-age": MAX_AGE,
    vary: "access-control-request-headers",
  });
  response.end();
  return true;
}
