import cluster from "node:cluster";
import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import type { Logger } from "pino";
import { DefinitionError, StartupError } from "../../errors.ts";
import { buildServer, type BuiltServer } from "../build.ts";
import type { ServerOptions, ServeDefinition } from "../definition.ts";
import { drain, type ServeOutcome } from "./drain.ts";
import { guardStandardStreams } from "../../output/serving-streams.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { assertPortFree, portError } from "../connections/listen.ts";
import { createLogger } from "../logger.ts";
import { startMetricsServer } from "../metrics/metrics-server.ts";
import { StopSignals } from "./stop-signals.ts";
import { UncaughtErrors } from "./uncaught-errors.ts";

/** Options of serving: the addresses, and when to stop. */
export interface ServeOptions extends ServerOptions {
  /** The address to listen on. Default: the variable `HOST`, otherwise 127.0.0.1. */
  host?: string;
  /** The port to listen on; 0 takes any free port. Default: the variable `PORT`, otherwise 8080. */
  port?: number;
  /**
   * The port of `GET /metrics`; 0 takes any free port, false serves no metrics. Default: the variable `METRICS_PORT`,
   * otherwise the class's setting, otherwise 9090.
   */
  metricsPort?: number | false;
  /** The address of the metrics port. Default: the variable `METRICS_HOST`, otherwise 127.0.0.1. */
  metricsHost?: string;
  /** Stop after this number of requests. */
  limitMaxRequests?: number;
  /** Stops the server when it aborts. */
  signal?: AbortSignal;
  /** Aborts running requests when it aborts, like a second Ctrl-C. */
  cutSignal?: AbortSignal;
  /** Whether SIGTERM, SIGINT and SIGHUP stop the server. The third signal ends the process. Default true. */
  handleSignals?: boolean;
  /** Whether uncaught errors are logged and stop the server like a signal. Default: the value of `handleSignals`. */
  handleErrors?: boolean;
  /** Called once the port is open. */
  onListening?: (addresses: ServeAddresses) => void;
}

/** The addresses of a served app. */
export interface ServeAddresses {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly metricsUrl: string | undefined;
  readonly port: number;
  readonly metricsPort: number | undefined;
}

/** How a server is built and set up: one class, or several behind one port. */
export interface ServerKind {
  build(definition: ServeDefinition, options: ServerOptions): BuiltServer;
  setUp(built: BuiltServer, definition: ServeDefinition, logger: Logger): Promise<void>;
}

const ONE_CLASS: ServerKind = { build: buildServer, setUp };

/**
 * Serves a class, from setup to teardown. Resolves when the server has stopped.
 * @throws StartupError if a port can't be opened or setup fails
 */
export async function serve(
  definition: ServeDefinition,
  options: ServeOptions,
  kind: ServerKind = ONE_CLASS,
): Promise<ServeOutcome> {
  const logger = options.logger ?? (await createLogger());
  const host = options.host ?? process.env["HOST"] ?? "127.0.0.1";
  const port = options.port ?? portFromEnvironment("PORT") ?? SETTINGS.exposedPort.default;
  const metricsPort =
    options.metricsPort ??
    portFromEnvironment("METRICS_PORT") ??
    definition.metricsPort ??
    SETTINGS.metricsPort.default;
  const metricsHost = options.metricsHost ?? (process.env["METRICS_HOST"] || "127.0.0.1");
  const built = kind.build(definition, { ...options, logger });
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
    if (metricsPort === port && port !== 0) {
      const message = `The app and its metrics can't share port ${port}; choose another with --metrics-port.`;
      throw new StartupError("PORT_UNAVAILABLE", message);
    }
    // The processes of a cluster share the port: a probe would take connections from serving processes.
    if (!cluster.isWorker) await assertPortFree(host, port);
    if (metricsPort !== false) {
      const listenOptions = { host: metricsHost, port: metricsPort, allowedHosts: built.allowedHosts };
      metricsServer = await startMetricsServer(built.metrics, listenOptions);
    }
    await Promise.race([kind.setUp(built, definition, logger), signals.forced.then(refuseToWait)]);
    if (!signals.stopping) {
      await open(built, host, port);
      setRunnerState("RUNNING");
      uncaught?.drain((why) => signals.stop(why));
      const addresses = addressesOf(built, metricsServer, host, metricsHost);
      built.state.metricsUrl = addresses.metricsUrl;
      options.onListening?.(addresses);
      if (options.limitMaxRequests !== undefined) countDown(built, options.limitMaxRequests, signals);
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
const ABOUT_CONFIGURE: ReadonlySet<string> = new Set(["PLUGIN_TOO_LATE", "ROUTE_PATH_TAKEN"]);

function refuseToWait(): never {
  throw new StartupError("SETUP_FAILED", "The stop was forced while setup was still running.");
}

async function open(built: BuiltServer, host: string, port: number): Promise<void> {
  try {
    await built.server.listen({ host, port });
  } catch (error) {
    await built.server.close(); // setup has run, so teardown must run
    throw portError(error as NodeJS.ErrnoException, host, port);
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
  metricsServer: Server | undefined,
  host: string,
  metricsHost: string,
): ServeAddresses {
  const { port } = built.server.server.address() as AddressInfo;
  const metricsPort = (metricsServer?.address() as AddressInfo | undefined)?.port;
  return {
    port,
    metricsPort,
    url: `http://${shownHost(host)}:${port}`,
    metricsUrl:
      metricsPort === undefined ? undefined : `http://${shownHost(metricsHost)}:${metricsPort}/metrics`,
  };
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
