import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { type Clock, systemClock } from "../dispatch/clock.ts";
import { type ValueLimits, BYTES_PER_VALUE } from "../json/scan.ts";
import { SETTINGS } from "../settings/settings.ts";
import type { ResolvedWorkerOptions } from "../settings/worker-options.ts";
import type { RouteHandler, RouteSignature } from "../routes/signature.ts";
import { hostsFromEnvironment, resolveHosts, resolveOrigins } from "./access/access-options.ts";
import { DefinitionError } from "../errors.ts";
import { DEEPEST } from "../routes/input-limits.ts";
import { jsonLogger } from "./logger.ts";
import { defaultMaxBytesInFlight } from "./bodies/memory-budget.ts";

/** What the server needs to know of the class it serves. */
export interface ServerDefinition {
  /** The instance that handlers belong to. */
  readonly app: object;
  /** The title of the docs, and the name in logs. */
  readonly name: string;
  readonly version: string;
  /** In document order. */
  readonly routes: ReadonlyMap<RouteSignature, RouteHandler>;
  /** The answer of `GET /health`. */
  health(): unknown;
  /** Names of what this runner holds warm, sent on every answer; absent when the class has none. */
  readonly provideHints: (() => readonly string[]) | undefined;
  /** Yields once between start and end of the server. */
  lifespan(server: FastifyInstance): AsyncGenerator<void, void, void>;
  /** The limit of every endpoint that sets none of its own, in milliseconds. */
  readonly defaultTimeoutMs: number | undefined;
  /** The status of refusals for want of room, of endpoints that set none of their own; undefined: 429. */
  readonly overloadStatus: 429 | 503 | undefined;
  /** The name of the app's class. */
  readonly className: string;
  /** `file:` URL of the module that exports it, if it can be told. */
  readonly moduleUrl: string | undefined;
  /** Workers that run whatever can run in them; undefined: only what asks for them. */
  readonly workers: ResolvedWorkerOptions | undefined;
  /** The app itself has to be set up, even if all of its routes run in workers: its health or hints may need it. */
  readonly needsSetUp: boolean;
  /** So many calls run at a time, of all endpoints together; undefined: no limit. */
  readonly maxConcurrency: number | undefined;
  /** A call may be past its deadline for so long before it counts as stuck, in milliseconds; undefined: the default. */
  readonly stuckGraceMs: number | undefined;
}

/** What a server may be told beside what it serves. */
export interface ServerOptions {
  /** Larger bodies are refused with 413, of endpoints that set no limit of their own. In bytes. Default 50 MiB. */
  bodyLimitBytes?: number;
  /** Bodies and messages that are nested more deeply are refused unread, likewise. Default 256. */
  maxDepth?: number;
  /** Those with more lists, objects, keys and single values together, too. Default 1,000,000. */
  maxValues?: number;
  /**
   * So much of what callers sent may be in memory at a time: what is arriving, waiting or being handled; what would be
   * more is refused with the status of an overload. In bytes. Default: an eighth of the heap's limit, up to 256 MiB, but
   * no less than the largest body that is allowed by an option.
   */
  maxBytesInFlight?: number;
  /**
   * Origins that browsers may call from, websockets included: a list (with credentials), or "*" for any (without).
   * Default: those on loopback hosts while the server is bound to a loopback address, else any.
   */
  corsOrigins?: "*" | readonly string[];
  /**
   * Hosts that requests may name beside `localhost`, names below it and loopback addresses: for a proxy or tunnel on
   * this machine. ".example.com" stands for all names below it, "*" for any host. Checked while the server is bound to
   * a loopback address, and wherever the list is set. Default: `SERVABLE_ALLOWED_HOSTS`, separated by commas, else none.
   */
  allowedHosts?: readonly string[];
  /** A prefix taken off request paths where present, such as `/user/app`. Default: `FAL_APP_ROOT_PATH`. */
  rootPath?: string;
  /** An idle event stream gets a comment this often, in milliseconds. Default 15,000. */
  heartbeatMs?: number;
  /** Larger websocket messages end their connection with 1009, likewise. In bytes. Default 16 MiB. */
  maxFrameBytes?: number;
  /** So many calls run at a time, of all endpoints together; others wait. Default: the class's `maxMultiplexing`. */
  maxConcurrency?: number;
  /** So many websockets may be open at a time; further ones are refused with the status of an overload. Default 10,000. */
  maxSessions?: number;
  /** A websocket is pinged this often, and given up after two pings without an answer, in milliseconds. Default 30,000. */
  websocketPingMs?: number;
  /**
   * A call may be past its deadline for so long before it counts as stuck: its worker is replaced, or the probes turn
   * red. In milliseconds. Default: the class's `stuckGracePeriodSeconds`, else 10,000.
   */
  stuckGraceMs?: number;
  /** A client that takes nothing of its answer, or a websocket's of what it is sent, for so long is cut. In milliseconds. Default 30,000. */
  sendTimeoutMs?: number;
  /** Where log lines go. Default: pino, to standard output. */
  logger?: Logger;
  /** Default: the machine's. */
  clock?: Clock;
}

/** Options with their defaults filled in. */
export interface ResolvedServerOptions {
  readonly bodyLimitBytes: number;
  readonly values: ValueLimits;
  readonly maxBytesInFlight: number;
  /** It was given, so that what routes allow does not raise it. */
  readonly isBudgetGiven: boolean;
  readonly corsOrigins: "*" | ReadonlySet<string> | undefined;
  /** In lower case. */
  readonly allowedHosts: readonly string[];
  /** "" or "/user/app": no slash at the end. */
  readonly rootPath: string;
  readonly heartbeatMs: number;
  readonly maxFrameBytes: number;
  readonly maxConcurrency: number | undefined;
  readonly maxSessions: number;
  readonly websocketPingMs: number;
  readonly stuckGraceMs: number;
  readonly sendTimeoutMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What serving needs to know beside how to answer requests. */
export interface ServeDefinition extends ServerDefinition {
  handleExit(): unknown;
  readonly metricsPort: number | undefined;
  readonly startupTimeoutMs: number;
  readonly terminationGraceMs: number;
}

/** Of what callers send, unless a server or an endpoint says otherwise. */
const DEFAULT_BODY_LIMIT_BYTES = 50 * 1024 * 1024;

/** Checks a server's options and fills in their defaults; `stuckGraceMs` is the class's own. */
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
  };
  for (const [name, value] of Object.entries(numbers)) assertPositive(name, value);
  const { maxConcurrency, maxBytesInFlight, maxDepth = 256, maxValues = 1_000_000 } = options;
  if (maxConcurrency !== undefined) assertWhole("maxConcurrency", maxConcurrency);
  if (maxBytesInFlight !== undefined) assertWhole("maxBytesInFlight", maxBytesInFlight);
  assertWhole("maxDepth", maxDepth, DEEPEST);
  assertWhole("maxValues", maxValues);
  return {
    ...numbers,
    maxConcurrency,
    values: { maxDepth, maxValues },
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
  if (Number.isInteger(value) && value > 0 && value <= maximum) return;
  const range = maximum === Infinity ? "of at least 1" : `from 1 to ${maximum}`;
  const message = `${name} must be a whole number ${range}, got ${String(value)}.`;
  throw new DefinitionError("SETTING_INVALID", message);
}

function assertPositive(name: string, value: number): void {
  if (value > 0 && Number.isFinite(value)) return;
  throw new DefinitionError("SETTING_INVALID", `${name} must be a positive number, got ${String(value)}.`);
}

function normaliseRootPath(path: string): string {
  const trimmed = path.replaceAll(/^\/+|\/+$/g, "");
  return trimmed === "" ? "" : `/${trimmed}`;
}
