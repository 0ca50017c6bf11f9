import { validateHeaderName, validateHeaderValue } from "node:http";

const HTTP = "HTTP sets it for each connection and body";
const FORMAT = "the answer has a form of its own";
const ORIGINS = "it follows from corsOrigins";

/** Response headers that a handler may not set, and why. */
const OWNED: Readonly<Record<string, string>> = {
  connection: HTTP,
  "content-length": HTTP,
  "http2-settings": HTTP,
  "keep-alive": HTTP,
  "proxy-connection": HTTP,
  te: HTTP,
  trailer: HTTP,
  "transfer-encoding": HTTP,
  upgrade: HTTP,
  date: HTTP,
  "content-encoding": FORMAT,
  "content-type": FORMAT,
  "access-control-allow-credentials": ORIGINS,
  "access-control-allow-headers": ORIGINS,
  "access-control-allow-methods": ORIGINS,
  "access-control-allow-origin": ORIGINS,
  "access-control-max-age": ORIGINS,
  "x-fal-runner-hints": "it comes from provideHints()",
  "x-fal-request-timeout-type": "it says whose limit a request ran into",
};

/**
 * Checks a response header that a handler sets.
 * @throws TypeError for an invalid name or value, and for a header that HTTP or the framework sets itself
 */
export function assertAnswerHeader(name: string, value: string): void {
  validateHeaderName(name);
  validateHeaderValue(name, value);
  const known = name.toLowerCase();
  const owner = OWNED[known] ?? (known.startsWith("sec-websocket-") ? HTTP : undefined);
  if (owner === undefined) return;
  throw new TypeError(`setHeader(${JSON.stringify(name)}) is refused: ${owner}. Leave the call out.`);
}
