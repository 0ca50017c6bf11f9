import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { type Clock, systemClock } from "../dispatch/clock.ts";
import { type ValueLimits, BYTES_PER_VALUE } from "../json/scan.ts";
import { assertFits, positive, wholeNumber, type Refuse } from "../settings/check.ts";
import { SETTINGS } from "../settings/settings.ts";
import { authentication, type Authentication } from "../settings/authentication.ts";
import type { ResolvedWorkerOptions } from "../settings/worker-options.ts";
import type { RouteHandler, RouteSignature } from "../routes/signature.ts";
import { hostsFromEnvironment, resolveHosts, resolveOrigins } from "./access/access-options.ts";
import { DefinitionError } from "../errors.ts";
import { DEEPEST } from "../routes/input-limits.ts";
import { jsonLogger } from "./logger.ts";
import { defaultMaxBytesInFlight } from "./bodies/memory-budget.ts";

/** The server's view of the class it serves. */
export interface ServerDefinition {
  /** The instance that the handlers belong to. */
  readonly app: object;
  /** The title of the docs, and the name in logs. */
  readonly name: string;
  readonly version: string;
  /** The routes with their handlers, in the order of the document. */
  readonly routes: ReadonlyMap<RouteSignature, RouteHandler>;
  /** Identifies the callers; undefined: everyone may call. */
  readonly authentication: Authentication | undefined;
  /** Returns the answer of `GET /health`. */
  health(): unknown;
  /** Names of the resources that this runner keeps loaded, sent with every answer; undefined if the class has none. */
  readonly provideHints: (() => readonly string[]) | undefined;
  /**
   * Adds plugins, hooks, decorators and routes to the server, before the framework's routes are mounted; undefined if the
   * class adds nothing.
   */
  readonly configure: ((server: FastifyInstance) => void | Promise<void>) | undefined;
  /** Yields once, between start and end of the server. */
  lifespan(server: FastifyInstance): AsyncGenerator<void, void, void>;
  /** Default timeout of endpoints, in ms. */
  readonly defaultTimeoutMs: number | undefined;
  /** Default status of overload errors; undefined: 429. */
  readonly overloadStatus: 429 | 503 | undefined;
  /** The name of the app's class. */
  readonly className: string;
  /** `file:` URL of the module that exports the class, if known. */
  readonly moduleUrl: string | undefined;
  /** Workers for all routes that can run in workers; undefined: only routes that ask for workers use them. */
  readonly workers: ResolvedWorkerOptions | undefined;
  /** Setup is needed in this process even if all routes run in workers, for example for health checks or hints. */
  readonly needsSetUp: boolean;
  /** Maximum number of concurrent calls over all endpoints; undefined: unlimited. */
  readonly maxConcurrency: number | undefined;
  /** Time after its deadline at which a call counts as stuck, in ms; undefined: the default. */
  readonly stuckGraceMs: number | undefined;
}

/** Options of a server that are independent of the class. */
export interface ServerOptions {
  /**
   * Maximum size of a body, in bytes; larger ones are rejected with 413. An endpoint's own limit takes precedence.
   * Default 50 MiB.
   */
  bodyLimitBytes?: number;
  /**
   * Maximum nesting of bodies and messages, checked before parsing. An endpoint's own limit takes precedence. Default
   * 256.
   */
  maxDepth?: number;
  /**
   * Maximum number of lists, objects, keys and scalars together in a body or message, checked before parsing. An
   * endpoint's own limit takes precedence. Default 1,000,000.
   */
  maxValues?: number;
  /**
   * Maximum memory for input, in bytes: all bodies and messages that are arriving, queued or being handled. Further
   * requests are rejected with the overload status. Default: an eighth of the heap limit, but at most 256 MiB; raised
   * if an option allows a larger body.
   */
  maxBytesInFlight?: number;
  /**
   * Origins that browsers may call from, also by websocket: a list, whose origins may send credentials, or "*" for any
   * origin without credentials. Default: loopback origins while the server is bound to a loopback address, otherwise
   * any origin.
   */
  corsOrigins?: "*" | readonly string[];
  /**
   * Hosts that requests may name in addition to `localhost`, names below it and loopback addresses, for example the
   * host of a proxy or tunnel on this machine. ".example.com" allows all names below it, "*" any host. Checked while
   * the server is bound to a loopback address, and always if the list is set. Default: `SERVABLE_ALLOWED_HOSTS`,
   * separated by commas, otherwise none.
   */
  allowedHosts?: readonly string[];
  /** Identifies the callers of a class that does not do it itself. Default: everyone may call. */
  auth?: Authentication;
  /** A prefix that is removed from request paths, such as `/user/app`. Default: `FAL_APP_ROOT_PATH`. */
  rootPath?: string;
  /** Interval of comments on an idle event stream, in ms. Default 15,000. */
  heartbeatMs?: number;
  /**
   * Maximum size of a websocket message, in bytes; larger ones close the connection with 1009. An endpoint's own limit
   * takes precedence. Default 16 MiB.
   */
  maxFrameBytes?: number;
  /**
   * Maximum number of concurrent calls over all endpoints; further calls are queued. Default: the class's
   * `maxMultiplexing`.
   */
  maxConcurrency?: number;
  /** Maximum number of open websockets; further ones are rejected with the overload status. Default 10,000. */
  maxSessions?: number;
  /** Interval of pings on a websocket, in ms. Two unanswered pings in a row close it. Default 30,000. */
  websocketPingMs?: number;
  /**
   * Time after its deadline at which a call counts as stuck: its worker is replaced, or the probes fail. In ms.
   * Default: the class's `stuckGracePeriodSeconds`, otherwise 10,000.
   */
  stuckGraceMs?: number;
  /**
   * Time after which a connection is closed if its client reads nothing of the data that is waiting for it, in ms.
   * Default 30,000.
   */
  sendTimeoutMs?: number;
  /**
   * Maximum disk space for uploaded files, in bytes: all files of `multipart()` that are arriving or belong to a call
   * that is not answered yet. Further uploads are rejected with the overload status. Default 1 GiB; raised if an
   * endpoint allows a larger body.
   */
  maxUploadBytes?: number;
  /** The folder for the temporary files of uploads. Default: the system's, which `TMPDIR` sets. */
  uploadFolder?: string;
  /** The logger. Default: pino, which writes to standard output. */
  logger?: Logger;
  /** The source of time. Default: the system clock. */
  clock?: Clock;
}

/** Options with their defaults filled in. */
export interface ResolvedServerOptions {
  readonly bodyLimitBytes: number;
  readonly values: ValueLimits;
  readonly maxBytesInFlight: number;
  /** Whether `maxBytesInFlight` was set explicitly, so that the limits of routes do not raise it. */
  readonly isBudgetGiven: boolean;
  readonly corsOrigins: "*" | ReadonlySet<string> | undefined;
  /** In lower case. */
  readonly allowedHosts: readonly string[];
  /** "" or "/user/app": without a slash at the end. */
  readonly rootPath: string;
  readonly heartbeatMs: number;
  readonly maxFrameBytes: number;
  readonly maxConcurrency: number | undefined;
  readonly maxSessions: number;
  readonly websocketPingMs: number;
  readonly stuckGraceMs: number;
  readonly sendTimeoutMs: number;
  readonly maxUploadBytes: number;
  /** Whether `maxUploadBytes` was set explicitly, so that the limits of routes do not raise it. */
  readonly isUploadBudgetGiven: boolean;
  readonly uploadFolder: string | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A {@link ServerDefinition} with the settings of the process: exit handler, metrics port and time limits. */
export interface ServeDefinition extends ServerDefinition {
  handleExit(): unknown;
  readonly metricsPort: number | undefined;
  readonly startupTimeoutMs: number;
  readonly terminationGraceMs: number;
}

/** Default of {@link ServerOptions.bodyLimitBytes}. */
const DEFAULT_BODY_LIMIT_BYTES = 50 * 1024 * 1024;
/** Default of {@link ServerOptions.maxUploadBytes}. */
const DEFAULT_UPLOAD_BYTES = 1024 ** 3;

/**
 * Checks a server's options and fills in defaults.
 * @param stuckGraceMs the class's own value
 */
export function resolveServerOptions(
  options: ServerOptions = {},
  stuckGraceMs: number = SETTINGS.stuckGracePeriodSeconds.default * 1000,
): ResolvedServerOptions {
  const numbers = {
    bodyLimitBytes: options.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    maxFrameBytes: options.maxFrameBytes ?? 16 * 1024 * 1024,
    maxSessions: options.maxSessions ?? 10_000,
    websocketPingMs: options.websocketPingMs ?? 30_000,
    stuckGraceMs: options.stuckGraceMs ?? stuckGraceMs,
    sendTimeoutMs: options.sendTimeoutMs ?? 30_000,
    maxUploadBytes: options.maxUploadBytes ?? DEFAULT_UPLOAD_BYTES,
  };
  for (const [name, value] of Object.entries(numbers)) assertFits(name, value, positive, refuse);
  const { maxConcurrency, maxBytesInFlight, maxDepth = 256, maxValues = 1_000_000 } = options;
  if (maxConcurrency !== undefined) assertWhole("maxConcurrency", maxConcurrency);
  if (maxBytesInFlight !== undefined) assertWhole("maxBytesInFlight", maxBytesInFlight);
  assertWhole("maxDepth", maxDepth, DEEPEST);
  assertWhole("maxValues", maxValues);
  return {
    ...numbers,
    maxConcurrency,
    values: { maxDepth, maxValues },
    isUploadBudgetGiven: options.maxUploadBytes !== undefined,
    uploadFolder: options.uploadFolder,
    isBudgetGiven: maxBytesInFlight !== undefined,
    maxBytesInFlight:
      maxBytesInFlight ??
      Math.max(
        defaultMaxBytesInFlight(),
        options.maxFrameBytes ?? 0,
        (options.bodyLimitBytes ?? 0) + (options.maxValues ?? 0) * BYTES_PER_VALUE,
      ),
    corsOrigins: resolveOrigins(options.corsOrigins),
    allowedHosts: resolveHosts(options.allowedHosts ?? hostsFromEnvironment()),
    rootPath: normaliseRootPath(options.rootPath ?? process.env["FAL_APP_ROOT_PATH"] ?? ""),
    logger: options.logger ?? jsonLogger(),
    clock: options.clock ?? systemClock,
  };
}

function assertWhole(name: string, value: number, maximum = Infinity): void {
  assertFits(name, value, wholeNumber(1, maximum), refuse);
}

const refuse: Refuse = (message) => {
  throw new DefinitionError("SETTING_INVALID", message);
};

function normaliseRootPath(path: string): string {
  const trimmed = path.replaceAll(/^\/+|\/+$/g, "");
  return trimmed === "" ? "" : `/${trimmed}`;
}

/**
 * How a server identifies callers: as the class does, otherwise as the options say.
 * @throws DefinitionError if both say it, or the option is invalid
 */
export function resolveAuthentication(
  { authentication: own, name }: ServerDefinition,
  { auth }: ServerOptions,
): Authentication | undefined {
  if (auth === undefined) return own;
  assertFits("auth", auth, authentication, refuse);
  if (own === undefined) return auth;
  return refuse(
    `${name} identifies its callers itself; drop the option auth (--api-key-file on the command line).`,
  );
}
