import { isIP } from "node:net";
import { FetchError } from "../file-errors.ts";
import { boundedChunks, decodedBody, encodingsOf, tooLarge } from "./decoded-body.ts";
import { openExchange, shownUrl, type Exchange } from "./exchange.ts";
import { FetchDeadline } from "./fetch-deadline.ts";
import { isAllowedHost, resolveLimits, type FetchLimits, type ResolvedFetchLimits } from "./fetch-limits.ts";
import { fileNameOf } from "./file-name.ts";
import { platformAccount } from "../storage/platform-account.ts";
import { createResolver, resolveBySystem } from "../network/host-names.ts";
import { createPublicCheck, type AddressCheck } from "../network/public-address.ts";
import type { FetchedFile, FetchParts } from "./fetched-file.ts";

/** Headers that are sent to another origin after a redirect. */
const HARMLESS = /^(?:accept(?:-.*)?|user-agent|range|if-range|if-none-match|if-modified-since)$/;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Does the work of `fetchSafely()`. */
export async function fetchFile(url: string, limits: FetchLimits, parts: FetchParts): Promise<FetchedFile> {
  const resolved = resolveLimits(limits);
  const deadline = new FetchDeadline(resolved);
  try {
    const { signal } = deadline;
    const isAllowed = parts.isAllowed ?? createPublicCheck();
    let target = parseUrl(url);
    let { headers } = resolved;
    for (let redirects = 0; ; redirects++) {
      let addresses: readonly string[];
      try {
        addresses = await addressesOf(target, resolved, { ...parts, isAllowed }, signal);
      } catch (error) {
        const stored =
          error instanceof FetchError && error.reason === "address" ? storedFile(target) : undefined;
        if (stored === undefined) throw error;
        // Headers are for the host that was named.
        headers = harmless(headers);
        target = stored;
        addresses = await resolveBySystem(hostOf(stored), signal);
      }
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
      if (next.origin !== target.origin) headers = harmless(headers);
      target = next;
    }
  } catch (error) {
    deadline.end();
    throw error;
  }
}

function harmless(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => HARMLESS.test(name)));
}

/**
 * The address of a stored file at the self-hosted platform that runs this app, also if the caller knows the platform by
 * another name. Without a key, the platform answers only with files that everybody may read. Undefined for other URLs.
 */
function storedFile({ pathname, search }: URL): URL | undefined {
  const platform = platformAccount(process.env);
  if (platform === undefined || !/^\/objects\/[\w-]+\/[^/]+$/.test(pathname)) return undefined;
  return new URL(pathname + search, platform.url);
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
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
  const host = hostOf(url);
  const mayBeInside = isAllowedHost(limits, url);
  // A name without a dot belongs to a network, not to the internet.
  const isPublicName = host.replace(/\.$/, "").includes(".");
  if (isIP(host) === 0 && !mayBeInside && !isPublicName) throw notPublic(url);
  const addresses = isIP(host) !== 0 ? [host] : await (mayBeInside ? resolveBySystem : resolve)(host, signal);
  if (!mayBeInside && !addresses.every(isAllowed)) throw notPublic(url);
  return addresses;
}

function notPublic({ hostname }: URL): FetchError {
  return new FetchError(
    "address",
    `The host ${hostname} is not on the public internet. If all callers may read its content, add it to allowedHosts.`,
  );
}

function fetchedFile(
  exchange: Exchange,
  url: URL,
  { maxBytes, stallTimeoutMs }: ResolvedFetchLimits,
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
      body: boundedChunks(decoded, { url, maxBytes, stallTimeoutMs, signal: deadline.signal, onEnd: close }),
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
