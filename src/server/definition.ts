import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { didYouMean } from "../did-you-mean.ts";
import { type Clock, systemClock } from "../dispatch/clock.ts";
import { type ValueLimits, BYTES_PER_VALUE } from "../json/scan.ts";
import { assertFits, type Checked, type Refuse } from "../settings/check.ts";
import { omitUndefined } from "../settings/defined-fields.ts";
import type { HttpsOptions, TrustedProxies } from "../settings/server-options.ts";
import type { Source } from "../settings/setting.ts";
import {
  settingOf,
  SETTINGS,
  settingsOf,
  type SettingsOf,
  type SettingValues,
} from "../settings/settings.ts";
import { authentication, type Authentication } from "../settings/authentication.ts";
import type { StorageSetting } from "../settings/storage.ts";
import type { ResolvedWorkerOptions } from "../settings/worker-options.ts";
import type { RouteHandler, RouteSignature } from "../routes/signature.ts";
import { CorsRules } from "./access/cors-rules.ts";
import { hostsFromEnvironment, resolveHosts } from "./access/access-options.ts";
import { DefinitionError } from "../errors.ts";
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
  /** The statics of the class that are options of its server. */
  readonly settings: ServerSettings;
}

/** The options of a server that are statics of its class, or set by {@link ServeOptions}. */
export type ServerSettings = SettingValues<SettingsOf<"server" | "serve">>;

/** Options of a server that does not listen. They take precedence over the statics of the class. */
export interface ServerOptions extends SettingValues<SettingsOf<"server">> {
  /** The logger. Default: pino, which writes to standard output. */
  readonly logger?: Logger | undefined;
  /** The source of time. Default: the system clock. */
  readonly clock?: Clock | undefined;
}

/** Options with their defaults filled in. */
export interface ResolvedServerOptions {
  readonly bodyLimitBytes: number;
  readonly headerLimitBytes: number;
  readonly values: ValueLimits;
  readonly maxBytesInFlight: number;
  /** Whether `maxBytesInFlight` was set explicitly, so that the limits of routes do not raise it. */
  readonly isBudgetGiven: boolean;
  readonly cors: CorsRules | undefined;
  /** In lower case. */
  readonly allowedHosts: readonly string[];
  readonly trustProxy: TrustedProxies | undefined;
  readonly https: HttpsOptions | undefined;
  /** "" or "/user/app": without a slash at the end. */
  readonly rootPath: string;
  readonly docs: boolean | "document";
  readonly accessLog: boolean;
  readonly heartbeatMs: number;
  readonly maxFrameBytes: number;
  readonly maxConnections: number | undefined;
  readonly maxMultiplexing: number | undefined;
  readonly maxSessions: number;
  readonly headersTimeoutMs: number;
  readonly arrivalTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly websocketPingMs: number;
  readonly stuckGraceMs: number;
  readonly sendTimeoutMs: number;
  readonly maxUploadBytes: number;
  /** Whether `maxUploadBytes` was set explicitly, so that the limits of routes do not raise it. */
  readonly isUploadBudgetGiven: boolean;
  readonly uploadFolder: string | undefined;
  /** Undefined: as the environment says. */
  readonly storage: StorageSetting | undefined;
  readonly fileHosts: readonly string[];
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A {@link ServerDefinition} with the settings of the process: exit handler and time limits. */
export interface ServeDefinition extends ServerDefinition {
  handleExit(): unknown;
  readonly startupTimeoutMs: number;
  readonly terminationGraceMs: number;
}

/**
 * Checks a server's options and fills in what they omit: variables, then the statics of the class, then defaults.
 * @param settings the statics
 * @throws DefinitionError
 */
export function resolveServerOptions(
  options: ServerOptions = {},
  settings: ServerSettings = {},
): ResolvedServerOptions {
  for (const name of settingsOf("server")) {
    if (options[name] !== undefined) assertFits(name, options[name], SETTINGS[name].check, refuse);
  }
  const given = { ...settings, ...fromEnvironment(), ...omitUndefined(options) };
  const of = <Name extends keyof Defaults & keyof ServerSettings>(name: Name): Defaults[Name] =>
    (given[name] ?? SETTINGS[name].default) as Defaults[Name];
  return {
    bodyLimitBytes: of("bodyLimitBytes"),
    headerLimitBytes: of("headerLimitBytes"),
    values: { maxDepth: of("maxDepth"), maxValues: of("maxValues") },
    isBudgetGiven: given.maxBytesInFlight !== undefined,
    maxBytesInFlight:
      given.maxBytesInFlight ??
      Math.max(
        defaultMaxBytesInFlight(),
        given.maxFrameBytes ?? 0,
        (given.bodyLimitBytes ?? 0) + (given.maxValues ?? 0) * BYTES_PER_VALUE,
      ),
    cors: given.cors && new CorsRules(given.cors),
    allowedHosts: resolveHosts(given.allowedHosts),
    trustProxy: given.trustProxy,
    https: given.https,
    rootPath: normaliseRootPath(given.rootPath ?? ""),
    docs: of("docs"),
    accessLog: of("accessLog"),
    heartbeatMs: of("heartbeatMs"),
    maxFrameBytes: of("maxFrameBytes"),
    maxConnections: given.maxConnections,
    maxMultiplexing: given.maxMultiplexing,
    maxSessions: of("maxSessions"),
    headersTimeoutMs: of("headersTimeoutMs"),
    arrivalTimeoutMs: of("arrivalTimeoutMs"),
    keepAliveTimeoutMs: of("keepAliveTimeoutMs"),
    websocketPingMs: of("websocketPingMs"),
    stuckGraceMs: of("stuckGracePeriodSeconds") * 1000,
    sendTimeoutMs: of("sendTimeoutMs"),
    maxUploadBytes: of("maxUploadBytes"),
    isUploadBudgetGiven: given.maxUploadBytes !== undefined,
    uploadFolder: given.uploadFolder,
    storage: given.storage,
    fileHosts: given.fileHosts ?? [],
    logger: options.logger ?? jsonLogger(),
    clock: options.clock ?? systemClock,
  };
}

/** The settings with a default, and the type of their values. */
type Defaults = {
  [
    Name in keyof typeof SETTINGS as (typeof SETTINGS)[Name] extends { default: unknown } ? Name : never
  ]: Checked<(typeof SETTINGS)[Name]["check"]>;
};

/** The options that variables set. */
function fromEnvironment(): Pick<ServerOptions, "allowedHosts" | "rootPath"> {
  const allowedHosts = hostsFromEnvironment();
  const rootPath = process.env["FAL_APP_ROOT_PATH"];
  return {
    ...(allowedHosts.length === 0 ? {} : { allowedHosts }),
    ...(rootPath === undefined ? {} : { rootPath }),
  };
}

/** Names that options had before, or that other frameworks use, and what to write instead. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  corsOrigins: "write cors: { origins, credentials }",
  maxConcurrency: "write maxMultiplexing",
  stuckGraceMs: "write stuckGracePeriodSeconds",
  bodyLimit: "write bodyLimitBytes",
  requestTimeout: "write arrivalTimeoutMs, or the static requestTimeout of the class for the time of a call",
};

/**
 * Refuses unknown options: a misspelt one would have no effect, and a server that was meant to be closed would be open.
 * @param method "serve()" or "buildServer()"
 * @param known the options that are not in the table of settings
 * @throws DefinitionError
 */
export function assertKnownOptions(
  options: object,
  method: "serve()" | "buildServer()",
  known: readonly string[],
): void {
  const names: readonly string[] = [...settingsOf(method === "serve()" ? "serve" : "server"), ...known];
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || names.includes(name)) continue;
    const sources: readonly Source[] = settingOf(name)?.sources ?? [];
    let advice = didYouMean(name, names);
    if (Object.hasOwn(OTHER_NAMES, name)) advice = `; ${OTHER_NAMES[name]}`;
    else if (sources.includes("serve")) advice = "; it is one of serve()";
    else if (sources.includes("class")) advice = `; write it as a static of the class`;
    throw new DefinitionError(
      "SETTING_UNKNOWN",
      `${name} is not an option of ${method}${advice === "" ? ". See the table of server options in the guide on settings" : advice}.`,
    );
  }
}

/** The options of `buildServer()` that are not in the table of settings. */
export const BUILD_OPTIONS = ["logger", "clock"] as const satisfies readonly (keyof ServerOptions)[];

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
