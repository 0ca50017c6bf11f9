import type { FastifyInstance, FastifyRequest } from "fastify";
import { DefinitionError, ERRORS, FalServerlessError } from "../errors.ts";
import type { OpenApiDocument } from "../openapi/annotate.ts";
import { collectRoutes, definingModule, recordedRoutes } from "../routes/registry.ts";
import { DESCRIBE, extendsServable, SERVABLE } from "../routes/servable.ts";
import type { RouteHandler, RouteSignature } from "../routes/signature.ts";
import { buildServer } from "../server/build.ts";
import {
  assertKnownOptions,
  BUILD_OPTIONS,
  type ServerOptions,
  type ServeDefinition,
} from "../server/definition.ts";
import { createDocument } from "../server/docs/document.ts";
import { assertSettings, SERVER_SETTINGS, serverSettings } from "./settings.ts";
import { authenticationOf, staticAuth } from "./authentication.ts";
import { createLogger } from "../server/logger.ts";
import type { ServeOutcome } from "../server/lifecycle/drain.ts";
import { serve, type ServeOptions } from "../server/lifecycle/serve.ts";
import { SETTINGS } from "../settings/settings.ts";
import { isWorkerProcess } from "../processes/worker-marker.ts";

/** A servable class. Its constructor takes no arguments. */
export interface ServableClass<S extends BaseServable = BaseServable> {
  new (): S;
  readonly version: string;
}

/**
 * A class whose decorated methods are served over HTTP.
 *
 * Load resources in `setup()`, which runs before the port opens, and free them in `teardown()`. The constructor must
 * not take arguments, because the framework calls it.
 */
export abstract class BaseServable {
  /** Shown in the docs, at `/health` and in metrics. */
  static version: string = SETTINGS.version.default;
  static readonly [SERVABLE] = true;

  constructor() {
    if (new.target.length > 0) {
      throw new DefinitionError(
        "CONSTRUCTOR_ARGUMENTS",
        `The constructor of ${new.target.name} takes arguments, but the framework has none to give; ` +
          "load what you need in setup().",
      );
    }
    const framework = frameworkClass(new.target);
    if (framework === BaseServable) assertSettings(new.target, framework, SERVER_SETTINGS);
    const reserved = framework.prototype as object;
    for (const { methodName, path } of recordedRoutes(new.target).values()) {
      if (!(methodName in reserved) || methodName === "health") continue;
      throw new DefinitionError(
        "ROUTE_METHOD_REFUSED",
        `${new.target.name}.${methodName}() serves ${path}, but ${methodName}() is the framework's own; rename it.`,
      );
    }
  }

  /** Loads what the handlers need: models, connections. Runs once, before the port opens. */
  setup(): void | Promise<void> {}

  /**
   * Adds plugins, hooks, decorators and routes to the Fastify instance that serves this class. They apply to all of its
   * routes: endpoints, upgrades of websockets, docs and the OpenAPI document. Runs once in the server's process, before
   * `setup()`; never in workers. Plugins may be registered without awaiting them.
   */
  configure(_server: FastifyInstance): void | Promise<void> {}

  /** Frees what `setup()` loaded. Runs once, after the last request was answered. */
  teardown(): void | Promise<void> {}

  /** Runs once when a stop signal arrives, while requests are still running. */
  handleExit(): void | Promise<void> {}

  /** Returns the answer of `GET /health`. If it throws, the app counts as unhealthy. */
  health(): unknown {
    return { version: (this.constructor as typeof BaseServable).version };
  }

  /**
   * Identifies the caller of a request, before anything of it is read. Override it, or set the static `auth`, to refuse
   * all others: every route except probes, health checks and public endpoints then needs a caller. The result is
   * `ctx.caller`; undefined, null or false refuses the request with 401, and so does an `UnauthorizedException`. Default:
   * the caller that the static `auth` identifies.
   */
  authenticate(request: FastifyRequest): unknown {
    return staticAuth(this)?.authenticate(request);
  }

  /**
   * Names of the resources that this runner has loaded, such as model weights. They are sent with every answer, so that
   * a router can prefer this runner for requests that need them.
   */
  provideHints(): readonly string[] {
    return [];
  }

  /**
   * Runs setup, yields once while the server runs, then runs teardown. Override it to add code around both. Register
   * plugins in {@link configure} instead.
   */
  async *lifespan(_server: FastifyInstance): AsyncGenerator<void, void, void> {
    await this.setup();
    try {
      yield;
    } finally {
      await this.teardown();
    }
  }

  /** The routes of this class, each with its method bound to this instance, in document order. */
  collectRoutes(): Map<RouteSignature, RouteHandler> {
    return collectRoutes(this);
  }

  /** Creates the OpenAPI 3.1 document, without starting a server or running `setup()`. */
  async openapi(): Promise<OpenApiDocument> {
    return createDocument(this[DESCRIBE](), process.env["FAL_APP_ROOT_PATH"] ?? "");
  }

  /**
   * Creates the Fastify instance that serves this class, for tests (`inject`) and for embedding. It does not listen
   * yet. Its `ready()` runs `setup()`, its `close()` runs `teardown()`.
   */
  buildServer(options: ServerOptions = {}): FastifyInstance {
    assertKnownOptions(options, "buildServer()", BUILD_OPTIONS);
    return buildServer(this[DESCRIBE](), options).server;
  }

  /**
   * Serves this class until a stop signal, then lets running requests finish. Then it ends the process, unless
   * `handleSignals` is false. Exit code 0: all requests were answered. 1: requests were aborted. 3: the server could
   * not start.
   */
  async serve(options: ServeOptions = {}): Promise<void> {
    if (isWorkerProcess()) return; // workers import this module too, and must not serve the class again
    await endAfter(() => runServable(this, options), options);
  }

  /** Describes this instance to the server. {@link App} overrides this to add the settings that only it has. */
  [DESCRIBE](): ServeDefinition {
    const overridesHints = this.provideHints !== BaseServable.prototype.provideHints;
    return {
      app: this,
      name: this.constructor.name || "app",
      version: (this.constructor as typeof BaseServable).version,
      routes: this.collectRoutes(),
      health: () => this.health(),
      authentication: authenticationOf(this, BaseServable.prototype),
      provideHints: overridesHints ? () => this.provideHints() : undefined,
      configure: overridesOf(this, "configure") ? (server) => this.configure(server) : undefined,
      lifespan: (server) => this.lifespan(server),
      handleExit: () => this.handleExit(),
      defaultTimeoutMs: undefined,
      overloadStatus: undefined,
      className: this.constructor.name,
      moduleUrl: definingModule(this.constructor),
      workers: undefined,
      needsSetUp: overridesHints || overridesOf(this, "authenticate", "lifespan", "health", "handleExit"),
      settings: serverSettings(this.constructor),
      startupTimeoutMs: SETTINGS.startupTimeout.default * 1000,
      terminationGraceMs: SETTINGS.terminationGracePeriodSeconds.default * 1000,
    };
  }
}

function overridesOf(
  app: BaseServable,
  ...names: ("authenticate" | "configure" | "lifespan" | "health" | "handleExit")[]
): boolean {
  return names.some((name) => app[name] !== BaseServable.prototype[name]);
}

/** Serves like {@link BaseServable.serve}, but does not end the process. @throws StartupError */
export async function runServable(app: BaseServable, options: ServeOptions = {}): Promise<ServeOutcome> {
  return serve(app[DESCRIBE](), options);
}

/** Ends the process once serving has ended, with its exit code; unless `handleSignals` is false. */
export async function endAfter(serving: () => Promise<ServeOutcome>, options: ServeOptions): Promise<void> {
  if (options.handleSignals === false) {
    await serving();
    return;
  }
  try {
    endProcess((await serving()).exitCode);
  } catch (error) {
    const exitCode = exitCodeOf(error);
    (options.logger ?? (await createLogger())).fatal({ err: error }, "could not serve");
    process.exit(exitCode);
  }
}

/** The framework's class that a user's class extends. */
function frameworkClass(constructor: Function): Function {
  let owner = constructor;
  while (!Object.hasOwn(owner, SERVABLE)) owner = Object.getPrototypeOf(owner) as Function;
  return owner;
}

/** Whether a value is a servable class, even one that extends another installed copy of this package. */
export function isServableClass(value: unknown): value is ServableClass {
  return extendsServable(value);
}

/** The exit code for a process that ends because of an error. */
export function exitCodeOf(error: unknown): number {
  const kind = error instanceof FalServerlessError ? ERRORS[error.code] : undefined;
  return kind !== undefined && "exitCode" in kind ? kind.exitCode : 1;
}

/**
 * Time that the process has to end by itself, in milliseconds. After it, the process is ended, because connections or
 * timers that the app left open would keep it alive forever.
 */
const LINGER_MS = 500;

function endProcess(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
}
