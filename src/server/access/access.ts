import type { IncomingMessage, Server } from "node:http";
import { isJsonType } from "../bodies/json-body.ts";
import { withoutRootPath } from "../http/root-path.ts";
import { UPLOAD_POLICY, uploadPolicyFault } from "./upload-policy.ts";
import { hostNameOf, hostOfOrigin, isAddress, isLoopbackAddress, isLoopbackName } from "./host-names.ts";

/** Why a request is answered by nobody's handler. */
export interface Refusal {
  readonly status: 400 | 403 | 422;
  readonly detail: string;
  /** It answers a preflight, which has a form of its own. */
  readonly isPreflight?: boolean;
}

/** What a server was told about who may call it. */
export interface AccessRules {
  /** Undefined: it depends on the address that the server listens on. */
  readonly corsOrigins: "*" | ReadonlySet<string> | undefined;
  /** Beside the names of this machine. A name that starts with a dot stands for all below it, "*" for any. */
  readonly allowedHosts: readonly string[];
  readonly rootPath: string;
  /** The list of hosts counts only while the server is bound to a loopback address. */
  readonly onlyLocal?: boolean;
}

/**
 * Who may call a server, as far as browsers are concerned: any page can make a browser send requests to this machine.
 *
 * - Bound to a loopback address, the server answers only hosts that lead there (a name server could point any other at
 *   it), and of pages only those on such hosts.
 * - Bound elsewhere, pages of any origin may call, without credentials.
 * - A list of origins counts instead, with credentials; for websockets too.
 */
export class Access {
  readonly #rules: AccessRules;
  #isLocal = false;
  /** The host and the origin of the last request that was let through: most requests name the same. */
  #lastHost: string | undefined;
  #lastOrigin: string | undefined;
  /** What {@link allows} said last, and about which origin. */
  #judgedOrigin: string | undefined;
  #judgement: "no" | "plain" | "credentials" = "no";
  readonly #refused = new WeakMap<IncomingMessage, Refusal>();

  constructor(rules: AccessRules) {
    this.#rules = rules;
  }

  /** Learns from a server, once it listens, where it is bound. A server without a socket counts as bound elsewhere. */
  follow(server: Server): void {
    server.prependListener("listening", () => {
      const address = server.address();
      this.#isLocal = typeof address === "object" && address !== null && isLoopbackAddress(address.address);
      this.#lastHost = undefined;
      this.#lastOrigin = undefined;
      this.#judgedOrigin = undefined;
    });
  }

  /** Whether a request may go on to its route. For most it costs a comparison. */
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
    // Not that of a probe, which may name more than others.
    else if (!this.#checksHosts || this.#isOwnHost(headers.host ?? "")) {
      this.#lastHost = headers.host;
      this.#lastOrigin = headers.origin;
    }
    return refusal === undefined;
  }

  /** Why {@link admits} held a request back. */
  refused(request: IncomingMessage): Refusal | undefined {
    return this.#refused.get(request);
  }

  /** Why a request may not go on; undefined when it may. */
  refusal(request: IncomingMessage): Refusal | undefined {
    const { headers, httpVersion } = request;
    const isWithout = headers.host === undefined && httpVersion === "1.1";
    if (isWithout || hasTwoHosts(request.rawHeaders)) return { status: 400, detail: "Bad Request" };
    return this.#hostRefusal(request) ?? this.#originRefusal(request) ?? policyRefusal(request);
  }

  /** How browsers on this origin may call: not at all, or with or without credentials. */
  allows(origin: string): "no" | "plain" | "credentials" {
    if (origin !== this.#judgedOrigin) {
      this.#judgement = this.#judge(origin);
      this.#judgedOrigin = origin;
    }
    return this.#judgement;
  }

  #judge(origin: string): "no" | "plain" | "credentials" {
    const { corsOrigins } = this.#rules;
    if (corsOrigins === "*" || (corsOrigins === undefined && !this.#isLocal)) {
      return origin.includes(",") ? "no" : "plain"; // the header came twice
    }
    if (corsOrigins !== undefined) return corsOrigins.has(origin) ? "credentials" : "no";
    const host = hostOfOrigin(origin);
    return host !== undefined && this.#isNamed(host) ? "credentials" : "no";
  }

  /**
   * Why an endpoint may not run: a page of another origin sent a request that browsers send without asking first, with
   * a form or a text as its body. Undefined when it may.
   */
  simpleRefusal(request: IncomingMessage): string | undefined {
    const { headers } = request;
    const { origin, "sec-fetch-site": site } = headers;
    if (origin === undefined && site === undefined) return undefined;
    if (origin === undefined ? site !== "cross-site" : site === "same-origin") return undefined;
    if (isJsonType(headers["content-type"])) return undefined;
    if (origin !== undefined && (this.allows(origin) === "credentials" || isSame(origin, headers.host))) {
      return undefined;
    }
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
    const { corsOrigins } = this.#rules;
    if (corsOrigins === "*" || (corsOrigins === undefined && !this.#isLocal)) return undefined;
    if (origin === undefined) {
      if (headers["sec-fetch-site"] !== "cross-site" || isNavigation(request)) return undefined;
      return { status: 403, detail: "A page of another site may not call this server." };
    }
    if (this.allows(origin) !== "no") return undefined;
    if (isPreflight(request)) return { status: 400, detail: "Disallowed CORS origin", isPreflight: true };
    // The server's own pages. A name that others could point at this server is not taken for its own.
    if (isSame(origin, headers.host) && this.#cannotBeRebound(headers.host)) return undefined;
    const hint =
      corsOrigins === undefined
        ? "The server listens on this machine only; name the origin with corsOrigins, or its host with allowedHosts."
        : "It is not in corsOrigins.";
    return {
      status: 403,
      detail: `The origin ${origin.slice(0, MAX_SHOWN)} may not call this server. ${hint}`,
    };
  }

  get #checksHosts(): boolean {
    const { allowedHosts, onlyLocal = false } = this.#rules;
    return this.#isLocal || (!onlyLocal && allowedHosts.length > 0);
  }

  #isOwnHost(host: string): boolean {
    return this.#rules.allowedHosts.includes("*") || this.#isNamed(host);
  }

  /** One of this machine's names, or one that was allowed by name. */
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

/** A policy for uploads that is none; over a websocket, which can't follow one, any policy. */
function policyRefusal({ headers }: IncomingMessage): Refusal | undefined {
  const policy = headers[UPLOAD_POLICY];
  if (policy === undefined) return undefined;
  if (headers.upgrade === "websocket")
    return { status: 403, detail: `${UPLOAD_POLICY} can't be followed over a websocket.` };
  const fault = uploadPolicyFault(String(policy));
  return fault === undefined ? undefined : { status: 422, detail: fault };
}

/** A path that no route can have: requests that may not go on are sent there. */
export const REFUSED_PATH = "/(refused)";

/** Asks the server for leave before the request itself. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return (
    method === "OPTIONS" &&
    headers.origin !== undefined &&
    headers["access-control-request-method"] !== undefined
  );
}

const PROBES: ReadonlySet<string> = new Set(["/health", "/livez", "/readyz"]);
const SLASH = 0x2f;
/** Of what a client sent, messages show so many characters. */
const MAX_SHOWN = 200;

/** Node keeps the first of several. What stands before this server may have looked at another. */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 4 && (name === "host" || name === "Host" || name.toLowerCase() === "host")) count++;
  }
  return count > 1;
}

/** The host in a target such as `http://host/path`, which goes before the header. */
function targetHost(url: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
}

/** Whether a page of this origin was served by this host. Which scheme a proxy before the server speaks, is not known. */
function isSame(origin: string, host: string | undefined): boolean {
  return host !== undefined && hostOfOrigin(origin)?.toLowerCase() === host.toLowerCase();
}

/** A link that somebody followed, which shows what it leads to and runs nothing. */
function isNavigation({ method, headers }: IncomingMessage): boolean {
  return (
    (method === "GET" || method === "HEAD") &&
    headers.upgrade === undefined &&
    headers["sec-fetch-mode"] === "navigate" &&
    headers["sec-fetch-dest"] === "document"
  );
}
