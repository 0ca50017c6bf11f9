import { timerMs } from "../processes/timers.ts";

/** Limits of fetching one file. */
export interface FetchLimits {
  /** Maximum size of the file after decompression, in bytes. May be Infinity. */
  readonly maxBytes: number;
  /** Maximum time from the call to the last byte, in ms, with redirects. May be Infinity. */
  readonly timeoutMs: number;
  /** Maximum time until the headers of an answer, and then without any data, in ms. Default 30,000. */
  readonly stallTimeoutMs?: number;
  /** Maximum number of redirects. Default 5. */
  readonly maxRedirects?: number;
  /**
   * Hosts that may have addresses that are not public, as `host` or `host:port`. Add only hosts whose content all callers
   * may read. Default: none.
   */
  readonly allowedHosts?: readonly string[];
  /** Ends the fetch, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Headers of the request. After a redirect to another origin, only harmless ones such as `accept` and `range` are sent:
   * others may be credentials.
   */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Limits with their defaults, checked. */
export interface ResolvedFetchLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly maxRedirects: number;
  readonly allowedHosts: ReadonlySet<string>;
  readonly signal: AbortSignal | undefined;
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Headers that the connection sets. */
const RESERVED =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-length)$/;

/** Fills in the defaults. @throws TypeError or RangeError that names the invalid limit */
export function resolveLimits(limits: FetchLimits): ResolvedFetchLimits {
  return {
    maxBytes: amount("maxBytes", limits.maxBytes, 0),
    timeoutMs: timerMs(amount("timeoutMs", limits.timeoutMs, 1)),
    stallTimeoutMs: timerMs(amount("stallTimeoutMs", limits.stallTimeoutMs ?? 30_000, 1)),
    maxRedirects: amount("maxRedirects", limits.maxRedirects ?? 5, 0),
    allowedHosts: new Set((limits.allowedHosts ?? []).map(hostEntry)),
    signal: limits.signal,
    headers: requestHeaders(limits.headers ?? {}),
  };
}

/** Whether a URL's host may have addresses that are not public. */
export function isAllowedHost({ allowedHosts }: ResolvedFetchLimits, url: URL): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return allowedHosts.has(url.hostname) || allowedHosts.has(`${url.hostname}:${port}`);
}

function amount(name: string, value: number, least: number): number {
  if (typeof value !== "number" || Number.isNaN(value) || value < least) {
    throw new RangeError(`${name} must be a number of at least ${least}, not ${String(value)}.`);
  }
  return value;
}

function hostEntry(entry: string): string {
  const address = /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(entry) ? `[${entry}]` : entry;
  const url = URL.canParse(`http://${address}/`) ? new URL(`http://${address}/`) : undefined;
  const isHost = url !== undefined && !/[/?#@\\\s]/.test(entry) && entry !== "";
  if (!isHost) throw new TypeError(`allowedHosts: "${entry}" is not a host, such as "files.internal:8080".`);
  const port = /:(\d+)$/.exec(address)?.[1];
  return port === undefined || address.endsWith("]") ? url.hostname : `${url.hostname}:${Number(port)}`;
}

function requestHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {
    accept: "*/*",
    // Files are compressed by themselves, and a plain answer has a length.
    "accept-encoding": "identity",
    "user-agent": "servable",
  };
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (RESERVED.test(lower)) throw new TypeError(`headers: ${name} is set by the connection. Remove it.`);
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower) || /[^\t\x20-\x7e\x80-\xff]/.test(String(value))) {
      throw new TypeError(`headers: ${JSON.stringify(name)} or its value is not valid in HTTP.`);
    }
    checked[lower] = String(value);
  }
  return checked;
}
