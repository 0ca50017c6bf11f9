import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { HostResolver } from "../../network/host-names.ts";
import type { AddressCheck } from "../../network/public-address.ts";

/** How webhooks reach their receivers. */
export interface WebhookNetwork {
  readonly resolve: HostResolver;
  /** Whether webhooks may be sent to an address. */
  readonly isAllowed: AddressCheck;
}

/** The answer of a receiver, or why there is none. */
export interface PostOutcome {
  /** The status of the answer; undefined without one. */
  readonly status: number | undefined;
  /** Undefined if the webhook was delivered. */
  readonly error: string | undefined;
  /** Whether the same would happen again: it is not tried once more. */
  readonly isFinal: boolean;
}

const MAX_REDIRECTS = 5;
/** Redirects that keep the method, or are commonly meant to. 303 asks for a GET, which would lose the body. */
const KEPT: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** An address that webhooks can't be sent to. Its message says why. */
class Refused extends Error {}

/** Sends a body by POST, and follows redirects with the same method and body. Resolves in each case. */
export async function postWebhook(
  url: string,
  { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array },
  network: WebhookNetwork,
  signal: AbortSignal,
): Promise<PostOutcome> {
  let target = url;
  try {
    for (let redirects = 0; ; redirects++) {
      const answer = await post(new URL(target), headers, body, network, signal);
      const status = answer.statusCode ?? 0;
      const { location } = answer.headers;
      answer.destroy(); // its body has no meaning
      if (status >= 200 && status < 300) return { status, error: undefined, isFinal: true };
      if (status < 300 || status >= 400) {
        return { status, error: `The receiver answered ${status}.`, isFinal: false };
      }
      const next = nextTarget(target, location);
      if (!KEPT.has(status) || next === undefined) {
        const why = next === undefined ? "to no valid address" : "with a GET, which would lose the body";
        return { status, error: `The receiver redirects (${status}) ${why}.`, isFinal: true };
      }
      if (redirects === MAX_REDIRECTS) {
        return { status, error: `The receiver redirects more than ${MAX_REDIRECTS} times.`, isFinal: false };
      }
      target = next;
    }
  } catch (error) {
    if (error instanceof Refused) return { status: undefined, error: error.message, isFinal: true };
    const reason = signal.aborted ? signal.reason : error;
    return { status: undefined, error: reasonOf(reason), isFinal: false };
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, code } = error as Error & { readonly code?: string };
  return `The receiver could not be reached: ${message || code}`;
}

function nextTarget(from: string, location: string | undefined): string | undefined {
  if (location === undefined || !URL.canParse(location, from)) return undefined;
  const next = new URL(location, from);
  return next.protocol === "https:" || next.protocol === "http:" ? next.href : undefined;
}

/** Sends one request to an address that was checked, whatever the name means a moment later. */
async function post(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  network: WebhookNetwork,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = isIP(host) === 0 ? await network.resolve(host, signal) : [host];
  const address = addresses[0];
  if (address === undefined || !addresses.every(network.isAllowed)) {
    throw new Refused(
      `${host} is an address of this machine or its network. The setting webhooks.allow_private permits them.`,
    );
  }
  const lookup: LookupFunction = (_name, options, done) => {
    const family = isIP(address);
    if (options.all === true) done(null, [{ address, family }]);
    else done(null, address, family);
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const call = send(url, {
      method: "POST",
      agent: false,
      lookup,
      signal,
      headers: { ...headers, "content-length": body.length },
    });
    call.once("response", resolve);
    call.on("error", reject);
    call.end(body);
  });
}
