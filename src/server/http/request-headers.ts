import type { IncomingMessage } from "node:http";

/**
 * The headers of a request, of which one that was sent twice has its first value: Node joins most of them, and clients
 * of the original rely on the first. The record is the request's own.
 */
export function firstValues(request: IncomingMessage): Record<string, string | string[] | undefined> {
  const { headers, rawHeaders } = request;
  // As many names as lines: none was sent twice.
  if (Object.keys(headers).length === rawHeaders.length / 2) return headers;
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    const value = rawHeaders[index + 1] as string;
    if (seen.has(name)) continue;
    seen.add(name);
    // One that was changed before routing has another value already.
    if (headers[name] !== undefined && isJoined(headers[name], value)) headers[name] = value;
  }
  return headers;
}

function isJoined(value: string | string[], first: string): boolean {
  return Array.isArray(value) || (value.length > first.length && value.startsWith(first));
}
