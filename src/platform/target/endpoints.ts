import { isIP } from "node:net";
import { UsageError } from "../../errors.ts";

/** One address of a control plane. */
export interface Endpoint {
  /** Scheme, name and port: `https://rest.alpha.fal.ai`. No slash at the end. */
  readonly url: string;
  /** Name, and port where it is not the scheme's own: `rest.alpha.fal.ai`. */
  readonly host: string;
  /** Whether the connection has no TLS, because the host starts with `http://`. */
  readonly isPlaintext: boolean;
  /** The authority that signs its certificate, in PEM; absent: the ones that Node trusts. */
  readonly authority?: string | undefined;
  /** Its source, for messages: a variable's name, "the profile staging", or "the default". */
  readonly origin: string;
}

/** The addresses of a control plane and its apps. */
export interface Endpoints {
  /** The control plane itself. */
  readonly grpc: Endpoint;
  /** Files, logs, users and queues of the control plane. */
  readonly rest: Endpoint;
  /** Apps, called directly. */
  readonly run: Endpoint;
  /**
   * Apps, called through their queues.
   *
   * @throws UsageError if the control plane is an IP address or localhost and `FAL_QUEUE_RUN_HOST` is not set: there is no
   * domain to prefix with `queue.`
   */
  readonly queue: Endpoint;
  /**
   * Apps, called over websockets.
   *
   * @throws UsageError if the control plane is an IP address or localhost and `FAL_WS_RUN_HOST` is not set
   */
  readonly ws: Endpoint;
}

/** Options of {@link resolveEndpoints}. */
export interface ResolveEndpointsOptions {
  /** The control plane's host. Takes precedence over all other sources. */
  host?: string | undefined;
  /** The active profile. */
  profile?:
    | { readonly name: string; readonly host?: string | undefined; readonly authority?: string | undefined }
    | undefined;
  /** The authority that signs the certificate of `host`, in PEM. */
  authority?: string | undefined;
  /** Default: `process.env`. */
  environment?: NodeJS.ProcessEnv | undefined;
}

const DEFAULT_HOST = "api.alpha.fal.ai";

/**
 * Finds the control plane's host, in this order: the argument, `FAL_GRPC_HOST`, `FAL_HOST`, the profile, fal's own. The other
 * hosts are derived from its name (`api.…` → `rest.…`), unless their own variables are set.
 *
 * A host is a name with an optional port, reached over TLS. `http://` before it means plaintext, for self-hosted control planes;
 * so does `ISOLATE_TEST_MODE` for hosts without a scheme. If a host does not begin with `api`, everything but queues and
 * websockets is at that one address.
 *
 * @throws UsageError for an invalid host; the message names its source
 */
export function resolveEndpoints(options: ResolveEndpointsOptions = {}): Endpoints {
  const environment = options.environment ?? process.env;
  const { FAL_GRPC_HOST, FAL_HOST, FAL_REST_HOST, FAL_RUN_HOST } = environment;
  const isTest = isOn(environment["ISOLATE_TEST_MODE"]);
  const given = (text: string | undefined, origin: string): Endpoint | undefined => {
    const trimmed = text?.trim() ?? "";
    return trimmed === "" ? undefined : parseEndpoint(trimmed, origin, isTest ? "http" : "https");
  };
  const ofWhole = (text: string | undefined, origin: string): Endpoint | undefined => {
    const endpoint = given(text, origin);
    if (endpoint !== undefined && !isTest && !/:\/\//.test(text ?? "")) checkName(endpoint);
    return endpoint;
  };

  const { profile } = options;
  const grpc =
    trusting(ofWhole(options.host, "the host that was given"), options.authority) ??
    given(FAL_GRPC_HOST, "FAL_GRPC_HOST") ??
    ofWhole(FAL_HOST, "FAL_HOST") ??
    trusting(ofWhole(profile?.host, `the profile ${profile?.name ?? ""}`), profile?.authority) ??
    parseEndpoint(DEFAULT_HOST, "the default", "https");
  const rest = given(FAL_REST_HOST, "FAL_REST_HOST") ?? derived(grpc, (name) => name.replace(/^api/, "rest"));
  const run = given(FAL_RUN_HOST, "FAL_RUN_HOST") ?? derived(grpc, runName);
  const queue = given(environment["FAL_QUEUE_RUN_HOST"], "FAL_QUEUE_RUN_HOST");
  const ws = given(environment["FAL_WS_RUN_HOST"], "FAL_WS_RUN_HOST");
  return {
    grpc,
    rest,
    run,
    get queue() {
      return queue ?? prefixed(run, "queue", "queues", "FAL_QUEUE_RUN_HOST");
    },
    get ws() {
      return ws ?? prefixed(run, "ws", "websockets", "FAL_WS_RUN_HOST");
    },
  };
}

/** Whether a variable is on, by the rule of fal's SDK: set, and not empty, "0" or "false". */
export function isOn(text: string | undefined): boolean {
  return text !== undefined && !/^(?:|0|false)$/i.test(text.trim());
}

/** `api.alpha.fal.ai` → `fal.run`. Other names stay as they are. */
function runName(name: string): string {
  if (!name.startsWith("api.")) return name;
  return name
    .slice("api.".length)
    .replace(/(^|\.)alpha\./, "$1")
    .replace(/\.ai$/, ".run");
}

function trusting(endpoint: Endpoint | undefined, authority: string | undefined): Endpoint | undefined {
  return endpoint === undefined || authority === undefined ? endpoint : { ...endpoint, authority };
}

function derived(from: Endpoint, rename: (name: string) => string): Endpoint {
  const { protocol, hostname, port } = new URL(from.url);
  const host = `${rename(hostname)}${port === "" ? "" : `:${port}`}`;
  return { ...from, url: `${protocol}//${host}`, host };
}

/** The host of the apps with a prefix: `queue.fal.run`. */
function prefixed(run: Endpoint, prefix: string, what: string, variable: string): Endpoint {
  if (isAddress(run)) {
    throw new UsageError(
      `The host of ${what} cannot be derived from ${run.host} (${run.origin}): set ${variable}.`,
    );
  }
  return derived(run, (name) => `${prefix}.${name}`);
}

function isAddress({ url }: Endpoint): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || isIP(hostname.replaceAll(/[[\]]/g, "")) !== 0;
}

/** Rejects a name that does not start with `api`: the other hosts are derived from that prefix. */
function checkName(endpoint: Endpoint): void {
  const { hostname, port } = new URL(endpoint.url);
  if (hostname.startsWith("api") || port !== "" || isAddress(endpoint)) return;
  throw new UsageError(
    `${sentence(endpoint.origin)} does not begin with "api", as the name of a control plane does; ` +
      `if it is one of your own, write https:// before it.`,
  );
}

// Messages never contain the text, because it may be a key that was pasted into the wrong variable.
function parseEndpoint(text: string, origin: string, defaultScheme: "http" | "https"): Endpoint {
  const refuse = (what: string): never => {
    throw new UsageError(
      `${sentence(origin)} ${what}; write a host such as api.example.com, with a port or http:// where needed.`,
    );
  };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https")
    refuse("has a scheme other than http(s)");
  if (/[\s\\]/.test(text)) refuse("has spaces or backslashes in it");
  const whole = scheme === undefined ? `${defaultScheme}://${text}` : text;
  const url = URL.canParse(whole) ? new URL(whole) : refuse("is not a valid host");
  if (url.username !== "" || url.password !== "") refuse("has a user in it");
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") refuse("has more than a host in it");
  if (url.port === "0") refuse("has the port 0");
  return { url: url.origin, host: url.host, isPlaintext: url.protocol === "http:", origin };
}

function sentence(origin: string): string {
  return origin.charAt(0).toUpperCase() + origin.slice(1);
}
