import type { IncomingMessage, Server } from "node:http";
import { isJsonType } from "../bodies/json-body.ts";
import { withoutRootPath } from "../http/root-path.ts";
import { UPLOAD_POLICY } from "../../routes/media-runtime.ts";
import { uploadPolicyFault } from "./upload-policy.ts";
import type { CorsRules } from "./cors-rules.ts";
import { hostNameOf, hostOfOrigin, isAddress, isLoopbackAddress, isLoopbackName } from "./host-names.ts";

/** The answer to a request that is refused before any handler runs. */
export interface Refusal {
  readonly status: 400 | 403 | 422;
  readonly detail: string;
  /** The refusal of a preflight, which has a text body. */
  readonly isPreflight?: boolean;
}

/** The access rules of a server. */
interface AccessRules {
  /** Undefined: the default, which depends on the server's address. */
  readonly cors: CorsRules | undefined;
  /** In addition to the names of this machine. A leading dot allows all names below, "*" any. */
  readonly allowedHosts: readonly string[];
  readonly rootPath: string;
  /** The list of hosts is checked only while the server is bound to a loopback address. */
  readonly onlyLocal?: boolean;
}

/**
 * Decides which requests may reach the server. Any web page can make a browser send requests to this machine, so:
 *
 * - Bound to a loopback address, the server accepts only loopback hosts (a foreign DNS name could point to it), and
 *   only pages on such hosts.
 * - Bound to another address, pages of any origin may call, without credentials.
 * - The option `cors` replaces both rules, also for websockets.
 */
export class Access {
  readonly #rules: AccessRules;
  #isLocal = false;
  /** Host and origin of the last admitted request: most requests repeat them. */
  #lastHost: string | undefined;
  #lastOrigin: string | undefined;
  /** The origin of the last call of {@link allows}, and the cached result. */
  #judgedOrigin: string | undefined;
  #judgement: "no" | "plain" | "credentials" = "no";
  readonly #refused = new WeakMap<IncomingMessage, Refusal>();

  constructor(rules: AccessRules) {
    this.#rules = rules;
  }

  /** Reads a server's address once it listens. A server without a socket counts as not local. */
  follow(server: Server): void {
    server.prependListener("listening", () => {
      const address = server.address();
      this.#isLocal = typeof address === "object" && address !== null && isLoopbackAddress(address.address);
      this.#lastHost = undefined;
      this.#lastOrigin = undefined;
      this.#judgedOrigin = undefined;
    });
  }

  /** Whether a request may proceed to its route. Costs one comparison for most requests. */
  admits(request: IncomingMessage): boolean {
    const { headers, url = "/" } = request;
    if (
      headers.host !== undefined &&
      headers.host === this.#lastHost &&
      (headers.origin === undefined
        ? headers["sec-fetch-site"] === undefined
        : headers.origin === this.#lastOrigin) &&
      headers[UPLOAD_POLICY] === undefined &&
      url.charCodeAt(0) === SLASH &&
      !hasTwoHosts(request.rawHeaders)
    ) {
      return true;
    }
    const refusal = this.refusal(request);
    if (refusal !== undefined) this.#refused.set(request, refusal);
    // The host of a probe is not remembered: it may be any IP address, which other requests must not name.
    else if (!this.#checksHosts || this.#isOwnHost(headers.host ?? "")) {
      this.#lastHost = headers.host;
      this.#lastOrigin = headers.origin;
    }
    return refusal === undefined;
  }

  /**
   * Whether a request without `sec-fetch-site` and upload policy is admitted because its host and origin are those of the
   * last admitted one.
   */
  repeats(host: string, origin: string | undefined): boolean {
    return host === this.#lastHost && (origin === undefined || origin === this.#lastOrigin);
  }

  /** The reason why {@link admits} refused a request. */
  refused(request: IncomingMessage): Refusal | undefined {
    return this.#refused.get(request);
  }

  /** The reason why a request is refused; undefined if it is admitted. */
  refusal(request: IncomingMessage): Refusal | undefined {
    const { headers, httpVersion } = request;
    const isWithout = headers.host === undefined && httpVersion === "1.1";
    if (isWithout || hasTwoHosts(request.rawHeaders)) return { status: 400, detail: "Bad Request" };
    return this.#hostRefusal(request) ?? this.#originRefusal(request) ?? policyRefusal(request);
  }

  /** Whether browsers on this origin may call, and with credentials. */
  allows(origin: string): "no" | "plain" | "credentials" {
    if (origin !== this.#judgedOrigin) {
      this.#judgement = this.#judge(origin);
      this.#judgedOrigin = origin;
    }
    return this.#judgement;
  }

  #judge(origin: string): "no" | "plain" | "credentials" {
    const { cors } = this.#rules;
    if (this.#admitsAnyOrigin) {
      return origin.includes(",") ? "no" : "plain"; // a comma means that the header was sent twice
    }
    if (cors !== undefined) return !cors.lists(origin) ? "no" : cors.credentials ? "credentials" : "plain";
    const host = hostOfOrigin(origin);
    return host !== undefined && this.#isNamed(host) ? "credentials" : "no";
  }

  /**
   * The reason why an endpoint must not run: a page of another origin sent a simple request (a form or text as its
   * body), which browsers send without a preflight. Undefined if the endpoint may run.
   */
  simpleRefusal(request: IncomingMessage): string | undefined {
    const { headers } = request;
    const { origin, "sec-fetch-site": site } = headers;
    if (origin === undefined && site === undefined) return undefined;
    if (origin === undefined ? site !== "cross-site" : site === "same-origin") return undefined;
    // The answer to a GET can't be read by the page, and other methods than POST are never sent without a preflight.
    if (request.method !== "POST" || isJsonType(headers["content-type"])) return undefined;
    if (origin !== undefined && (this.#isTrusted(origin) || isSame(origin, headers.host))) return undefined;
    return "A page of another origin has to send its request with the content type application/json.";
  }

  #hostRefusal(request: IncomingMessage): Refusal | undefined {
    if (!this.#checksHosts) return undefined;
    const { host } = request.headers;
    const target = targetHost(request.url ?? "/");
    for (const given of [host, target]) {
      if (given === undefined || this.#isOwnHost(given)) continue;
      const name = hostNameOf(given);
      if (name !== undefined && isAddress(name) && this.#isProbe(request)) continue;
      const shown = given === "" ? "An empty host" : `The host ${given.slice(0, MAX_SHOWN)}`;
      const why = this.#isLocal ? "the server listens on this machine only" : "it is not in the list";
      const hint = "If a proxy or tunnel sends this host, name it with allowedHosts or --allowed-host.";
      return { status: 403, detail: `${shown} is not allowed: ${why}. ${hint}` };
    }
    return undefined;
  }

  #originRefusal(request: IncomingMessage): Refusal | undefined {
    const { headers } = request;
    const { origin } = headers;
    if (this.#admitsAnyOrigin) return undefined;
    if (origin === undefined) {
      if (headers["sec-fetch-site"] !== "cross-site" || isNavigation(request)) return undefined;
      return { status: 403, detail: "A page of another site may not call this server." };
    }
    if (this.allows(origin) !== "no") return undefined;
    if (isPreflight(request)) return { status: 400, detail: "Disallowed CORS origin", isPreflight: true };
    // A page that this server itself served may call it, unless a foreign DNS name could lead to the server.
    if (isSame(origin, headers.host) && this.#cannotBeRebound(headers.host)) return undefined;
    const hint =
      this.#rules.cors === undefined
        ? "The server listens on this machine only; name the origin with cors or --cors-origin, or its host with allowedHosts."
        : "It is not among the origins of cors.";
    return {
      status: 403,
      detail: `The origin ${origin.slice(0, MAX_SHOWN)} may not call this server. ${hint}`,
    };
  }

  get #admitsAnyOrigin(): boolean {
    const { cors } = this.#rules;
    return cors === undefined ? !this.#isLocal : cors.isAny;
  }

  /** Whether the server's operator named this origin, or it is one of this machine. */
  #isTrusted(origin: string): boolean {
    return this.allows(origin) === "credentials" || this.#rules.cors?.lists(origin) === true;
  }

  get #checksHosts(): boolean {
    const { allowedHosts, onlyLocal = false } = this.#rules;
    return this.#isLocal || (!onlyLocal && allowedHosts.length > 0);
  }

  #isOwnHost(host: string): boolean {
    return this.#rules.allowedHosts.includes("*") || this.#isNamed(host);
  }

  /** Whether a host is a name of this machine or one of the allowed hosts. */
  #isNamed(host: string): boolean {
    const name = hostNameOf(host);
    if (name === undefined) return false;
    if (isLoopbackName(name)) return true;
    return this.#rules.allowedHosts.some((own) => (own.startsWith(".") ? name.endsWith(own) : name === own));
  }

  #cannotBeRebound(host: string | undefined): boolean {
    const name = hostNameOf(host ?? "");
    return name !== undefined && (isAddress(name) || this.#isOwnHost(name));
  }

  #isProbe({ method, url = "/" }: IncomingMessage): boolean {
    const path = withoutRootPath(url, this.#rules.rootPath).split("?", 1)[0] ?? "";
    return (method === "GET" || method === "HEAD") && PROBES.has(path);
  }
}

/** Refuses an invalid upload policy, and any policy on a websocket, where it can't be applied. */
function policyRefusal({ headers }: IncomingMessage): Refusal | undefined {
  const policy = headers[UPLOAD_POLICY];
  if (policy === undefined) return undefined;
  if (headers.upgrade === "websocket")
    return { status: 403, detail: `${UPLOAD_POLICY} can't be followed over a websocket.` };
  const fault = uploadPolicyFault(String(policy));
  return fault === undefined ? undefined : { status: 422, detail: fault };
}

/** A path that no route can have. Refused requests are routed to it. */
export const REFUSED_PATH = "/(refused)";

/** Whether a request is a CORS preflight. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return (
    method === "OPTIONS" &&
    headers.origin !== undefined &&
    headers["access-control-request-method"] !== undefined
  );
}

const PROBES: ReadonlySet<string> = new Set(["/health", "/livez", "/readyz"]);
const SLASH = 0x2f;
/** Maximum number of characters of a client's value in a message. */
const MAX_SHOWN = 200;

/**
 * Whether a request has several `host` headers. Node uses the first one, but a proxy in front of the server may have
 * used another.
 */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 4 && (name === "host" || name === "Host" || name.toLowerCase() === "host")) count++;
  }
  return count > 1;
}

/** The host in a target such as `http://host/path`, which takes precedence over the header. */
function targetHost(url: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
}

/** Whether a page of this origin was served by this host. The scheme may differ behind a proxy. */
function isSame(origin: string, host: string | undefined): boolean {
  return host !== undefined && hostOfOrigin(origin)?.toLowerCase() === host.toLowerCase();
}

/**
 * Whether the request is a followed link. It is harmless: the browser only displays the answer, and no script of the
 * linking page can read it.
 */
function isNavigation({ method, headers }: IncomingMessage): boolean {
  return (
    (method === "GET" || method === "HEAD") &&
    headers.upgrade === undefined &&
    headers["sec-fetch-mode"] === "navigate" &&
    headers["sec-fetch-dest"] === "document"
  );
}
