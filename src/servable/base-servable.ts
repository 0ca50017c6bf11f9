import type { FastifyInstance } from "fastify";
import { DefinitionError, ERRORS, FalServerlessError } from "../errors.ts";
import type { OpenApiDocument } from "../openapi/annotate.ts";
import { collectRoutes, definingModule, recordedRoutes } from "../routes/registry.ts";
import { DESCRIBE, extendsServable, SERVABLE } from "../routes/servable.ts";
import type { RouteHandler, RouteSignature } from "../routes/signature.ts";
import { buildServer } from "../server/build.ts";
import type { ServerOptions, ServeDefinition } from "../server/definition.ts";
import { createDocument } from "../server/docs/document.ts";
import { createLogger } from "../server/logger.ts";
import type { ServeOutcome } from "../server/lifecycle/drain.ts";
import { serve, type ServeOptions } from "../server/lifecycle/serve.ts";
import { SETTINGS } from "../settings/settings.ts";
import { isWorkerProcess } from "../processes/worker-marker.ts";

/** A class that can be made without arguments, as every servable must be. */
export interface ServableClass<S extends BaseServable = BaseServable> {
  new (): S;
  readonly version: string;
}

/**
 * A class whose decorated methods are served over HTTP.
 *
 * Resources are loaded in `setup()`, before the port opens, and freed in `teardown()`; the constructor takes no
 * arguments, since the framework calls it.
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
    const reserved = frameworkPrototype(new.target);
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

  /** Frees it again. Runs once, after the last request was answered. */
  teardown(): void | Promise<void> {}

  /** Runs once when a stop signal arrives, while requests are still running. */
  handleExit(): void | Promise<void> {}

  /** The answer of `GET /health`; throw to be unhealthy. */
  health(): unknown {
    return { version: (this.constructor as typeof BaseServable).version };
  }

  /** Names of what this runner holds warm (loaded weights, say), for a router to prefer it. Sent on every answer. */
  provideHints(): readonly string[] {
    return [];
  }

  /** Yields once, while the server runs. Override it to wrap the whole life, or to add to the Fastify instance. */
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

  /** The annotated OpenAPI 3.1 document. Starts nothing: neither a server nor `setup()`. */
  async openapi(): Promise<OpenApiDocument> {
    return createDocument(this[DESCRIBE](), process.env["FAL_APP_ROOT_PATH"] ?? "");
  }

  /**
   * The Fastify instance that serves this class, not listening yet: for tests (`inject`) and for embedding. Its
   * `ready()` runs `setup()`, its `close()` runs `teardown()`.
   */
  buildServer(options: ServerOptions = {}): FastifyInstance {
    return buildServer(this[DESCRIBE](), options).server;
  }

  /**
   * Serves this class until a stop signal, then lets running requests finish. Ends the process with 0, with 1 when
   * requests had to be aborted, with 3 when it could not start; unless `handleSignals` is false.
   */
  async serve(options: ServeOptions = {}): Promise<void> {
    if (isWorkerProcess()) return; // a module that serves its class is imported by its workers, too
    if (options.handleSignals === false) {
      await runServable(this, options);
      return;
    }
    try {
      endProcess((await runServable(this, options)).exitCode);
    } catch (error) {
      const exitCode = exitCodeOf(error);
      (options.logger ?? (await createLogger())).fatal({ err: error }, "could not serve");
      process.exit(exitCode);
    }
  }

  /** This instance as the server sees it. Settings that only an {@link App} has come from there. */
  [DESCRIBE](): ServeDefinition {
    const overridesHints = this.provideHints !== BaseServable.prototype.provideHints;
    return {
      app: this,
      name: this.constructor.name || "app",
      version: (this.constructor as typeof BaseServable).version,
      routes: this.collectRoutes(),
      health: () => this.health(),
      provideHints: overridesHints ? () => this.provideHints() : undefined,
      lifespan: (server) => this.lifespan(server),
      handleExit: () => this.handleExit(),
      defaultTimeoutMs: undefined,
      maxConcurrency: undefined,
      stuckGraceMs: undefined,
      overloadStatus: undefined,
      className: this.constructor.name,
      moduleUrl: definingModule(this.constructor),
      workers: undefined,
      needsSetUp: overridesHints || overridesOf(this, "lifespan", "health", "handleExit"),
      metricsPort: undefined,
      startupTimeoutMs: SETTINGS.startupTimeout.default * 1000,
      terminationGraceMs: SETTINGS.terminationGracePeriodSeconds.default * 1000,
    };
  }
}

function overridesOf(app: BaseServable, ...names: ("lifespan" | "health" | "handleExit")[]): boolean {
  return names.some((name) => app[name] !== BaseServable.prototype[name]);
}

/** What {@link BaseServable.serve} does, without ending the process. @throws StartupError */
export async function runServable(app: BaseServable, options: ServeOptions = {}): Promise<ServeOutcome> {
  return serve(app[DESCRIBE](), options);
}

/** The members of the framework's own class that a user's class extends. */
function frameworkPrototype(constructor: Function): object {
  let owner = constructor;
  while (!Object.hasOwn(owner, SERVABLE)) owner = Object.getPrototypeOf(owner) as Function;
  return owner.prototype as object;
}

/** Whether a value is a servable class, of this copy of the package or another. */
export function isServableClass(value: unknown): value is ServableClass {
  return extendsServable(value);
}

/** The code a process should end with after an error. */
export function exitCodeOf(error: unknown): number {
  const kind = error instanceof FalServerlessError ? ERRORS[error.code] : undefined;
  return kind !== undefined && "exitCode" in kind ? kind.exitCode : 1;
}

/** How long a process may take to end by itself, in milliseconds: what the app left open would hold it for ever. */
const LINGER_MS = 500;

function endProcess(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
}
