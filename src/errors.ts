// All public error classes. They are branded with `Symbol.for`, so that `instanceof` works between two installed copies
// of the package: an isolated function loads its own copy.
import { assertErrorHeaders, type HeaderValue } from "./answer-header.ts";
import { ERRORS, type ErrorCode } from "./error-kinds.ts";

export { ERRORS, type ErrorCode, type ErrorKind } from "./error-kinds.ts";

const BRAND: unique symbol = Symbol.for("servable.error.brand");

/** Brands an error class. Subclasses without a brand are matched by their prototype. */
export function branded<C extends { prototype: object }>(constructor: C, name: string): C {
  const brand = Symbol.for(`servable.error.${name}`);
  Object.defineProperty(constructor, BRAND, { value: brand });
  Object.defineProperty(constructor.prototype, brand, { value: true });
  Object.defineProperty(constructor.prototype, "name", { value: name, configurable: true, writable: true });
  return constructor;
}

/** The base class of all errors that this package throws on purpose. */
export class FalServerlessError extends Error {
  /** The kind of error. Match on it rather than on the message. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    const brand = Object.getOwnPropertyDescriptor(this, BRAND)?.value as symbol | undefined;
    if (brand === undefined) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && brand in value;
  }
}
branded(FalServerlessError, "FalServerlessError");

/** A class, decorator, schema or setting is invalid: thrown when the class is defined or first used. */
export class DefinitionError extends FalServerlessError {}
branded(DefinitionError, "DefinitionError");

/** The server could not start. The process exits with 3. */
export class StartupError extends FalServerlessError {}
branded(StartupError, "StartupError");

/** The arguments of a command are invalid. Only the message is shown, without a stack. */
export class UsageError extends FalServerlessError {
  constructor(message: string, options?: ErrorOptions) {
    super("USAGE", message, options);
  }
}
branded(UsageError, "UsageError");

/** The detail of an {@link AppException}: any value that JSON can represent. */
export type ErrorDetail = string | number | boolean | object | null;

/** The options of an {@link AppException}. */
export interface AppExceptionOptions extends ErrorOptions {
  /**
   * Headers of the answer, such as `{ "retry-after": "5" }`. Headers that HTTP sets, or that describe the body, are
   * refused. They can't be sent where the answer has begun: in streams and realtime sessions.
   */
  headers?: Readonly<Record<string, HeaderValue>>;
}

/**
 * An error that a handler raises for the caller: `{"detail": detail}` with `statusCode` (default 500).
 *
 * @example
 * ```ts
 * throw new AppException({ code: 1, taken: "name" }, 409, { headers: { "x-reason": "taken" } });
 * ```
 * @throws TypeError for a detail that JSON can't represent, and for a header that an error can't set
 */
export class AppException extends FalServerlessError {
  readonly statusCode: number;
  /** The detail if it is not a text; undefined: the message is sent. */
  declare readonly detail: unknown;
  /** Headers of the answer; undefined for none. */
  declare readonly headers: Readonly<Record<string, HeaderValue>> | undefined;

  constructor(
    detail: ErrorDetail,
    statusCode: number = 500,
    options: AppExceptionOptions = {},
    code: ErrorCode = "APP_EXCEPTION",
  ) {
    const { headers, ...rest } = options;
    super(code, typeof detail === "string" ? detail : messageOfDetail(detail), rest);
    this.statusCode = statusCode;
    if (headers !== undefined) {
      assertErrorHeaders(headers);
      this.headers = { ...headers };
    }
    if (typeof detail !== "string" && detail !== undefined) this.detail = detail;
  }
}
branded(AppException, "AppException");

/** The caller could not be identified: 401. Throw it in `authenticate()`, or return undefined there. */
export class UnauthorizedException extends AppException {
  constructor(message = "The credentials are not valid.", options?: AppExceptionOptions) {
    super(message, 401, options, "UNAUTHORIZED");
  }
}
branded(UnauthorizedException, "UnauthorizedException");

/** The caller is known, but may not do this: 403. */
export class ForbiddenException extends AppException {
  constructor(message = "You may not do this.", options?: AppExceptionOptions) {
    super(message, 403, options, "FORBIDDEN");
  }
}
branded(ForbiddenException, "ForbiddenException");

/** The options of a {@link FieldException}. */
export interface FieldExceptionOptions extends ErrorOptions {
  /** HTTP status. Default 422. */
  statusCode?: number;
  /** The machine-readable type of the fault. Default "value_error". */
  type?: string;
  /** Sent as `x-fal-billable-units` if truthy: integers unchanged, other numbers with 8 decimals. */
  billableUnits?: number | string;
}

/** The handler rejects a field of the input, in the form of a validation error. */
export class FieldException extends FalServerlessError {
  readonly field: string;
  readonly statusCode: number;
  readonly type: string;
  readonly billableUnits: number | string | undefined;

  constructor(field: string, message: string, options: FieldExceptionOptions = {}) {
    super("FIELD_EXCEPTION", message, options);
    this.field = field;
    this.statusCode = options.statusCode ?? 422;
    this.type = options.type ?? "value_error";
    this.billableUnits = options.billableUnits;
  }
}
branded(FieldException, "FieldException");

/** The caller cancelled the request: 499. */
export class RequestCancelledException extends AppException {
  constructor(
    message: string = "Request cancelled by the client.",
    options?: AppExceptionOptions,
    statusCode: number = 499,
    code: ErrorCode = "REQUEST_CANCELLED",
  ) {
    super(message, statusCode, options, code);
  }
}
branded(RequestCancelledException, "RequestCancelledException");

/** The server stopped before the request was done: 503. Raised by the server, and the reason of `ctx.signal`. */
export class ServerStoppedException extends RequestCancelledException {
  constructor(message: string = "The server stopped before the request was done.", options?: ErrorOptions) {
    super(message, options, 503, "SERVER_STOPPED");
  }
}
branded(ServerStoppedException, "ServerStoppedException");

/** The handler exceeded its timeout: 504. Raised by the server, and the reason of `ctx.signal`. */
export class RequestTimeoutException extends AppException {
  /** The exceeded limit, in milliseconds. */
  readonly timeoutMs: number;

  constructor(
    timeoutMs: number,
    message: string = `The request took longer than ${timeoutMs} ms.`,
    code: ErrorCode = "REQUEST_TIMEOUT",
  ) {
    super(message, 504, undefined, code);
    this.timeoutMs = timeoutMs;
  }
}
branded(RequestTimeoutException, "RequestTimeoutException");

/** The deadline passed before the handler could start: 504. Raised by the server. */
export class QueueTimeoutException extends RequestTimeoutException {
  /** Whether the caller set the limit, by `x-fal-request-timeout`. */
  readonly isCallers: boolean;

  constructor(timeoutMs: number, isCallers: boolean) {
    super(timeoutMs, `The request waited ${timeoutMs} ms without being started.`, "QUEUE_TIMEOUT");
    this.isCallers = isCallers;
  }
}
branded(QueueTimeoutException, "QueueTimeoutException");

/** The next item of a stream did not come within the endpoint's timeout: 504. Raised by the server. */
export class StreamTimeoutException extends RequestTimeoutException {
  constructor(timeoutMs: number) {
    super(timeoutMs, `The stream gave no item for ${timeoutMs} ms.`, "STREAM_TIMEOUT");
  }
}
branded(StreamTimeoutException, "StreamTimeoutException");

/** A realtime session had no input for its `sessionTimeout`: the reason of `ctx.signal`. */
export class SessionTimeoutException extends RequestTimeoutException {
  constructor(timeoutMs: number) {
    super(timeoutMs, `The session had no input for ${timeoutMs} ms.`, "SESSION_TIMEOUT");
  }
}
branded(SessionTimeoutException, "SessionTimeoutException");

/** The server is overloaded: the request was rejected immediately, and nothing was run. */
export class OverloadException extends AppException {
  /** Time after which to try again, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(message: string, status: number, retryAfterMs: number, code: "QUEUE_FULL" | "OVERLOADED") {
    super(message, status, undefined, code);
    this.retryAfterMs = retryAfterMs;
  }
}
branded(OverloadException, "OverloadException");

/** A batched method did not return an array with one result for each input: 500. */
export class BatchLengthException extends AppException {
  /** @param got the number of results if the method returned an array, otherwise the returned value. */
  constructor(method: string, wanted: number, got: unknown) {
    const returned =
      typeof got !== "number"
        ? `no array but ${got === null ? "null" : typeof got}`
        : got === 1
          ? "1 result"
          : `${got} results`;
    const inputs = wanted === 1 ? "1 input" : `${wanted} inputs`;
    super(
      `${method}() returned ${returned} for ${inputs}; return one result for each, in order.`,
      500,
      undefined,
      "BATCH_LENGTH",
    );
  }
}
branded(BatchLengthException, "BatchLengthException");

/**
 * Thrown by a batched method if some items failed and others succeeded. Callers never get this error: each gets the
 * result or error of its own item.
 */
export class BatchItemErrors extends FalServerlessError {
  /** The result or an `Error` for each input, in order. */
  readonly results: readonly unknown[];

  constructor(results: readonly unknown[]) {
    super("BATCH_ITEM_ERRORS", "Some items of a batch failed.");
    this.results = results;
  }
}
branded(BatchItemErrors, "BatchItemErrors");

/** The worker process that ran the request ended: 500. An `idempotent` endpoint runs the request once more. */
export class WorkerDiedException extends AppException {
  constructor(how: string) {
    super(`The worker that ran the request ended (${how}).`, 500, undefined, "WORKER_DIED");
  }
}
branded(WorkerDiedException, "WorkerDiedException");

/** The GPU failed: 503, so that the platform replaces the runner. */
export class GPUException extends AppException {
  constructor(message: string = "GPU error", statusCode: number = 503, code: ErrorCode = "GPU_ERROR") {
    super(message, statusCode, undefined, code);
  }
}
branded(GPUException, "GPUException");

/** The GPU is out of memory: 503. */
export class GPUOutOfMemoryException extends GPUException {
  constructor(
    message: string = "GPU error: out of memory",
    statusCode: number = 503,
    code: ErrorCode = "GPU_OUT_OF_MEMORY",
  ) {
    super(message, statusCode, code);
  }
}
branded(GPUOutOfMemoryException, "GPUOutOfMemoryException");

/** CUDA is out of memory: 503. */
export class CUDAOutOfMemoryException extends GPUOutOfMemoryException {
  constructor(message: string = "CUDA error: out of memory", statusCode: number = 503) {
    super(message, statusCode, "CUDA_OUT_OF_MEMORY");
  }
}
branded(CUDAOutOfMemoryException, "CUDAOutOfMemoryException");

/** An entry of a 422 answer. `loc` starts with "body", followed by keys and array indexes. */
export interface ValidationIssue {
  type: string;
  loc: (string | number)[];
  msg: string;
  input?: unknown;
  ctx?: Record<string, unknown>;
}

/** The input does not fit its schema: 422 with all faults, in schema order. */
export class InputValidationError extends FalServerlessError {
  readonly issues: readonly ValidationIssue[];

  constructor(issues: readonly ValidationIssue[]) {
    super("INPUT_INVALID", describeIssues(issues));
    this.issues = issues;
  }
}
branded(InputValidationError, "InputValidationError");

/** The handler's result does not fit the output schema: 500. The faults are logged, never sent. */
export class OutputValidationError extends FalServerlessError {
  readonly issues: readonly ValidationIssue[];

  constructor(handler: string, issues: readonly ValidationIssue[]) {
    super(
      "OUTPUT_INVALID",
      `${handler}() returned a result that does not fit its output schema: ${describeIssues(issues)}`,
    );
    this.issues = issues;
  }
}
branded(OutputValidationError, "OutputValidationError");

/** A code of {@link BodyError}. */
export type BodyErrorCode =
  "BODY_STORAGE_FULL" | "BODY_TIMEOUT" | "BODY_TOO_COMPLEX" | "BODY_TOO_LARGE" | "BODY_UNREADABLE";

/**
 * The body could not be read: too large or too many values (413), not UTF-8, nested too deeply or not multipart (400),
 * too slow (408), or without disk space for its files (507).
 */
export class BodyError extends AppException {
  /** @param why the cause, which is appended to the message */
  constructor(code: BodyErrorCode, why?: string, options?: ErrorOptions) {
    const message = BODY_MESSAGES[code];
    super(why === undefined ? message : `${message}: ${why}`, ERRORS[code].status, options, code);
  }
}
branded(BodyError, "BodyError");

const BODY_MESSAGES = {
  BODY_STORAGE_FULL: "There is no disk space for the files of the body",
  BODY_TIMEOUT: "The request body took too long to arrive",
  BODY_TOO_COMPLEX: "Request body holds too many values",
  BODY_TOO_LARGE: "Request body is too large",
  BODY_UNREADABLE: "There was an error parsing the body",
} as const;

/** An isolated function threw. `cause` is the thrown error, with its own stack, message and causes. */
export class UserFunctionException extends FalServerlessError {
  constructor(message: string, options?: ErrorOptions) {
    super("USER_FUNCTION_FAILED", message, options);
  }
}
branded(UserFunctionException, "UserFunctionException");

/** A value, or the function itself, cannot be serialized to or from an isolated function. The message says which. */
export class FalSerializationError extends FalServerlessError {
  constructor(
    message: string,
    options?: ErrorOptions,
    code: "SERIALIZATION_FAILED" | "MISSING_DEPENDENCY" = "SERIALIZATION_FAILED",
  ) {
    super(code, message, options);
  }
}
branded(FalSerializationError, "FalSerializationError");

/** The options of a {@link FalMissingDependencyError}. */
export interface MissingDependencyOptions extends ErrorOptions {
  /** The package as imported: `@scope/name`, without a path. */
  packageName: string;
  /** The requirement to add, such as `lodash@4.17.21`. */
  requirement: string;
}

/** An isolated function imports a package that is not among its `requirements`. */
export class FalMissingDependencyError extends FalSerializationError {
  readonly packageName: string;
  readonly requirement: string;

  constructor(message: string, options: MissingDependencyOptions) {
    super(message, options, "MISSING_DEPENDENCY");
    this.packageName = options.packageName;
    this.requirement = options.requirement;
  }
}
branded(FalMissingDependencyError, "FalMissingDependencyError");

/** A failure between the caller and the isolated function that neither of them caused. */
export class InternalFalServerlessError extends FalServerlessError {
  constructor(message: string, options?: ErrorOptions) {
    super("INTERNAL_FAILURE", message, options);
  }
}
branded(InternalFalServerlessError, "InternalFalServerlessError");

/** The options of a {@link PlatformError}. */
export interface PlatformErrorOptions extends ErrorOptions {
  /** The control plane's status, if it sent one: `NOT_FOUND`, or `HTTP 404` from REST. */
  status?: string | undefined;
}

/** A call to a control plane failed. The message says why, and what to do if there is something to do. */
export class PlatformError extends FalServerlessError {
  /** For example `NOT_FOUND` or `HTTP 404`; undefined without an answer. */
  readonly status: string | undefined;

  constructor(
    code: "PLATFORM_UNREACHABLE" | "PLATFORM_REFUSED" | "CREDENTIALS_INVALID",
    message: string,
    options: PlatformErrorOptions = {},
  ) {
    super(code, message, options);
    this.status = options.status;
  }
}
branded(PlatformError, "PlatformError");

/** Length of a structured detail in an error's message, in characters. */
const SHOWN_DETAIL = 500;

function messageOfDetail(detail: unknown): string {
  if (detail === undefined) return "undefined";
  let json: string | undefined;
  try {
    json = JSON.stringify(detail);
  } catch (cause) {
    throw new TypeError(`AppException: JSON can't represent the detail: ${String(cause)}.`, { cause });
  }
  if (json === undefined) throw new TypeError(`AppException: JSON can't represent a ${typeof detail}.`);
  return json.length > SHOWN_DETAIL ? `${json.slice(0, SHOWN_DETAIL)}…` : json;
}

function describeIssues(issues: readonly ValidationIssue[]): string {
  const shown = issues.slice(0, 3).map((issue) => `${issue.loc.slice(1).join(".") || "value"}: ${issue.msg}`);
  if (issues.length > shown.length) shown.push(`and ${issues.length - shown.length} more`);
  return shown.join("; ");
}
