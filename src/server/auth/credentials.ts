import type { FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";

/** Tokens that were sent in the query string. They are removed from it, so that no log of a URL can show them. */
const queryTokens = new WeakMap<IncomingMessage, string>();

/** The parameter of the query string that fal's clients send a token in, where they can't set a header. */
const PARAMETER = "fal_jwt_token";

/**
 * The token that a request sends: from the header `Authorization: Bearer TOKEN` (or fal's `Authorization: Key TOKEN`),
 * or, when a websocket is opened, from `fal_jwt_token` in the query string, because browsers can't set headers there.
 * Undefined if there is no token, or if it is ambiguous because the header was sent more than once.
 */
export function bearerToken(request: FastifyRequest): string | undefined {
  const { raw } = request;
  const { authorization } = raw.headers;
  if (authorization === undefined) return isUpgrade(request) ? queryTokens.get(raw) : undefined;
  return isRepeated(raw.rawHeaders) ? undefined : tokenOf(authorization);
}

/** Whether the request carries any credentials, valid or not. */
export function hasCredentials(request: FastifyRequest): boolean {
  return request.raw.headers.authorization !== undefined || queryTokens.has(request.raw);
}

/**
 * Removes a token from a request's query string and remembers it for {@link bearerToken}. Call it before routing.
 * @returns the URL without the token
 */
export function withoutQueryToken(request: IncomingMessage): string {
  const { url = "/" } = request;
  const start = url.indexOf("?");
  if (start < 0 || !url.includes(PARAMETER, start)) return url;
  const tokens: string[] = [];
  const kept = url
    .slice(start + 1)
    .split("&")
    .filter((pair) => {
      const [name, ...value] = pair.split("=");
      if (name !== PARAMETER) return true;
      tokens.push(value.join("="));
      return false;
    });
  const [token = "", second] = tokens;
  const decoded = second === undefined ? decode(token) : undefined; // several tokens are ambiguous
  queryTokens.set(request, decoded ?? "");
  const safe = url.slice(0, start) + (kept.length === 0 ? "" : `?${kept.join("&")}`);
  request.url = safe;
  if ("originalUrl" in request) request.originalUrl = safe;
  return safe;
}

/** Whether a websocket is opened. Set by @fastify/websocket, before the hooks of a route run. */
export function isUpgrade(request: FastifyRequest): boolean {
  return (request as { ws?: boolean }).ws === true;
}

const AUTHORIZATION = /^(?:bearer|key) +([\x21-\x7e]+)$/i;

function tokenOf(header: string): string | undefined {
  return AUTHORIZATION.exec(header)?.[1];
}

/** Whether the header was sent twice. Node drops the second, but a proxy in front may have checked that one. */
function isRepeated(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 13 && name.toLowerCase() === "authorization") count++;
  }
  return count > 1;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
