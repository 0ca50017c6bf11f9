import cluster from "node:cluster";
import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import type { Logger } from "pino";
import { resolve } from "node:path";
import { DefinitionError, StartupError } from "../../errors.ts";
import { buildServer, type BuiltServer } from "../build.ts";
import {
  assertKnownOptions,
  BUILD_OPTIONS,
  type ServerOptions,
  type ServeDefinition,
  type ServerSettings,
} from "../definition.ts";
import { drain, type ServeOutcome } from "./drain.ts";
import { guardStandardStreams } from "../../output/serving-streams.ts";
import { assertFits, type Refuse } from "../../settings/check.ts";
import { pick } from "../../settings/defined-fields.ts";
import { SETTINGS, settingsOf, type SettingsOf, type SettingValues } from "../../settings/settings.ts";
import { listenOnBothLoopbacks } from "../connections/both-loopbacks.ts";
import { assertFree, listenError, type ListenAddress } from "../connections/listen.ts";
import { createLogger } from "../logger.ts";
import { startMetricsServer } from "../metrics/metrics-server.ts";
import { StopSignals } from "./stop-signals.ts";
import { UncaughtErrors } from "./uncaught-errors.ts";

/** Options of serving. They take precedence over environment variables, and these over the statics of the class. */
export interface ServeOptions extends ServerOptions, Omit<SettingValues<SettingsOf<"serve">>, "metricsPort"> {
  /**
   * Port of `GET /metrics`; 0 takes any free port, false serves no metrics. Default: the variable `METRICS_PORT`,
   * otherwise the class's setting, otherwise 9090.
   */
  readonly metricsPort?: number | false | undefined;
  /** Stops the server when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Aborts running requests when it aborts, like a second Ctrl-C. */
  readonly cutSignal?: AbortSignal | undefined;
  /** Whether SIGTERM, SIGINT and SIGHUP stop the server. The third signal ends the process. Default true. */
  readonly handleSignals?: boolean | undefined;
  /** Whether uncaught errors are logged and stop the server like a signal. Default: the value of `handleSignals`. */
  readonly handleErrors?: boolean | undefined;
  /** Called once the port is open. */
  readonly onListening?: ((addresses: ServeAddresses) => void) | undefined;
}

/** The options of `serve()` that are not in the table of settings. */
const OTHER_OPTIONS = [
  ...BUILD_OPTIONS,
  "signal",
  "cutSignal",
  "handleSignals",
  "handleErrors",
  "onListening",
] as const satisfies readonly (keyof ServeOptions)[];

/** The addresses of a served app. */
export interface ServeAddresses {
  /** For example `http://127.0.0.1:8080`, or `unix:/run/app.sock`. */
  readonly url: string;
  /** Whether clients speak TLS, on whichever of the two. */
  readonly scheme: "http" | "https";
  readonly metricsUrl: string | undefined;
  /** Undefined if the app listens on a unix socket. */
  readonly port: number | undefined;
  readonly metricsPort: number | undefined;
}

/** How a server is built and set up: one class, or several behind one port. */
export interface ServerKind {
  build(definition: ServeDefinition, options: ServerOptions): BuiltServer;
  setUp(built: BuiltServer, definition: ServeDefinition, logger: Logger): Promise<void>;
}

const ONE_CLASS: ServerKind = { build: buildServer, setUp };

/** The options that only {@link serve} uses, with their defaults. */
interface ResolvedServeOptions {
  readonly address: ListenAddress;
  readonly backlog: number;
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  readonly limitMaxRequests: number | undefined;
}

/**
 * Checks where to listen, and fills in what the options omit: variables, then the statics of the class, then defaults.
 * @throws DefinitionError
 */
export function resolveServeOptions(settings: ServerSettings, options: ServeOptions): ResolvedServeOptions {
  for (const name of settingsOf("serve")) {
    if (name === "metricsPort" && options.metricsPort === false) continue;
    if (options[name] !== undefined) assertFits(name, options[name], SETTINGS[name].check, refuse);
  }
  const { unixSocket, metricsPort = portFromEnvironment("METRICS_PORT") ?? settings.metricsPort } = options;
  if (unixSocket !== undefined && (options.host !== undefined || options.port !== undefined)) {
    const other = options.port === undefined ? "host" : "port";
    refuse(`unixSocket and ${other} can't both be set: a server listens in one place.`);
  }
  const metricsHost = options.metricsHost ?? (process.env["METRICS_HOST"] || settings.metricsHost);
  return {
    address:
      unixSocket === undefined
        ? {
            host: options.host ?? process.env["HOST"] ?? SETTINGS.host.default,
            port: options.port ?? portFromEnvironment("PORT") ?? SETTINGS.port.default,
          }
        : { path: resolve(unixSocket) },
    backlog: options.backlog ?? settings.backlog ?? SETTINGS.backlog.default,
    metrics:
      metricsPort === false
        ? undefined
        : {
            host: metricsHost ?? SETTINGS.metricsHost.default,
            port: metricsPort ?? SETTINGS.metricsPort.default,
          },
    limitMaxRequests: options.limitMaxRequests,
  };
}

const refuse: Refuse = (message) => {
  throw new DefinitionError("SETTING_INVALID", message);
};

/**
 * Serves a class, from setup to teardown. Resolves when the server has stopped.
 * @throws StartupError if a port can't be opened or setup fails
 */
export async function serve(
  definition: ServeDefinition,
  options: ServeOptions,
  kind: ServerKind = ONE_CLASS,
): Promise<ServeOutcome> {
  assertKnownOptions(options, "serve()", OTHER_OPTIONS);
  const logger = options.logger ?? (await createLogger());
  const { address, backlog, metrics, limitMaxRequests } = resolveServeOptions(definition.settings, options);
  const built = kind.build(definition, {
    ...pick(options, settingsOf("server")),
    clock: options.clock,
    logger,
  });
  const isLocalhost = "host" in address && address.host === "localhost";
  if (isLocalhost) listenOnBothLoopbacks(built.server, built.connections, built.ends);
  const { handleSignals = true, handleErrors = handleSignals } = options;
  const signals = new StopSignals(
    { handlesSignals: handleSignals, stop: options.signal, force: options.cutSignal },
    logger,
  );
  const uncaught = handleErrors ? new UncaughtErrors(logger) : undefined;
  // A program that embeds the server keeps its streams unchanged.
  if (handleSignals) guardStandardStreams();
  let metricsServer: Server | undefined;
  try {
    setRunnerState("SETUP");
    if (metrics !== undefined && "port" in address && metrics.port === address.port && metrics.port !== 0) {
      const message = `The app and its metrics can't share port ${metrics.port}; choose another with --metrics-port.`;
      throw new StartupError("PORT_UNAVAILABLE", message);
    }
    // The processes of a cluster share the address: a probe would take connections from serving processes.
    if (!cluster.isWorker) await assertFree(address);
    if (metrics !== undefined) {
      metricsServer = await startMetricsServer(built.metrics, {
        ...metrics,
        allowedHosts: built.allowedHosts,
      });
    }
    await Promise.race([kind.setUp(built, definition, logger), signals.forced.then(refuseToWait)]);
    if (!signals.stopping) {
      await open(built, isLocalhost ? { ...address, host: "127.0.0.1" } : address, backlog);
      setRunnerState("RUNNING");
      uncaught?.drain((why) => signals.stop(why));
      const addresses = addressesOf(built, address, metricsServer, metrics?.host);
      built.state.metricsUrl = addresses.metricsUrl;
      options.onListening?.(addresses);
      if (limitMaxRequests !== undefined) countDown(built, limitMaxRequests, signals);
      signals.watch();
      await signals.requested;
    }
    setRunnerState("TERMINATING");
    const outcome = await drain(built, definition, signals, logger);
    return uncaught?.any === true ? { exitCode: 1 } : outcome;
  } finally {
    signals.dispose();
    uncaught?.dispose();
    await closeMetrics(metricsServer);
  }
}

/** Makes the server of a class ready. @throws StartupError that names the class */
export async function setUp(built: BuiltServer, definition: ServeDefinition, logger: Logger): Promise<void> {
  const seconds = definition.startupTimeoutMs / 1000;
  const warning = setTimeout(
    () => logger.warn(`setup has taken ${seconds} s, the startup timeout; a platform would stop waiting now`),
    definition.startupTimeoutMs,
  );
  try {
    await built.server.ready();
  } catch (error) {
    if (error instanceof DefinitionError && ABOUT_CONFIGURE.has(error.code)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const message = `${built.state.startupStep} of ${definition.name} failed: ${why}`;
    throw new StartupError("SETUP_FAILED", message, { cause: error });
  } finally {
    clearTimeout(warning);
  }
}

/** Codes of invalid classes that are found out while the server starts. */
const ABOUT_CONFIGURE: ReadonlySet<string> = new Set([
  "PLUGIN_TOO_LATE",
  "PLUGIN_CONFLICT",
  "ROUTE_PATH_TAKEN",
]);

function refuseToWait(): never {
  throw new StartupError("SETUP_FAILED", "The stop was forced while setup was still running.");
}

async function open(built: BuiltServer, address: ListenAddress, backlog: number): Promise<void> {
  try {
    await built.server.listen({ ...address, backlog });
  } catch (error) {
    await built.server.close(); // setup has run, so teardown must run
    throw listenError(error as NodeJS.ErrnoException, address);
  }
}

/** Sets the variable from which the app reads the state of this process, in the platform's words. */
function setRunnerState(state: "SETUP" | "RUNNING" | "TERMINATING"): void {
  process.env["FAL_RUNNER_STATE"] = state;
}

function countDown(built: BuiltServer, limit: number, signals: StopSignals): void {
  let left = limit;
  built.server.server.on("request", (_request, response) => {
    response.once("close", () => {
      if (--left === 0) signals.stop(`${limit} requests were served`);
    });
  });
}

function addressesOf(
  built: BuiltServer,
  address: ListenAddress,
  metricsServer: Server | undefined,
  metricsHost = "",
): ServeAddresses {
  const metricsPort = (metricsServer?.address() as AddressInfo | undefined)?.port;
  const metrics = {
    metricsPort,
    metricsUrl:
      metricsPort === undefined ? undefined : `http://${shownHost(metricsHost)}:${metricsPort}/metrics`,
  };
  const scheme = built.isSecure ? "https" : "http";
  if ("path" in address) return { ...metrics, scheme, port: undefined, url: `unix:${address.path}` };
  const { port } = built.server.server.address() as AddressInfo;
  return { ...metrics, scheme, port, url: `${scheme}://${shownHost(address.host)}:${port}` };
}

function shownHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

async function closeMetrics(server: Server | undefined): Promise<void> {
  if (server === undefined) return;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

function portFromEnvironment(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw new StartupError(
    "PORT_UNAVAILABLE",
    `${name}="${text}" is not a valid port; set it to a number from 0 to 65535.`,
  );
}
