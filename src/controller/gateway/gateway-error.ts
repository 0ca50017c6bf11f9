import type { ServerResponse } from "node:http";
import { SHORTAGE_MESSAGES, shortageOf } from "../shortages.ts";
import { DatabaseAway, UnstorableValue } from "../store/database.ts";

/** The kinds of errors that the platform answers itself, with their status. */
const ERROR_TYPES = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  gone: 410,
  payload_too_large: 413,
  range_not_satisfiable: 416,
  too_many_requests: 429,
  client_disconnected: 499,
  client_cancelled: 499,
  internal_error: 500,
  platform_unavailable: 503,
  runner_incomplete_response: 502,
  runner_scheduling_failure: 503,
  runner_connection_refused: 503,
  runner_connection_error: 503,
  runner_disconnected: 503,
  request_timeout: 504,
  startup_timeout: 504,
  insufficient_storage: 507,
} as const;

/** The kind of an error that the platform answers itself. */
export type ErrorType = keyof typeof ERROR_TYPES;

/** An error that the platform answers itself. */
export class GatewayError extends Error {
  readonly type: ErrorType;
  readonly headers: Readonly<Record<string, string>>;

  constructor(type: ErrorType, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.type = type;
    this.headers = headers;
  }

  get status(): number {
    return ERROR_TYPES[this.type];
  }

  /** The answer's body: `detail` is what fal's clients read, `message` what its JavaScript client shows. */
  body(): string {
    return JSON.stringify({ detail: this.message, error_type: this.type, message: this.message });
  }
}

/** The answer to a failure that has a reason for callers: a full disk, a database that is away. Undefined for any other. */
export function knownError(error: unknown): GatewayError | undefined {
  if (error instanceof GatewayError) return error;
  if (error instanceof DatabaseAway) return new GatewayError("platform_unavailable", error.message);
  if (error instanceof UnstorableValue) return new GatewayError("bad_request", error.message);
  const shortage = shortageOf(error);
  if (shortage === undefined) return undefined;
  const type = shortage === "disk" ? "insufficient_storage" : "platform_unavailable";
  return new GatewayError(type, SHORTAGE_MESSAGES[shortage]);
}

/** Answers an error, unless the answer has begun: then the connection is broken, so that it does not look complete. */
export function answerError(response: ServerResponse, error: GatewayError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = error.body();
  response.writeHead(error.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-fal-error-type": error.type,
    ...(error.type === "unauthorized" ? { "www-authenticate": "Key, Bearer" } : {}),
    ...error.headers,
  });
  response.end(body);
}
