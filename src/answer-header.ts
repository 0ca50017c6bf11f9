/** The value of a response header. Each value of a list is sent as a header of its own. */
export type HeaderValue = string | number | readonly string[];

const HTTP = "HTTP sets it for each connection and body";
const ORIGINS = "it follows from cors";

/** Response headers that an app may not set, and why. */
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
  "access-control-allow-credentials": ORIGINS,
  "access-control-allow-headers": ORIGINS,
  "access-control-allow-methods": ORIGINS,
  "access-control-allow-origin": ORIGINS,
  "access-control-max-age": ORIGINS,
  "x-fal-runner-hints": "it comes from provideHints()",
  "x-fal-request-timeout-type": "it says whose limit a request ran into",
};

/** Headers that describe the body. An error's body is always JSON. */
const OF_THE_BODY: ReadonlySet<string> = new Set(["content-type", "content-encoding"]);

/** The reason why an app may not set a response header; undefined if it may. */
export function ownerOf(name: string): string | undefined {
  const known = name.toLowerCase();
  return OWNED[known] ?? (known.startsWith("sec-websocket-") ? HTTP : undefined);
}

/**
 * Checks a response header that a handler sets.
 * @throws TypeError for an invalid name or value, and for a header that HTTP or the framework sets itself
 */
export function assertAnswerHeader(name: string, value: HeaderValue): void {
  assertHeader("setHeader", name, value);
}

/**
 * Checks the headers of an error, whose body is always JSON.
 * @throws TypeError like {@link assertAnswerHeader}, and for headers that describe the body
 */
export function assertErrorHeaders(
  headers: Readonly<Record<string, HeaderValue>>,
): asserts headers is Readonly<Record<string, HeaderValue>> {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
    throw new TypeError(`An error's headers must be an object of names and values, got ${String(headers)}.`);
  }
  for (const [name, value] of Object.entries(headers)) {
    assertHeader("headers:", name, value);
    if (!OF_THE_BODY.has(name.toLowerCase())) continue;
    throw new TypeError(
      `headers: ${JSON.stringify(name)} is refused: the body of an error is JSON. Leave it out.`,
    );
  }
}

// The rules of node:http, which is not imported because errors are also created where no server runs.
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function assertHeader(what: "setHeader" | "headers:", name: string, value: HeaderValue): void {
  const shown = JSON.stringify(name);
  const call = what === "setHeader" ? `setHeader(${shown})` : `headers: ${shown}`;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(`${call} is refused: the name is not a valid header name.`);
  }
  for (const line of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
    if (typeof line === "number" || (typeof line === "string" && VALUE.test(line))) continue;
    const why = typeof line === "string" ? "has control characters, or others than latin-1" : "is not a text";
    throw new TypeError(`${call} is refused: its value ${why}.`);
  }
  const owner = ownerOf(name);
  if (owner === undefined) return;
  throw new TypeError(`${call} is refused: ${owner}. Leave ${what === "setHeader" ? "the call" : "it"} out.`);
}

/**
 * Checks a status that a handler sets.
 * @throws TypeError unless it is a whole number from 200 to 599
 */
export function assertAnswerStatus(status: number): void {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return;
  throw new TypeError(`status(${String(status)}) is refused: give a whole number from 200 to 599.`);
}

/** Whether an answer with this status has no body. */
export function isWithoutBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}
