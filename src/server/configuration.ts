import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";
import { asError } from "../answers.ts";
import { FalServerlessError } from "../errors.ts";
import type { AppLog } from "./app-log.ts";
import type { AnswerWithoutRoute } from "./http/not-found.ts";
import type { ServerState } from "./lifecycle/server-state.ts";

type HandleError = Parameters<FastifyInstance["setErrorHandler"]>[0];
type HandleNotFound = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** The framework's parts that surround what the app configures. */
interface ConfigurationParts {
  /** Called with the root instance. */
  readonly configure: (server: FastifyInstance) => void | Promise<void>;
  /** Answers refused requests, before any hook of the app. */
  readonly guard: onRequestHookHandler;
  /** Identifies the callers of requests without a route; undefined: everyone may call. */
  readonly authenticate: onRequestHookHandler | undefined;
  readonly answerWithoutRoute: AnswerWithoutRoute;
  readonly handleNotFound: HandleNotFound;
  readonly handleError: (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;
  readonly log: AppLog;
  readonly state: ServerState;
  /** Adds the framework's routes to the scope. */
  readonly mount: (scope: FastifyInstance) => void;
}

/**
 * Lets the app configure the root instance, and mounts the framework's routes in a scope of their own once the app's
 * plugins have loaded. So the app's hooks apply to the framework's routes, while its own routes keep Fastify's parsers.
 */
export function configureAndMount(server: FastifyInstance, parts: ConfigurationParts): void {
  const { configure, guard, handleError, log, mount, state } = parts;
  server.addHook("onRequest", guard);
  server.setChildLoggerFactory(log.forRequest);
  state.hasSendHooks = true; // plugins may add hooks to each route
  const own = interceptHandlers(server, parts);
  server.register(
    inSameScope(async () => {
      state.startupStep = "configure()";
      try {
        await configure(server);
      } catch (error) {
        throw asError(error, "configure"); // Fastify treats a falsy error as success
      }
    }),
  );
  server.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => {
      // Errors of hooks and plugins are answered by the app's own error handler, if it has one.
      if (error instanceof FalServerlessError || !(error instanceof Error))
        return handleError(error, request, reply);
      throw error;
    });
    // Set in this scope, whose parser discards the bodies of requests without a route.
    if (!own.handlesNotFound) setNotFoundHandler(scope, parts.handleNotFound, parts.authenticate);
    mount(scope);
  });
}

/**
 * Combines error and not-found handlers that the app sets on the root instance with the framework's. Fastify allows one
 * of each.
 */
function interceptHandlers(
  server: FastifyInstance,
  { answerWithoutRoute, handleError, authenticate }: ConfigurationParts,
): { handlesNotFound: boolean } {
  const own: { handlesNotFound: boolean; handleError: HandleError | undefined } = {
    handlesNotFound: false,
    handleError: undefined,
  };
  server.setErrorHandler((error, request, reply) => {
    const fail = (thrown: unknown): FastifyReply => handleError(thrown, request, reply);
    if (own.handleError === undefined) return fail(error);
    try {
      const result: unknown = own.handleError.call(server, error, request, reply);
      return result instanceof Promise ? result.catch(fail) : result;
    } catch (thrown) {
      return fail(thrown);
    }
  });
  const { setErrorHandler } = server;
  const original = server.setNotFoundHandler as SetNotFoundHandler;
  replace(server, "setErrorHandler", function (this: FastifyInstance, handler: HandleError) {
    if (this !== server || typeof handler !== "function") return setErrorHandler.call(this, handler);
    own.handleError = handler;
    return this;
  });
  replace(server, "setNotFoundHandler", function (this: FastifyInstance, ...args: unknown[]) {
    const handler = args.at(-1);
    if (typeof handler !== "function") return this; // the default, which the framework provides
    if (this.prefix === "") own.handlesNotFound = true;
    const handle = (request: FastifyRequest, reply: FastifyReply): unknown =>
      answerWithoutRoute(request, reply) ?? (handler as HandleNotFound).call(this, request, reply);
    const given = (args.length > 1 ? args[0] : {}) as NotFoundOptions;
    return original.call(this, withHook(given, authenticate), handle);
  });
  return own;
}

/** Sets a handler for requests without a route, whose callers must be identified first. */
export function setNotFoundHandler(
  server: FastifyInstance,
  handler: HandleNotFound,
  authenticate: onRequestHookHandler | undefined,
): void {
  (server.setNotFoundHandler as SetNotFoundHandler)(withHook({}, authenticate), handler);
}

/** The handler's options have the same hooks as routes, although Fastify's types list only the later ones. */
type NotFoundOptions = Readonly<{ onRequest?: onRequestHookHandler | onRequestHookHandler[] }>;
type SetNotFoundHandler = (
  this: FastifyInstance,
  options: NotFoundOptions,
  handler: HandleNotFound,
) => FastifyInstance;

function withHook(options: NotFoundOptions, hook: onRequestHookHandler | undefined): NotFoundOptions {
  return hook === undefined
    ? options
    : { ...options, onRequest: [hook, ...[options.onRequest ?? []].flat()] };
}

/** Replaces a method of the root instance, from which all scopes inherit it. */
function replace(server: FastifyInstance, name: keyof FastifyInstance, value: Function): void {
  Object.defineProperty(server, name, { value, configurable: true, writable: true });
}

/** Marks a plugin so that Fastify runs it in the scope that registers it. */
export function inSameScope<Plugin extends Function>(plugin: Plugin): Plugin {
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
}
