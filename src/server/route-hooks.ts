import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";
import { DefinitionError } from "../errors.ts";
import { methodOf, type RouteSignature } from "../routes/signature.ts";
import type { AppLog } from "./app-log.ts";
import type { OwnRoute } from "./docs/own-routes.ts";
import { isUpgrade } from "./auth/credentials.ts";
import { isForPage } from "./http/not-found.ts";
import type { AnswerHeaders } from "./http/answer-headers.ts";
import type { ServerState } from "./lifecycle/server-state.ts";
import type { PathTable } from "./http/path-table.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route is one of the framework's own: an endpoint, a probe, the document or its pages. */
    isFrameworkRoute?: boolean;
  }
}

interface RouteHookParts {
  readonly paths: PathTable;
  /** Answers refused requests. */
  readonly guard: onRequestHookHandler;
  /** Identifies callers; undefined: everyone may call. */
  readonly authenticate: onRequestHookHandler | undefined;
  readonly headers: AnswerHeaders;
  readonly log: AppLog;
  /** Gets the routes that the app adds. */
  readonly ownRoutes: OwnRoute[];
}

/**
 * Makes a server list the paths of its routes, and puts hooks before those of each route. Call it before any other code
 * adds routes or plugins, so that no route and no `onRoute` hook of a plugin comes before these hooks.
 */
export function addRouteHooks(
  server: FastifyInstance,
  { paths, guard, authenticate, headers, log, ownRoutes }: RouteHookParts,
): void {
  const applyHeaders = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    // A plugin of the app may have decided already which origins may call.
    if (!reply.hasHeader("access-control-allow-origin")) headers.apply(request, reply);
    done();
  };
  server.addHook("onRoute", (route) => {
    // A plain request to the path of a websocket is answered with 404.
    if (route.wsHandler === undefined) paths.add(route.url, route.method);
    const isOwn = route.config?.isFrameworkRoute !== true;
    // Refused requests match no route of the framework, but they may match a route of the app.
    const first = isOwn ? [guard, applyHeaders] : [];
    // Nobody has to remember to protect a route: those that are open say so.
    if (authenticate !== undefined && route.config?.isPublic !== true) {
      const isRoot = !isOwn && route.wsHandler !== undefined && route.url === "/";
      first.push(isRoot ? exceptPages(authenticate) : authenticate);
    }
    // A HEAD route that Fastify derives from a GET route has its hooks already.
    const others = [route.onRequest ?? []].flat().filter((hook) => !first.includes(hook));
    if (first.length > 0) route.onRequest = [...first, ...others];
    if (!isOwn) return;
    route.childLoggerFactory ??= log.forRequest;
    ownRoutes.push({
      method: route.method,
      url: route.url,
      schema: route.schema,
      isPublic: route.config?.isPublic === true,
    });
  });
}

/** Lets browsers pass that open the address of a websocket: they are led to the documentation, which asks for the key. */
function exceptPages(authenticate: onRequestHookHandler): onRequestHookHandler {
  return function (request, reply, done) {
    if (isForPage(request) && !isUpgrade(request)) done();
    else authenticate.call(this, request, reply, done);
  };
}

/** Hooks that may set headers of an answer, or answer themselves. */
const ANSWER_HOOKS: ReadonlySet<string> = new Set(["onRequest", "preParsing", "preValidation", "preHandler"]);
/** Hooks that must see every request. */
const REQUEST_HOOKS: ReadonlySet<string> = new Set(["onRequest", "onSend", "onResponse", "onTimeout"]);

/**
 * Makes answers go through Fastify once a server has a hook that may change them, and refusals once it has one that must
 * see every request. Otherwise they are written directly.
 */
export function noticeSendHooks(server: FastifyInstance, state: ServerState): void {
  const { addHook } = server as { addHook: (name: string, hook: unknown) => FastifyInstance };
  Reflect.set(server, "addHook", function (this: FastifyInstance, name: string, hook: unknown) {
    // Those of other scopes do not apply to the framework's routes.
    const isOfRoutes = this === server;
    if (name === "onSend" || (isOfRoutes && ANSWER_HOOKS.has(name))) state.hasSendHooks = true;
    if (isOfRoutes && REQUEST_HOOKS.has(name)) state.hasRequestHooks = true;
    return addHook.call(this, name, hook);
  });
}

/**
 * Checks that no route of the app has the method and path of an endpoint or websocket.
 * @throws DefinitionError
 */
export function assertFree(server: FastifyInstance, signature: RouteSignature): void {
  const { path, methodName, isWebsocket } = signature;
  const method = isWebsocket ? "GET" : methodOf(signature);
  if (!server.hasRoute({ method, url: path })) return;
  throw new DefinitionError(
    "ROUTE_PATH_TAKEN",
    `configure() adds ${method} ${path}, which ${methodName}() serves; change the path of one.`,
  );
}
