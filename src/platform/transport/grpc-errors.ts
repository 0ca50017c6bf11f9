import { Code, ConnectError } from "@connectrpc/connect";
import { PlatformError, type PlatformErrorOptions } from "../../errors.ts";
import type { Credentials } from "../target/credentials.ts";
import type { Endpoint } from "../target/endpoints.ts";
import { keyRefused, keyTooWeak } from "../target/credentials.ts";
import { CLOSED, networkFailure, TLS_HINT } from "./network-failure.ts";
import { plainCause, plainLine, plainSentence } from "./plain-line.ts";

/** The description of a call, for messages. */
export interface GrpcCall {
  /** The name of the method, such as `ListAliases`. */
  readonly method: string;
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
  /** The deadline of the call, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** The call must not be executed twice, and the server may have executed it. */
  readonly mayBeDone?: boolean | undefined;
}

/** A failed call. */
export interface GrpcFailure {
  readonly error: PlatformError;
  /** UNAVAILABLE or a closed connection: another attempt may succeed. */
  readonly isRetryable: boolean;
}

/** Translates an error into a PlatformError with advice. Removes keys from the text of the server. */
export function grpcFailure(thrown: unknown, call: GrpcCall): GrpcFailure {
  const error = ConnectError.from(thrown);
  const network = networkFailure(error);
  if (error.metadata.has("grpc-status")) return refused(error, call);
  const httpStatus = /^HTTP (\d+)$/.exec(error.rawMessage)?.[1];
  if (httpStatus !== undefined) return httpFailure(error, Number(httpStatus), call);
  if (network !== undefined) {
    const { cause, advice, isRetryable } = network;
    const extra = cause === CLOSED && call.endpoint.isPlaintext ? TLS_HINT : "";
    const what = call.mayBeDone === true ? `; ${again(call)}` : "";
    return unreachable(`could not be reached: ${cause}; ${advice}${extra}${what}.`, error, call, isRetryable);
  }
  if (error.code === Code.DeadlineExceeded) {
    const seconds = call.timeoutMs === undefined ? "time" : `${call.timeoutMs / 1000} s`;
    return unreachable(
      `gave no answer to ${call.method} within ${seconds}; ${again(call)}.`,
      error,
      call,
      false,
    );
  }
  if (isBrokenOff(error)) {
    const what = `broke off in the middle of its answer to ${call.method}; ${again(call)}.`;
    return unreachable(what, error, call, true);
  }
  return unreachable(
    `gave an invalid answer to ${call.method} (${plainLine(error.rawMessage, call.credentials)}); ` +
      "check that host and port are those of a control plane.",
    error,
    call,
    false,
  );
}

/** Whether the connection ended without a status of the server and without an error of the protocol. */
function isBrokenOff({ code, rawMessage }: ConnectError): boolean {
  if (code === Code.Canceled || code === Code.Aborted || code === Code.Unavailable) return true;
  return /missing status|incomplete envelope|premature EOF in envelope/i.test(rawMessage);
}

/** The error for a call that the control plane refused. */
function refused(error: ConnectError, call: GrpcCall): GrpcFailure {
  const { credentials, method } = call;
  const details = plainSentence(error.rawMessage, credentials);
  const status = statusName(error.code);
  const fail = (
    code: ConstructorParameters<typeof PlatformError>[0],
    message: string,
    isRetryable = false,
  ): GrpcFailure => ({
    error: new PlatformError(code, message.trim(), optionsOf(error, call, status)),
    isRetryable,
  });
  const where = subject(call);
  switch (error.code) {
    case Code.Unauthenticated:
      return fail("CREDENTIALS_INVALID", keyRefused(where, credentials, details));
    case Code.PermissionDenied:
      return fail("PLATFORM_REFUSED", `${details} ${keyTooWeak(credentials, method)}`);
    case Code.Unavailable:
      return fail(
        "PLATFORM_UNREACHABLE",
        `${where} is not available. ${details} ${againInAWhile(call)}`,
        true,
      );
    case Code.Unimplemented:
      return fail("PLATFORM_REFUSED", `${where} does not know ${method}. ${details}`);
    default:
      return fail(
        "PLATFORM_REFUSED",
        outOfMemory(details) ?? (details || `${where} answered ${method} with ${status}.`),
      );
  }
}

/** The error for a response of a proxy or of a server that is not a control plane. */
function httpFailure(error: ConnectError, status: number, call: GrpcCall): GrpcFailure {
  const options = optionsOf(error, call, `HTTP ${status}`);
  const where = subject(call);
  if (status === 401) {
    const message = keyRefused(where, call.credentials, "HTTP 401.");
    return { error: new PlatformError("CREDENTIALS_INVALID", message, options), isRetryable: false };
  }
  const isRetryable = error.code === Code.Unavailable;
  const message = isRetryable
    ? `${where} is not available (HTTP ${status}). ${againInAWhile(call)}`
    : `${where} does not answer like a control plane (HTTP ${status}); check host and port.`;
  return { error: new PlatformError("PLATFORM_UNREACHABLE", message, options), isRetryable };
}

function unreachable(what: string, error: ConnectError, call: GrpcCall, isRetryable: boolean): GrpcFailure {
  const message = `${subject(call)} ${what}`;
  return { error: new PlatformError("PLATFORM_UNREACHABLE", message, optionsOf(error, call)), isRetryable };
}

function again({ mayBeDone }: GrpcCall): string {
  return mayBeDone === true ? "it may have been done anyway, so check before you try again" : "try again";
}

/** The advice as a sentence. */
function againInAWhile(call: GrpcCall): string {
  const text = again(call);
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return call.mayBeDone === true ? `${sentence}.` : `${sentence} in a while.`;
}

function optionsOf(error: ConnectError, call: GrpcCall, status?: string): PlatformErrorOptions {
  return { status, cause: plainCause(error, call.credentials) };
}

/** The subject of a sentence. */
function subject({ endpoint }: GrpcCall): string {
  return `The control plane at ${endpoint.host} (${endpoint.origin})`;
}

/** Explains SIGKILL of a runner, which nearly always means that it ran out of memory. */
function outOfMemory(details: string): string | undefined {
  if (!/died with <Signals\.SIGKILL: 9>/.test(details)) return undefined;
  return `${details} It was most likely out of memory: choose a larger machineType.`;
}

function statusName(code: Code): string {
  return (Code[code] ?? "Unknown").replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
