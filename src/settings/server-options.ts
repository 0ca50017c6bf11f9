import { isIP } from "node:net";
import { didYouMean } from "../did-you-mean.ts";
import { authentication } from "./authentication.ts";
import {
  flag,
  isRecord,
  MAX_SECONDS,
  misfit,
  Misfit,
  readList,
  seconds,
  text,
  texts,
  wholeNumber,
  type Check,
} from "./check.ts";
import { cors } from "./cors.ts";
import type { Setting } from "./setting.ts";
import { storage } from "./storage.ts";

/** Files with the key and the certificate of a server. */
export interface HttpsOptions {
  /** The file of the private key, in PEM. */
  readonly key: string;
  /** The file of the certificate and of those that lead to its authority, in PEM. */
  readonly certificate: string;
  /** The password of the key, if it has one. */
  readonly passphrase?: string | undefined;
}

/**
 * The proxies in front of a server whose `X-Forwarded-…` headers are believed: addresses such as "10.0.0.0/8" or
 * "loopback", or true for every client.
 */
export type TrustedProxies = true | string | readonly string[];

const HTTPS_NAMES = ["key", "certificate", "passphrase"] as const;
const NAMED_NETWORKS: ReadonlySet<string> = new Set(["loopback", "linklocal", "uniquelocal"]);

/** Durations end here: Node's timers wait no longer. */
const milliseconds = wholeNumber(1, MAX_SECONDS * 1000);
/** Maximum configurable depth. Code that walks a value recursively would overflow the stack with deeper values. */
export const DEEPEST = 512;

const count = wholeNumber(1);
const port = wholeNumber(0, 65_535);

const network: Check<string> = (value) => {
  const [address = "", bits, ...rest] = typeof value === "string" ? value.split("/") : [];
  const version = isIP(address);
  const fits =
    rest.length === 0 &&
    (bits === undefined
      ? version !== 0 || NAMED_NETWORKS.has(address)
      : version !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  return fits
    ? (value as string)
    : misfit('an address such as "10.0.0.1", "10.0.0.0/8" or "loopback"', value);
};

const trustProxy: Check<TrustedProxies> = (value) => {
  if (value === true) return true;
  if (typeof value === "string") return network(value);
  if (Array.isArray(value)) return readList(value, "a list of addresses", network);
  // A number of hops is not offered: it would also believe a client that connects directly.
  return misfit('true, or addresses of proxies such as "10.0.0.0/8"', value);
};

const docs: Check<boolean | "document"> = (value) =>
  typeof value === "boolean" || value === "document" ? value : misfit('true, false or "document"', value);

const https: Check<HttpsOptions> = (value) => {
  const expected = 'an object such as { key: "key.pem", certificate: "cert.pem" }';
  if (!isRecord(value)) return new Misfit(expected, `a value of type ${typeof value}`);
  const unknown = Object.keys(value).find((name) => !(HTTPS_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    return new Misfit(
      `made of ${HTTPS_NAMES.join(", ")}`,
      `${JSON.stringify(unknown)}${didYouMean(unknown, HTTPS_NAMES)}`,
    );
  }
  for (const name of HTTPS_NAMES) {
    const given = value[name];
    if (given === undefined && name === "passphrase") continue;
    const result = text()(given);
    // The value may be a key or a password, so it is never part of the message.
    if (result instanceof Misfit) return new Misfit(name === "passphrase" ? "a text" : "the path of a file", `a value of type ${typeof given}`).within(`.${name}`); // prettier-ignore
    if (name !== "passphrase" && String(given).includes("-----BEGIN")) {
      return new Misfit("the path of a file", "its content").within(`.${name}`);
    }
  }
  return { ...value } as unknown as HttpsOptions; // each field passed its check
};

/**
 * The options of a server, one row each: options of `buildServer()` and `serve()`, statics of a class ("class"), and
 * flags of `servable run`. Precedence: flag or option, variable, static, default.
 */
export const SERVER_OPTIONS = {
  /** Address to listen on. */
  host: {
    check: text("0.0.0.0"),
    doc: "address to listen on",
    sources: ["serve"],
    default: "127.0.0.1",
    variable: "HOST",
    flag: "--host <address>",
  },
  /** Port to listen on; 0 takes any free port. */
  port: {
    check: port,
    doc: "port to listen on; 0 takes any free port",
    sources: ["serve"],
    unit: "port",
    default: 8080,
    variable: "PORT",
    flag: "-p, --port <port>",
  },
  /** Unix socket to listen on, in place of a port: the path of the file to create. */
  unixSocket: {
    check: text("/run/app.sock"),
    doc: "unix socket to listen on, in place of a port",
    sources: ["serve"],
    flag: "--unix-socket <path>",
  },
  /** Maximum number of connections that wait to be accepted. The system's own limit applies, too. */
  backlog: {
    check: wholeNumber(1, 2 ** 31 - 1),
    doc: "maximum number of connections that wait to be accepted",
    sources: ["class", "serve"],
    default: 511,
    flag: "--backlog <n>",
  },
  /** Key and certificate, to serve HTTPS. The files are read again when they change. Default: HTTP. */
  https: {
    check: https,
    doc: "key and certificate, to serve HTTPS",
    sources: ["class", "server", "serve"],
    flag: "--https-key <file>, --https-certificate <file>",
  },
  /** Port of `GET /metrics`; 0 takes any free port. */
  metricsPort: {
    check: port,
    doc: "port of `GET /metrics`",
    sources: ["class", "config", "serve"],
    unit: "port",
    default: 9090,
    variable: "METRICS_PORT",
    flag: "--metrics-port <port>",
    wire: "metricsPort",
  },
  /** Address of the metrics port. */
  metricsHost: {
    check: text("0.0.0.0"),
    doc: "address of the metrics port",
    sources: ["class", "serve"],
    default: "127.0.0.1",
    variable: "METRICS_HOST",
    flag: "--metrics-host <address>",
  },
  /**
   * Hosts that requests may name in addition to `localhost`, names below it and loopback addresses, for example the
   * host of a proxy or tunnel on this machine. ".example.com" allows all names below it, "*" any host. Checked while
   * the server is bound to a loopback address, and always if the list is set. Default: none.
   */
  allowedHosts: {
    check: (value: unknown) => readList(value, 'a list of hosts, such as ["app.example.com"]', text()),
    doc: "hosts that requests may name in addition to",
    sources: ["class", "server", "serve"],
    variable: "SERVABLE_ALLOWED_HOSTS",
    flag: "--allowed-host <name>",
  },
  /**
   * Origins of pages that may call the app, also by websocket. Default: loopback origins with credentials while the
   * server is bound to a loopback address, otherwise any origin without credentials.
   */
  cors: {
    check: cors,
    doc: "origins of pages that may call the app, also by websocket",
    sources: ["class", "server", "serve"],
    flag: "--cors-origin <origin>, --cors-credentials",
  },
  /**
   * Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` headers are believed: addresses such as "10.0.0.0/8" or
   * "loopback", or true for every client. Default: none.
   */
  trustProxy: {
    check: trustProxy,
    doc: "proxies whose `X-Forwarded-For`, `-Proto` and `-Host` headers are believed",
    sources: ["class", "server", "serve"],
    flag: "--trust-proxy <proxies>",
  },
  /** How callers are identified, by `bearerTokens(…)` or `jwt({…})`. Default: everyone may call. */
  auth: {
    check: authentication,
    doc: "how callers are identified, by `bearerTokens(…)` or `jwt({…})`",
    sources: ["class", "server", "serve"],
    flag: "--api-key-file <path>",
  },
  /** Prefix that is removed from request paths, such as `/user/app`. Default: none. */
  rootPath: {
    check: (value: unknown) =>
      typeof value === "string" ? value : misfit('a path, such as "/user/app"', value),
    doc: "prefix that is removed from request paths, such as `/user/app`",
    sources: ["server", "serve"],
    variable: "FAL_APP_ROOT_PATH",
    flag: "--root-path <path>",
  },
  /** Pages below `/docs` and `/openapi.json`: true for both, "document" for `/openapi.json` alone, false for none. */
  docs: {
    check: docs,
    doc: "pages below `/docs` and `/openapi.json`",
    sources: ["class", "server", "serve"],
    default: true,
    flag: "--no-docs",
  },
  /** Whether each answered request is logged in a line of its own. */
  accessLog: {
    check: flag,
    doc: "whether each answered request is logged in a line of its own",
    sources: ["class", "server", "serve"],
    default: false,
    flag: "--access-log",
  },
  /**
   * Maximum size of a body, in bytes; larger ones are rejected with 413. An endpoint's own limit takes precedence.
   */
  bodyLimitBytes: {
    check: count,
    doc: "maximum size of a body",
    sources: ["class", "server", "serve"],
    unit: "bytes",
    default: 50 * 1024 ** 2,
    flag: "--body-limit <size>",
  },
  /** Maximum size of the first line and the headers of a request, in bytes; larger ones are rejected with 431. */
  headerLimitBytes: {
    check: wholeNumber(1024, 16 * 1024 ** 2),
    doc: "maximum size of the first line and the headers of a request",
    sources: ["class", "server", "serve"],
    unit: "bytes",
    default: 64 * 1024,
    flag: "--header-limit <size>",
  },
  /**
   * Maximum nesting of bodies and messages, checked before parsing. An endpoint's own limit takes precedence.
   */
  maxDepth: {
    check: wholeNumber(1, DEEPEST),
    doc: "maximum nesting of bodies and messages",
    sources: ["class", "server", "serve"],
    default: 256,
  },
  /**
   * Maximum number of lists, objects, keys and scalars together in a body or message, checked before parsing. An
   * endpoint's own limit takes precedence.
   */
  maxValues: {
    check: count,
    doc: "maximum number of lists, objects, keys and scalars together in a body or message",
    sources: ["class", "server", "serve"],
    default: 1_000_000,
  },
  /**
   * Maximum memory for input, in bytes: all bodies and messages that are arriving, queued or being handled. Further
   * requests are rejected with the overload status. Default: an eighth of the heap limit, but at most 256 MiB; raised
   * if an option allows a larger body.
   */
  maxBytesInFlight: {
    check: count,
    doc: "maximum memory for input",
    sources: ["class", "server", "serve"],
    unit: "bytes",
    flag: "--max-bytes-in-flight <size>",
  },
  /**
   * Maximum size of a websocket message, in bytes; larger ones close the connection with 1009. An endpoint's own limit
   * takes precedence.
   */
  maxFrameBytes: {
    check: count,
    doc: "maximum size of a websocket message",
    sources: ["class", "server", "serve"],
    unit: "bytes",
    default: 16 * 1024 ** 2,
    flag: "--max-frame <size>",
  },
  /**
   * Maximum disk space for uploaded files, in bytes: all files of `multipart()` that are arriving or belong to a call
   * that is not answered yet. Further uploads are rejected with the overload status. Raised if an endpoint allows a
   * larger body.
   */
  maxUploadBytes: {
    check: count,
    doc: "maximum disk space for uploaded files",
    sources: ["class", "server", "serve"],
    unit: "bytes",
    default: 1024 ** 3,
    flag: "--max-upload <size>",
  },
  /** Folder for the temporary files of uploads. Default: the system's, which `TMPDIR` sets. */
  uploadFolder: {
    check: text("/var/tmp"),
    doc: "folder for the temporary files of uploads",
    sources: ["class", "server", "serve"],
    flag: "--upload-folder <path>",
  },
  /** Storage for the files of answers: "data", "local", "s3" or "fal", or an object with its options. */
  storage: {
    check: storage,
    doc: "storage for the files of answers",
    sources: ["class", "server", "serve"],
  },
  /** Hosts without public addresses that files may be fetched from, as `host` or `host:port`. */
  fileHosts: {
    check: texts("files.internal:8080"),
    doc: "hosts without public addresses that files may be fetched from",
    sources: ["class", "server", "serve"],
  },
  /** Maximum number of open connections; further ones are closed at once. Default: none. */
  maxConnections: {
    check: count,
    doc: "maximum number of open connections; further ones are closed at once",
    sources: ["class", "server", "serve"],
    flag: "--max-connections <n>",
  },
  /** Maximum number of open websockets; further ones are rejected with the overload status. */
  maxSessions: {
    check: count,
    doc: "maximum number of open websockets",
    sources: ["class", "server", "serve"],
    default: 10_000,
    flag: "--max-sessions <n>",
  },
  /** Maximum time for the headers of a request to arrive, in milliseconds; then it is answered with 408. */
  headersTimeoutMs: {
    check: milliseconds,
    doc: "maximum time for the headers of a request to arrive",
    sources: ["class", "server", "serve"],
    unit: "milliseconds",
    default: 60_000,
    flag: "--headers-timeout-ms <ms>",
  },
  /** Maximum time for a request to arrive completely, in milliseconds; then it is answered with 408. */
  arrivalTimeoutMs: {
    check: milliseconds,
    doc: "maximum time for a request to arrive completely",
    sources: ["class", "server", "serve"],
    unit: "milliseconds",
    default: 300_000,
    flag: "--arrival-timeout-ms <ms>",
  },
  /** Time for which a connection without a request is kept open, in milliseconds. */
  keepAliveTimeoutMs: {
    check: milliseconds,
    doc: "time for which a connection without a request is kept open",
    sources: ["class", "server", "serve"],
    unit: "milliseconds",
    default: 72_000,
    flag: "--keep-alive-timeout-ms <ms>",
  },
  /**
   * Time after which a connection is closed if its client reads nothing of the data that is waiting for it, in
   * milliseconds.
   */
  sendTimeoutMs: {
    check: milliseconds,
    doc: "time after which a connection is closed if its client reads nothing of the data that is waiting for it",
    sources: ["class", "server", "serve"],
    unit: "milliseconds",
    default: 30_000,
  },
  /** Interval of comments on an idle event stream, in milliseconds. */
  heartbeatMs: {
    check: milliseconds,
    doc: "interval of comments on an idle event stream",
    sources: ["class", "server", "serve"],
    unit: "milliseconds",
    default: 15_000,
  },
  /** Interval of pings on a websocket, in milliseconds. Two unanswered pings in a row close it. */
  websocketPingMs: {
    check: milliseconds,
    doc: "interval of pings on a websocket",
    sources: ["class", "server", "serve"],
    unit: "milliseconds",
    default: 30_000,
  },
  /**
   * Maximum number of calls a runner handles at a time, all endpoints together. Further calls wait. Default: no limit.
   */
  maxMultiplexing: {
    check: count,
    doc: "maximum number of calls a runner handles at a time, all endpoints together",
    sources: ["class", "config", "function", "scale", "server", "serve"],
    platformDefault: 1,
    wire: "maxMultiplexing",
    keptBy: "code",
    flag: "--max-multiplexing <n>",
  },
  /**
   * Maximum time a deadline may be exceeded before the call counts as stuck, in seconds: its worker is replaced, or the
   * probes fail.
   */
  stuckGracePeriodSeconds: {
    check: seconds,
    doc: "maximum time a deadline may be exceeded before the call counts as stuck",
    sources: ["class", "server", "serve"],
    unit: "seconds",
    default: 10,
  },
  /** Number of requests after which the server stops. Default: no limit. */
  limitMaxRequests: {
    check: count,
    doc: "number of requests after which the server stops",
    sources: ["serve"],
    flag: "--limit-max-requests <n>",
  },
} as const satisfies Readonly<Record<string, Setting>>;
