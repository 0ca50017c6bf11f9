import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RouteOptions,
  onRequestHookHandler,
} from "fastify";
import type { IncomingMessage, Server } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { RouteSignature } from "../routes/signature.ts";
import { logAccess } from "./access-log.ts";
import { createAppLog, REQUEST_IDS } from "./app-log.ts";
import { Access, REFUSED_PATH } from "./access/access.ts";
import { Authenticator } from "./auth/authenticator.ts";
import { withoutQueryToken } from "./auth/credentials.ts";
import { AnswerHeaders } from "./http/answer-headers.ts";
import { Connections } from "./connections/connections.ts";
import {
  type ServerDefinition,
  type ServerOptions,
  resolveAuthentication,
  resolveServerOptions,
} from "./definition.ts";
import { CrowdedTurns } from "./dispatch/crowded-turns.ts";
import { createEarlyRejection } from "./dispatch/early-rejection.ts";
import { QuickRefusals } from "./dispatch/quick-refusals.ts";
import { RouteQueues } from "./dispatch/route-queues.ts";
import { mountDocs } from "./docs/docs-routes.ts";
import type { OwnRoute } from "./docs/own-routes.ts";
import { answerClientError, createErrorHandler } from "./http/error-handler.ts";
import { mountHealth } from "./lifecycle/health.ts";
import { attachLifespan } from "./lifecycle/lifespan.ts";
import { addBodyParser, createBudget, resolveBodyLimits } from "./bodies/body-limits.ts";
import { AnswerCounter } from "./metrics/answer-counter.ts";
import { ServerMetrics } from "./metrics/metrics.ts";
import { createStreamHandler } from "./streams/stream-handler.ts";
import { createUnaryHandler } from "./http/unary-handler.ts";
import { createAnswerWithoutRoute, createRefusalHook, leadsToDocs, notFound } from "./http/not-found.ts";
import { documentPath, parameterNames } from "../routes/path-pattern.ts";
import { withoutEmptyParameters, withParameters, withStreamHead } from "./http/parameter-route.ts";
import { PathTable } from "./http/path-table.ts";
import { compileParameters } from "./parameters/request-parameters.ts";
import { isOpen, methodOf } from "../routes/signature.ts";
import type { SharedParts } from "./group/shared-parts.ts";
import { loadFastify } from "./packages.ts";
import { withoutRootPath } from "./http/root-path.ts";
import { BodyReaders } from "./bodies/body-readers.ts";
import type { Uploads } from "./bodies/uploads/uploads.ts";
import { ServerFiles } from "./files/server-files.ts";
import { BodyRoute } from "./http/body-route.ts";
import { isInMemory } from "../routes/body-kind.ts";
import { RouteRuntime } from "./http/route-runtime.ts";
import { withStandardSchemas } from "./http/standard-route.ts";
import { addRouteHooks, assertFree, noticeSendHooks } from "./route-hooks.ts";
import { configureAndMount, setNotFoundHandler } from "./configuration.ts";
import { compileSchemas, assertNames } from "./validation/route-schemas.ts";
import type { TrustedProxies } from "../settings/server-options.ts";
import { ServerState } from "./lifecycle/server-state.ts";
import { Sessions } from "./sockets/sessions.ts";
import { WarmUp } from "./lifecycle/warm-up.ts";
import { HttpsFiles } from "./connections/https-files.ts";
import { Upgrades } from "./connections/upgrades.ts";
import { Validator } from "./validation/validator.ts";

/** A server with all routes of a class, and the parts needed to run it. */
export interface BuiltServer {
  /** Not listening yet. `ready()` runs the first half of the lifespan (setup), `close()` the second (teardown). */
  readonly server: FastifyInstance;
  readonly state: ServerState;
  readonly metrics: ServerMetrics;
  /** Hosts that requests may name in addition to those of this machine. */
  readonly allowedHosts: readonly string[];
  readonly connections: Connections;
  /** The server speaks TLS. */
  readonly isSecure: boolean;
  /** Work that has to end before teardown, besides the server's own connections; filled while the server stops. */
  readonly ends: Promise<unknown>[];
}

/** Maximum length of a parameter of a path, in characters: in effect, that of the request's head applies. */
const MAX_PARAMETER_LENGTH = 1_000_000;

/**
 * Builds the server of a class.
 * @param shared the parts that it shares with other classes on its port; undefined: it has its own
 * @throws DefinitionError if the class can't be served
 */
export function buildServer(
  definition: ServerDefinition,
  given: ServerOptions = {},
  shared?: SharedParts,
): BuiltServer {
  const options = resolveServerOptions(given, definition.settings);
  const authentication = resolveAuthentication(definition, given);
  authentication?.prepare?.();
  if (shared?.mountIndex === undefined) assertNames(definition);
  const state = new ServerState(
    shared?.sessions ?? new Sessions(options.maxSessions),
    shared?.budget ?? createBudget(options, definition.routes.keys()),
  );
  const metrics = new ServerMetrics(definition.version, state.budget);
  const counter = new AnswerCounter(state);
  const access = new Access(options);
  const headers = new AnswerHeaders(definition, options, { state, access });
  const paths = new PathTable();
  const log = createAppLog(options.logger);
  const { fastify, LogController } = loadFastify();
  // The server with the port has the certificate.
  const isMember = shared?.serverFactory !== undefined;
  const certificate =
    options.https === undefined || isMember
      ? undefined
      : new HttpsFiles(options.https, options.logger, options.clock);
  // Node's own refusal of a request without a host has no body; Access refuses such requests.
  const headersTimeoutMs = Math.min(options.headersTimeoutMs, options.arrivalTimeoutMs);
  const http = {
    requireHostHeader: false,
    maxHeaderSize: options.headerLimitBytes,
    // Node finds late requests at this interval only, by default every 30 s.
    connectionsCheckingInterval: Math.min(Math.ceil(headersTimeoutMs / 4), 30_000),
  };
  // Fastify's types tell servers with TLS apart, although their instances are the same.
  const transport = (
    certificate === undefined
      ? { http }
      : {
          // Node sets noDelay for HTTP only.
          https: {
            ...certificate.read(),
            ...http,
            noDelay: true,
            handshakeTimeout: headersTimeoutMs,
          },
        }
  ) as { http: typeof http };
  const server = fastify({
    logger: false, // the framework's own routes need no child logger for each request
    logController: new LogController({ disableRequestLogging: true }),
    ...(definition.configure === undefined ? {} : REQUEST_IDS),
    ...(shared?.serverFactory === undefined ? {} : { serverFactory: shared.serverFactory }),
    bodyLimit: options.bodyLimitBytes,
    requestTimeout: options.arrivalTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    trustProxy: trustedBy(options.trustProxy),
    return503OnClosing: false, // requests that still arrive on an open connection are served, not refused
    exposeHeadRoutes: definition.configure !== undefined, // for the app's own routes, as in any Fastify app
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    pluginTimeout: 0, // setup() has no time limit
    rewriteUrl: (request) => {
      if (authentication !== undefined) withoutQueryToken(request);
      return prepareRequest(request, options.rootPath, access);
    },
    ...transport,
    clientErrorHandler: answerClientError,
    frameworkErrors: (_error, request, reply) => {
      const answer = (): void => void notFound(headers, request, reply);
      if (authenticator === undefined) answer();
      else authenticator.hookWithoutRoute.call(server, request, reply, answer);
    },
  });
  const authenticator =
    authentication && new Authenticator(authentication, { headers, access, counter, log: options.logger });
  if (authenticator !== undefined) server.decorateRequest("caller", undefined);
  const listener: Server = server.server;
  listener.headersTimeout = headersTimeoutMs;
  if (options.maxConnections !== undefined) listener.maxConnections = options.maxConnections;
  access.follow(listener);
  if (options.accessLog) logAccess(server, listener, options.logger);
  const guard = createRefusalHook(headers, access);
  server.log = log.server;
  const ownRoutes: OwnRoute[] = [];
  addRouteHooks(server, { paths, guard, authenticate: authenticator?.hook, headers, log, ownRoutes });
  if (definition.provideHints !== undefined) {
    // Node would write the head and a text body together as UTF-8, which garbles hints in the head that are latin-1.
    server.addHook("onSend", (_request, _reply, payload, done) => {
      done(null, typeof payload === "string" ? Buffer.from(payload) : payload);
    });
  }
  noticeSendHooks(server, state);
  const queues = new RouteQueues({ definition, options, metrics });
  const seesAll = definition.configure !== undefined || definition.provideHints !== undefined;
  const quick =
    seesAll || options.accessLog || shared !== undefined
      ? undefined
      : new QuickRefusals({
          ...{ server: listener, access, headers, state },
          turns: new CrowdedTurns(options.clock),
        });
  const connectionEvent = certificate === undefined ? "connection" : "secureConnection";
  const upgrades = new Upgrades(listener, options.rootPath, connectionEvent);
  const warmUp = new WarmUp();
  warmUp.follow(server);
  const files = new ServerFiles(definition, options);
  const mountRoutes = prepareRoutes({
    definition,
    options,
    headers,
    metrics,
    counter,
    state,
    queues,
    upgrades,
    access,
    uploads: shared?.uploads,
    warmUp,
    quick,
    hasAuthentication: authentication !== undefined,
    files,
  });
  const mount = (scope: FastifyInstance): void => {
    addBodyParser(scope, definition, options, state.budget);
    mountRoutes(scope);
    files.mount(scope, { headers, metrics, counter });
    mountHealth(scope, { definition, metrics, counter, headers, state, log: options.logger });
    const { rootPath, docs, maxMultiplexing } = options;
    const documented = { ...definition, authentication, maxMultiplexing };
    if (shared?.mountIndex === undefined)
      mountDocs(scope, documented, headers, { rootPath, docs, state, ownRoutes });
    else shared.mountIndex(scope, headers);
  };
  const handleError = createErrorHandler(headers, counter, options.logger);
  const answerWithoutRoute = createAnswerWithoutRoute(headers, paths, { access, rootPath: options.rootPath });
  const handleNotFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    answerWithoutRoute(request, reply) ?? notFound(headers, request, reply, state.metricsUrl);
  const authenticateWithoutRoute: onRequestHookHandler | undefined =
    authenticator &&
    ((request, reply, done) => {
      if (leadsToDocs(request, paths)) done();
      else authenticator.hookWithoutRoute.call(server, request, reply, done);
    });
  const { configure } = definition;
  if (configure === undefined) {
    server.setErrorHandler(handleError);
    setNotFoundHandler(server, handleNotFound, authenticateWithoutRoute);
    mount(server);
  } else {
    configureAndMount(server, {
      log,
      configure,
      state,
      guard,
      authenticate: authenticateWithoutRoute,
      answerWithoutRoute,
      handleNotFound,
      handleError,
      mount,
    });
  }
  const connections =
    shared?.connections ??
    new Connections({
      server: listener,
      event: connectionEvent,
      clock: options.clock,
      sendTimeoutMs: options.sendTimeoutMs,
      onStalled: () => metrics.stalledReaders++,
    });
  if (certificate !== undefined) {
    // Node would answer a client error, which waits for the end of the handshake.
    listener.prependListener("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
    // It is one, because Fastify got the option https.
    listener.once("listening", () => certificate.keep(listener as unknown as HttpsServer));
    server.addHook("onClose", async () => certificate.close());
  }
  const ends: Promise<unknown>[] = [];
  attachLifespan(server, definition, { state, connections, queues, ends, log: options.logger });
  return {
    server,
    state,
    metrics,
    connections,
    allowedHosts: options.allowedHosts,
    isSecure: certificate !== undefined,
    ends,
  };
}

/**
 * Checks the schemas of all routes and creates their queues. The schemas are compiled later: see {@link WarmUp}.
 * @returns a function that adds the routes to a server
 * @throws DefinitionError for a route that can't be served
 */
function prepareRoutes(parts: {
  definition: ServerDefinition;
  options: ReturnType<typeof resolveServerOptions>;
  headers: AnswerHeaders;
  metrics: ServerMetrics;
  counter: AnswerCounter;
  state: ServerState;
  queues: RouteQueues;
  upgrades: Upgrades;
  access: Access;
  uploads: Uploads | undefined;
  warmUp: WarmUp;
  quick: QuickRefusals | undefined;
  hasAuthentication: boolean;
  files: ServerFiles;
}): (server: FastifyInstance) => void {
  const { queues, warmUp } = parts;
  const validator = new Validator();
  const { definition, options, state, uploads } = parts;
  const readers = new BodyReaders(definition, options, state.budget, validator, uploads);
  const routes: { readonly signature: RouteSignature; readonly options: RouteOptions }[] = [];
  for (const [signature, handler] of parts.definition.routes) {
    const { path } = signature;
    const compiled = compileSchemas(validator, signature);
    warmUp.add(() => compiled.input?.prepare());
    for (const result of [compiled.output, compiled.item]) {
      if (result !== undefined) warmUp.add(() => result.prepare());
      if (result !== undefined && !signature.isWebsocket) warmUp.add(() => result.writer?.prepare());
    }
    const files = parts.files.ofRoute(signature, queues.workers?.has(signature) === true);
    if (signature.isWebsocket) continue;
    const parameters = compileParameters(validator, signature);
    const method = methodOf(signature);
    const metrics = parts.metrics.route(method, documentPath(path));
    const dispatch = queues.create(signature, handler);
    const status = signature.dispatch?.overloadStatus;
    const own =
      signature.limits === undefined && status === undefined
        ? undefined
        : resolveBodyLimits(parts.options, signature.limits, status ?? parts.definition.overloadStatus);
    const route = { ...parts, signature, handler, metrics, dispatch, ...compiled };
    const create = signature.stream === false ? createUnaryHandler : createStreamHandler;
    const { body } = signature;
    let handle: RouteOptions["handler"];
    if (body === undefined || compiled.input === undefined) {
      const runtime = withStandardSchemas(new RouteRuntime(route), compiled.standard, files);
      handle = create(withParameters(runtime, parameters));
      if (signature.stream === true) handle = withStreamHead(runtime, handle);
    } else {
      const bodyRoute = new BodyRoute({ ...route, input: { ...compiled.input, accept: (input) => input } });
      handle = bodyRoute.createHandler(
        readers.create(signature, body, compiled.input),
        create(withParameters(withStandardSchemas(bodyRoute, compiled.standard, files), parameters)),
        parameters,
      );
    }
    const hasParameters = parameterNames(path).length > 0;
    if (hasParameters) handle = withoutEmptyParameters(handle);
    // Callers of the other routes are identified before they are refused.
    const canSkipAll = !parts.hasAuthentication || isOpen(signature);
    if (canSkipAll && dispatch !== undefined && !hasParameters) {
      for (const prefix of new Set(["", parts.options.rootPath])) {
        const own = { dispatch, metrics, isInMemory: isInMemory(body) };
        parts.quick?.add(`${method} ${prefix}${path}`, own);
      }
    }
    const options: RouteOptions = {
      method,
      url: path,
      exposeHeadRoute: method === "GET",
      config: {
        isFrameworkRoute: true,
        isPublic: isOpen(signature),
        metrics,
        ...(own === undefined ? {} : { bodyLimits: own }),
      },
      ...(dispatch === undefined
        ? {}
        : {
            onRequest: createEarlyRejection(dispatch, {
              ...{ headers: parts.headers, counter: parts.counter, metrics, isInMemory: isInMemory(body) },
              quick: canSkipAll ? parts.quick : undefined,
            }),
          }),
      handler: handle,
    };
    routes.push({ signature, options });
  }
  const hasWebsockets = routes.length < parts.definition.routes.size;
  return (server) => {
    if (hasWebsockets) {
      // Loaded on demand and registered in a separate scope, because the plugin's hooks slow down every route in their
      // scope.
      server.register(async (scope) => {
        const { mountWebsockets } = await import("./sockets/websocket-routes.ts");
        await mountWebsockets(scope, { ...parts, validator });
      });
    }
    const bodyRoutes: RouteOptions[] = [];
    for (const { signature, options } of routes) {
      assertFree(server, signature);
      if (signature.body === undefined) server.route(options);
      else bodyRoutes.push(options);
    }
    if (bodyRoutes.length > 0) mountBodyRoutes(server, bodyRoutes, readers);
  };
}

/** Adds routes whose bodies are not JSON, in a scope whose parser leaves the body to the route. */
function mountBodyRoutes(
  server: FastifyInstance,
  routes: readonly RouteOptions[],
  readers: BodyReaders,
): void {
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    for (const route of routes) scope.route(route);
  });
  server.addHook("onReady", async () => readers.begin());
  server.addHook("onClose", () => readers.end());
}

/** The proxies in the form of Fastify. */
function trustedBy(proxies: TrustedProxies | undefined): boolean | string | string[] {
  if (proxies === undefined) return false;
  return typeof proxies === "object" ? [...proxies] : proxies;
}

const CONTENT_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(?:;.*)?$/;

/** Runs before routing: removes the root path and replaces an invalid content type by `application/octet-stream`. */
function prepareRequest(request: IncomingMessage, rootPath: string, access: Access): string {
  const { headers, url = "/" } = request;
  const type = headers["content-type"];
  if (type !== undefined && type !== "application/json" && !CONTENT_TYPE.test(type)) {
    headers["content-type"] = "application/octet-stream";
  }
  if (!access.admits(request)) return REFUSED_PATH; // matches no route, so the not-found handler sends the refusal
  return withoutRootPath(url, rootPath);
}
