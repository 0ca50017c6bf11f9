import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { connect as connectSecurely } from "node:tls";
import { FetchError } from "../file-errors.ts";
import { normalAddress } from "../network/public-address.ts";

/** One request, and the addresses that it may be sent to. */
export interface ExchangeRequest {
  readonly url: URL;
  /** The checked addresses of the URL's host. Nothing else is connected to. */
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Maximum time until the headers of the answer, in ms. */
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
export async function openExchange(exchange: ExchangeRequest): Promise<Exchange> {
  const { url, headers, signal, stallTimeoutMs } = exchange;
  signal.throwIfAborted();
  const call = request({
    method: "GET",
    path: url.pathname + url.search,
    headers: { ...headers, host: url.host },
    setHost: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    createConnection: connectorTo(exchange),
  });
  const abort = (): void => void call.destroy(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const stall = setTimeout(() => call.destroy(noAnswer(url)), stallTimeoutMs);
  const close = (): void => {
    signal.removeEventListener("abort", abort);
    call.destroy();
  };
  try {
    const body = await responseOf(call, url);
    return { status: body.statusCode ?? 0, headers: flat(body.headers), body, close };
  } catch (error) {
    close();
    signal.throwIfAborted();
    throw fetchFailure(error, url, false);
  } finally {
    clearTimeout(stall);
  }
}

/** Sends a request, and resolves with the answer when its headers have arrived. */
function responseOf(call: ClientRequest, url: URL): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.on("response", (body) => {
      body.on("error", () => {}); // reported to the reader of the body
      // Content that is not valid is reported to the request only, which may happen before anything can wait for it.
      call.on("error", (error) => body.destroy(error));
      resolve(body);
    });
    call.on("error", reject);
    call.on("upgrade", (_answer, socket) => {
      socket.destroy();
      reject(new FetchError("network", `${url.host} answered in another protocol.`));
    });
    call.end();
  });
}

/** Connects to one of the checked addresses, with TLS for the name of the URL. */
function connectorTo({ url, addresses, ca }: ExchangeRequest): () => Socket {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isSecure = url.protocol === "https:";
  const checked = new Set(addresses.map(normalAddress));
  const options = {
    host,
    port: Number(url.port === "" ? (isSecure ? 443 : 80) : url.port),
    lookup: lookupIn(addresses),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
  };
  return () => {
    const secure = {
      ...options,
      // A name in TLS is never an address.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ["http/1.1"],
      ...(ca === undefined ? {} : { ca }),
    };
    const socket = isSecure ? connectSecurely(secure) : connect(options);
    socket.once("connect", () => {
      if (isConnectedTo(socket, checked)) return;
      socket.destroy(new FetchError("address", "The connection was made to another address."));
    });
    return socket;
  };
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

/** Codes of failures. Others count as `network`. */
const TIMEOUT = "ETIMEDOUT";
const INCOMPLETE = /^(?:HPE_INVALID_EOF_STATE|Z_BUF_ERROR|ERR_STREAM_PREMATURE_CLOSE)$/;
/** Codes of a broken connection: the file is incomplete if its beginning has arrived. */
const BROKEN = /^(?:ECONNRESET|EPIPE|ECONNABORTED|ERR_SSL_.*)$/;

/** The error for a server that sends nothing more. */
export function noAnswer(url: URL): FetchError {
  return new FetchError("timeout", `${url.host} did not answer in time.`);
}

/**
 * The error to report for a failed connection.
 * @param isBody whether the answer's headers had arrived
 */
export function fetchFailure(error: unknown, url: URL, isBody: boolean): FetchError {
  if (error instanceof FetchError) return error;
  const code = codeOf(error);
  const where = shownUrl(url);
  const options = { cause: error };
  if (code === TIMEOUT) return new FetchError("timeout", noAnswer(url).message, options);
  if (INCOMPLETE.test(code) || (isBody && BROKEN.test(code))) {
    return new FetchError("incomplete", `The connection broke before the end of ${where}.`, options);
  }
  const message = isBody
    ? `The content of ${where} is not valid (${code}).`
    : `${url.host} could not be reached (${code}).`;
  return new FetchError("network", message, options);
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
