import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { asError } from "../../answers.ts";
import { DefinitionError } from "../../errors.ts";
import type { Connections } from "../connections/connections.ts";
import type { ServerDefinition } from "../definition.ts";
import type { RouteQueues } from "../dispatch/route-queues.ts";
import type { ServerState } from "./server-state.ts";
import { currentTracing } from "../../tracing/tracing.ts";

/** Ties the class's lifespan to the server's: setup before it is ready, teardown once requests are answered. */
export function attachLifespan(
  server: FastifyInstance,
  definition: ServerDefinition,
  parts: {
    state: ServerState;
    connections: Connections;
    queues: RouteQueues;
    ends: readonly Promise<unknown>[];
    log: Logger;
  },
): void {
  const { state, connections, queues, ends, log } = parts;
  const { workers } = queues;
  let lifespan: AsyncGenerator<void, void, void> | undefined;
  // A plugin instead of a hook: routes can be added only while plugins load.
  server.register(async () => {
    state.startupStep = "setup()";
    if (workers?.coversAllRoutes && !definition.needsSetUp) return; // setup runs in the workers
    const restore = refuseLatePlugins(server, definition.className);
    try {
      lifespan = definition.lifespan(server);
      await lifespan.next();
    } catch (error) {
      throw asError(error, "setup"); // Fastify treats a falsy error as success
    } finally {
      restore();
    }
  });
  if (workers !== undefined) {
    workers.attach(server, () => state.isForced);
    state.canWork = () => workers.pool.hopeful > 0;
  }
  state.stuck = () => queues.stuck;
  server.addHook("onReady", async () => {
    state.tracing = currentTracing(definition.moduleUrl);
    state.ready = true;
  });
  server.addHook("preClose", async () => {
    state.stop();
    state.sessions.stop();
    connections.stop();
  });
  server.addHook("onClose", async () => {
    await Promise.all(ends);
    try {
      await lifespan?.next();
    } catch (error) {
      log.error({ err: asError(error, "teardown") }, "teardown failed");
    }
  });
}

/** Methods of a Fastify instance without effect on routes that are mounted already, and what a call of them adds. */
const LATE_METHODS = {
  register: "a plugin",
  setErrorHandler: "an error handler",
  setNotFoundHandler: "a not-found handler",
} as const;
const LATE_HOOKS: ReadonlySet<string> = new Set(["onRoute", "onRegister"]);

/**
 * Makes calls of a server's methods fail that would silently have no effect on the mounted routes: a plugin that checks
 * keys would protect nothing.
 * @returns a function that restores the methods
 */
function refuseLatePlugins(server: FastifyInstance, className: string): () => void {
  const originals = { ...server };
  const refuse = (call: string, what: string): never => {
    throw new DefinitionError(
      "PLUGIN_TOO_LATE",
      `${className} calls server.${call} in lifespan() or setup(), after the routes were mounted, so they would not get ` +
        `${what}. Move the call to configure(server).`,
    );
  };
  for (const [method, what] of Object.entries(LATE_METHODS)) {
    Reflect.set(server, method, () => refuse(`${method}()`, what));
  }
  const { addHook } = originals as { addHook: (name: string, hook: unknown) => FastifyInstance };
  Reflect.set(server, "addHook", function (this: FastifyInstance, name: string, hook: unknown) {
    if (LATE_HOOKS.has(name)) refuse(`addHook("${name}")`, "the hook");
    return addHook.call(this, name, hook);
  });
  return () => {
    for (const method of [...Object.keys(LATE_METHODS), "addHook"]) {
      Reflect.set(server, method, Reflect.get(originals, method));
    }
  };
}
