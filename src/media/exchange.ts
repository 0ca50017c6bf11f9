import { isIP, type LookupFunction, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { FetchError, type FetchFailure } from "../file-errors.ts";
import { normalAddress } from "./public-address.ts";

/** One request, and the addresses that it may be sent to. */
export interface ExchangeRequest {
  readonly url: URL;
  /** The checked addresses of the URL's host. Nothing else is connected to. */
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Maximum time without any data, in ms. */
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Certificates of authorities to trust instead of the usual ones. */
  readonly ca?: string | undefined;
}

/** The answer to a request. */
export interface Exchange {
  readonly status: number;
  /** By lower-case names. The lines of a repeated header are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as it was sent, not decompressed. */
  readonly body: Readable;
  /** Closes the connection. */
  close(): void;
}

/** Maximum time of one attempt to connect if there are several addresses, in ms. */
const ATTEMPT_MS = 2500;
/** Maximum size of an answer's headers, in bytes. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Sends one GET request on a connection of its own, to one of the checked addresses. The name of the host is not resolved
 * again. Rejects with a {@link FetchError}, or the signal's reason.
 */
export async function openExchange(request: ExchangeRequest): Promise<Exchange> {
  const { url, headers, stallTimeoutMs, signal, ca } = request;
  const { Client, buildConnector } = await import("undici");
  signal.throwIfAborted();
  const connector = buildConnector({
    timeout: stallTimeoutMs,
    maxCachedSessions: 0,
    lookup: lookupIn(request.addresses),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
    keepAlive: false,
    ...(ca === undefined ? {} : { ca }),
  });
  const checked = new Set(request.addresses.map(normalAddress));
  const client = new Client(url.origin, {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: stallTimeoutMs,
    bodyTimeout: stallTimeoutMs,
    connect: (options, callback) => {
      connector(options, (error, socket) => {
        if (error !== null) return callback(error, null);
        if (isConnectedTo(socket, checked)) return callback(null, socket);
        socket.destroy();
        callback(new FetchError("address", "The connection was made to another address."), null);
      });
    },
  });
  const close = (): void => void client.destroy().catch(() => {});
  try {
    const answer = await client.request({
      method: "GET",
      path: url.pathname + url.search,
      headers,
      reset: true, // closes the connection after the answer
      signal,
    });
    answer.body.on("error", () => {}); // reported to the reader of the body
    return { status: answer.statusCode, headers: flat(answer.headers), body: answer.body, close };
  } catch (error) {
    close();
    signal.throwIfAborted();
    throw fetchFailure(error, url, false);
  }
}

/** A lookup that returns the checked addresses for every name. */
function lookupIn(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, options, callback) => {
    const [first] = found;
    if (options.all === true) callback(null, found);
    else callback(null, first?.address ?? "", first?.family);
  };
}

function isConnectedTo({ remoteAddress = "" }: Socket, checked: ReadonlySet<string | undefined>): boolean {
  const address = normalAddress(remoteAddress);
  return address !== undefined && checked.has(address);
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") : (value ?? ""),
    ]),
  );
}

/** Failures of the connection by the error's code. Others count as `network`. */
const FAILURES: readonly (readonly [pattern: RegExp, reason: FetchFailure])[] = [
  [/^(?:UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT|ETIMEDOUT)$/, "timeout"],
  [
    /^(?:UND_ERR_RES_CONTENT_LENGTH_MISMATCH|HPE_INVALID_EOF_STATE|Z_BUF_ERROR|ERR_STREAM_PREMATURE_CLOSE)$/,
    "incomplete",
  ],
];
/** Codes of a broken connection: the file is incomplete if its beginning has arrived. */
const BROKEN = /^(?:UND_ERR_SOCKET|UND_ERR_ABORTED|ECONNRESET|EPIPE|ERR_SSL_.*)$/;

/**
 * The error to report for a failed connection.
 * @param isBody whether the answer's headers had arrived
 */
export function fetchFailure(error: unknown, url: URL, isBody: boolean): FetchError {
  if (error instanceof FetchError) return error;
  const code = codeOf(error);
  const known = FAILURES.find(([pattern]) => pattern.test(code))?.[1];
  const reason = known ?? (isBody && BROKEN.test(code) ? "incomplete" : "network");
  const where = shownUrl(url);
  const message =
    reason === "timeout"
      ? `${url.host} did not answer in time.`
      : reason === "incomplete"
        ? `The connection broke before the end of ${where}.`
        : isBody
          ? `The content of ${where} is not valid (${code}).`
          : `${url.host} could not be reached (${code}).`;
  return new FetchError(reason, message, { cause: error });
}

/** The code of an error; that of the last attempt if several addresses were tried. */
function codeOf(error: unknown): string {
  const { code, errors } = error as { readonly code?: unknown; readonly errors?: readonly unknown[] };
  if (typeof code === "string" && code !== "") return code;
  const last = errors?.at(-1);
  return last === undefined ? "unknown error" : codeOf(last);
}

/** A URL without its query, which may contain a signature. */
export function shownUrl(url: URL): string {
  const text = `${url.origin}${url.pathname}`;
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
