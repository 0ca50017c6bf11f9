import { isIP } from "node:net";
import { FetchError } from "../file-errors.ts";
import { boundedChunks, decodedBody, encodingsOf, tooLarge } from "./decoded-body.ts";
import { openExchange, shownUrl, type Exchange } from "./exchange.ts";
import { FetchDeadline } from "./fetch-deadline.ts";
import { isAllowedHost, resolveLimits, type FetchLimits, type ResolvedFetchLimits } from "./fetch-limits.ts";
import { fileNameOf } from "./file-name.ts";
import { createResolver, resolveBySystem, type HostResolver } from "./host-names.ts";
import { loadPublicCheck, type AddressCheck } from "./public-address.ts";

/** A file whose download has begun. Read `body` to its end, or call `cancel()`. */
export interface FetchedFile {
  /** The URL after redirects. */
  readonly url: string;
  /** A status from 200 to 299. */
  readonly status: number;
  /** As the server says, which may be wrong. */
  readonly contentType: string | undefined;
  /** The size in bytes if the server says it; undefined for an encoded answer. */
  readonly contentLength: number | undefined;
  /** From the Content-Disposition header or the URL: a name without folders, safe in any folder. */
  readonly fileName: string | undefined;
  /** The headers of the answer, by lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The content without its encoding. It can be read once. Throws {@link FetchError}, or the signal's reason. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the download and closes the connection. */
  cancel(): void;
}

/** Parts of a fetch that tests replace. */
export interface FetchParts {
  /** Resolves the names of hosts that are not among `allowedHosts`. */
  readonly resolve?: HostResolver;
  /** Whether an address may be connected to. Default: whether it is public. */
  readonly isAllowed?: AddressCheck;
  /** Certificates of authorities to trust instead of the usual ones. */
  readonly ca?: string;
}

/** Headers that are sent to another origin after a redirect. */
const HARMLESS = /^(?:accept(?:-.*)?|user-agent|range|if-range|if-none-match|if-modified-since)$/;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Fetches a file from a URL that may come from a caller. Only http and https URLs are fetched, and only from public
 * addresses, however they are written: the host's name is resolved once, all of its addresses are checked, and the
 * connection is made to a checked one. The same holds for each redirect. Variables for proxies have no effect.
 *
 * Resolves when the headers of the answer have arrived.
 * @throws FetchError, whose `reason` says why the file could not be fetched
 * @throws the reason of `limits.signal` after its abort
 * @throws TypeError or RangeError for an invalid limit
 */
export async function fetchSafely(
  url: string,
  limits: FetchLimits,
  parts: FetchParts = {},
): Promise<FetchedFile> {
  const resolved = resolveLimits(limits);
  const deadline = new FetchDeadline(resolved);
  try {
    const { signal } = deadline;
    const isAllowed = parts.isAllowed ?? (await loadPublicCheck());
    let target = parseUrl(url);
    let { headers } = resolved;
    for (let redirects = 0; ; redirects++) {
      const addresses = await addressesOf(target, resolved, { ...parts, isAllowed }, signal);
      const { stallTimeoutMs } = resolved;
      const { ca } = parts;
      const exchange = await openExchange({ url: target, addresses, headers, stallTimeoutMs, signal, ca });
      if (!REDIRECTS.has(exchange.status)) return fetchedFile(exchange, target, resolved, deadline);
      exchange.close();
      const next = redirectTarget(exchange, target);
      if (redirects >= resolved.maxRedirects) {
        throw new FetchError(
          "redirects",
          `${shownUrl(parseUrl(url))} redirects more than ${redirects} times.`,
        );
      }
      if (next.origin !== target.origin) {
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => HARMLESS.test(name)));
      }
      target = next;
    }
  } catch (error) {
    deadline.end();
    throw error;
  }
}

function parseUrl(text: string, base?: URL): URL {
  if (!URL.canParse(text, base?.href)) throw new FetchError("url", "The URL is not valid.");
  const url = new URL(text, base);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new FetchError(
      "url",
      `The URL's scheme "${url.protocol.slice(0, 30)}" is not allowed: use http or https.`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new FetchError("url", "The URL has a user name or a password. Send them in a header instead.");
  }
  return url;
}

function redirectTarget({ headers }: Exchange, from: URL): URL {
  const { location } = headers;
  if (location === undefined) {
    throw new FetchError("redirects", `${shownUrl(from)} redirects without saying where.`);
  }
  return parseUrl(location, from);
}

/** Resolves the host of a URL, and checks all of its addresses. */
async function addressesOf(
  url: URL,
  limits: ResolvedFetchLimits,
  { resolve = createResolver(), isAllowed }: FetchParts & { readonly isAllowed: AddressCheck },
  signal: AbortSignal,
): Promise<readonly string[]> {
  signal.throwIfAborted();
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const mayBeInside = isAllowedHost(limits, url);
  const isLocalName = !host.replace(/\.$/, "").includes(".");
  const addresses =
    isIP(host) !== 0 ? [host] : await (mayBeInside || isLocalName ? resolveBySystem : resolve)(host, signal);
  if (!mayBeInside && !addresses.every(isAllowed)) {
    throw new FetchError(
      "address",
      `The host ${url.hostname} is not on the public internet. If all callers may read its content, add it to allowedHosts.`,
    );
  }
  return addresses;
}

function fetchedFile(
  exchange: Exchange,
  url: URL,
  { maxBytes }: ResolvedFetchLimits,
  deadline: FetchDeadline,
): FetchedFile {
  const { status, headers } = exchange;
  const close = (): void => {
    deadline.end();
    exchange.close();
  };
  try {
    if (status < 200 || status > 299) {
      throw new FetchError("status", `${shownUrl(url)} was answered with status ${status}.`, { status });
    }
    const declared = declaredLength(headers);
    const contentLength = encodingsOf(headers).length === 0 ? declared : undefined;
    if (contentLength !== undefined && contentLength > maxBytes) throw tooLarge(url, maxBytes);
    const decoded = decodedBody(exchange, url, maxBytes);
    return {
      url: url.href,
      status,
      headers,
      contentType: headers["content-type"],
      contentLength,
      fileName: fileNameOf(url, headers["content-disposition"]),
      body: boundedChunks(decoded, { url, maxBytes, signal: deadline.signal, onEnd: close }),
      cancel: () => {
        deadline.abort(new FetchError("incomplete", `The download of ${shownUrl(url)} was cancelled.`));
        close();
      },
    };
  } catch (error) {
    exchange.close();
    throw error;
  }
}

function declaredLength(headers: Readonly<Record<string, string>>): number | undefined {
  const text = headers["content-length"] ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
