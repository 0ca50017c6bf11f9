import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** Headers that belong to one connection, not to the request. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"],
  ...["te", "trailer", "transfer-encoding", "upgrade"],
]);

/** Headers of callers that an app gets although their names begin with `x-fal-`. */
const PASSED_ON: ReadonlySet<string> = new Set(["x-fal-object-lifecycle-preference", "x-fal-cdn-token"]);

/** Headers of an app's answer that only the platform reads. */
const FOR_PLATFORM: ReadonlySet<string> = new Set(["x-fal-runner-hints", "x-fal-runner-health-check"]);

const NONE: ReadonlySet<string> = new Set();

/** Values that the platform sets for a request. */
export interface RequestFacts {
  readonly requestId: string;
  /** `owner/app/path`. */
  readonly endpoint: string;
  readonly callerId: string;
  /** Whether the platform has checked the credentials, so that the app must not see them. */
  readonly hasOwnCredentials: boolean;
}

/** The headers that an app gets: those of the caller, without those that only the platform may set. */
export function requestHeaders(
  request: IncomingMessage,
  facts: RequestFacts,
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  const dropped = connectionHeaders(request.headers.connection);
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || HOP_BY_HOP.has(name) || dropped.has(name) || name === "expect") continue;
    if (name.startsWith("x-fal-") && !PASSED_ON.has(name)) continue;
    if (name === "authorization" && facts.hasOwnCredentials) continue;
    headers[name] = value;
  }
  headers["x-fal-request-id"] = facts.requestId;
  headers["x-request-id"] = facts.requestId;
  headers["x-fal-endpoint"] = facts.endpoint;
  headers["x-fal-caller-user-id"] = facts.callerId;
  const { remoteAddress } = request.socket;
  const before = request.headers["x-forwarded-for"];
  if (remoteAddress !== undefined) {
    headers["x-forwarded-for"] = before === undefined ? remoteAddress : `${String(before)}, ${remoteAddress}`;
  }
  headers["x-forwarded-host"] ??= request.headers.host ?? "";
  headers["x-forwarded-proto"] ??= "encrypted" in request.socket ? "https" : "http";
  return headers;
}

/** The headers of an app's answer that its caller gets. */
export function answerHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  const dropped = connectionHeaders(headers.connection);
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP_BY_HOP.has(name) || dropped.has(name) || FOR_PLATFORM.has(name)) continue;
    passed[name] = value;
  }
  return passed;
}

/** The names in a `Connection` header: they belong to that connection, too. */
function connectionHeaders(value: string | undefined): ReadonlySet<string> {
  if (value === undefined || value === "keep-alive" || value === "close") return NONE;
  return new Set(value?.split(",").map((name) => name.trim().toLowerCase()));
}
