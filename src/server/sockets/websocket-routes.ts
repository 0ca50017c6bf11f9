import websocketPlugin, { type WebsocketPluginOptions } from "@fastify/websocket";
import type { ServerOptions } from "ws";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { needsScope, runInScope } from "../../context.ts";
import { answerFor, asError } from "../../answers.ts";
import { DefinitionError, ERRORS, RequestCancelledException } from "../../errors.ts";
import { JSON_FORM, MESSAGE_PACK_FORM, type Form } from "../../json/sendable.ts";
import { createCodec } from "../../realtime/codec.ts";
import { CLOSE_NORMAL, CLOSE_RESTART } from "../../realtime/connection.ts";
import { Heartbeat } from "../../realtime/heartbeat.ts";
import { DEFAULT_SESSION_LIMITS, type RealtimeRoute } from "../../realtime/route.ts";
import { RealtimeSession } from "../../realtime/session.ts";
import { SessionContext, type UpgradeRequest } from "../../realtime/session-context.ts";
import { isOpen, type RouteHandler, type RouteSignature } from "../../routes/signature.ts";
import type { RawWebSocket } from "../../routes/websocket.ts";
import type { AnswerHeaders } from "../http/answer-headers.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import type { RouteQueues } from "../dispatch/route-queues.ts";
import { resolveBodyLimits } from "../bodies/body-limits.ts";
import type { ServerMetrics } from "../metrics/metrics.ts";
import { firstValues } from "../http/http-context.ts";
import { isForPage, notFound, showDocs } from "../http/not-found.ts";
import { assertFree } from "../route-hooks.ts";
import type { ServerFiles, SessionFiles } from "../files/server-files.ts";
import { compileSchemas, type StandardSchemas } from "../validation/route-schemas.ts";
import { createPresenter } from "../http/serializer.ts";
import type { ServerState } from "../lifecycle/server-state.ts";
import type { TakeUpgrade, Upgrades } from "../connections/upgrades.ts";
import type { CompiledSchema, Validator } from "../validation/validator.ts";
import { sessionSpan } from "../tracing/session-spans.ts";
import { FrameMeter } from "./frame-meter.ts";
import { ServerSocket } from "./server-socket.ts";
import type { SessionMetrics } from "../metrics/session-metrics.ts";
import { SocketConnection } from "./socket-connection.ts";

/** The parts needed to mount websocket routes. */
interface WebsocketParts {
  readonly files: ServerFiles;
  readonly definition: ServerDefinition;
  readonly options: ResolvedServerOptions;
  readonly headers: AnswerHeaders;
  readonly metrics: ServerMetrics;
  readonly state: ServerState;
  readonly validator: Validator;
  readonly queues: RouteQueues;
  readonly upgrades: Upgrades;
}

/** Mounts the realtime and websocket routes of a class, in a scope of their own. */
export async function mountWebsockets(scope: FastifyInstance, parts: WebsocketParts): Promise<void> {
  const options: ServerOptions = {
    maxPayload: parts.options.maxFrameBytes,
    perMessageDeflate: false,
    clientTracking: false,
    WebSocket: ServerSocket,
  };
  if (scope.hasDecorator("websocketServer")) {
    throw new DefinitionError(
      "PLUGIN_CONFLICT",
      `${parts.definition.className} has websockets, for which @fastify/websocket is registered already. Register your own ` +
        "in a scope, together with your routes: server.register(async (scope) => { await scope.register(websocket); … }).",
    );
  }
  const before = scope.server.listeners("upgrade");
  await scope.register(websocketPlugin, {
    options: options as WebsocketPluginOptions["options"] & {}, // the type requires members that only the package's own class has
    errorHandler: () => {}, // ws closes the connection itself, with the matching code
    preClose: (done) => done(), // sessions are stopped by the server itself
  });
  const paths: string[] = [];
  for (const [signature, handler] of parts.definition.routes) {
    if (!signature.isWebsocket) continue;
    mountRoute(scope, parts, signature, handler);
    paths.push(signature.path);
  }
  parts.upgrades.serve(paths, ownListener(scope, before));
}

/** Returns the plugin's upgrade listener, removed from the server: it must receive only accepted offers. */
function ownListener(scope: FastifyInstance, before: readonly unknown[]): TakeUpgrade {
  const { server } = scope;
  const added = server.listeners("upgrade").filter((listener) => !before.includes(listener));
  for (const listener of added) server.removeListener("upgrade", listener as TakeUpgrade);
  return added[0] as TakeUpgrade;
}

type Open = (
  socket: ServerSocket,
  request: FastifyRequest,
  metrics: SessionMetrics,
  meter: FrameMeter,
) => void;

function mountRoute(
  scope: FastifyInstance,
  parts: WebsocketParts,
  signature: RouteSignature,
  handler: RouteHandler,
): void {
  const { headers, state, metrics } = parts;
  const overloadStatus = parts.definition.overloadStatus ?? ERRORS.OVERLOADED.status;
  const counts = metrics.websocket(signature.path);
  const maxBytes = signature.limits?.maxBytes;
  const open: Open =
    signature.realtimeMode === undefined
      ? rawOpener(parts, signature, handler)
      : realtimeOpener(parts, signature, handler, signature.realtimeMode);
  assertFree(scope, signature);
  scope.route({
    method: "GET",
    url: signature.path,
    exposeHeadRoute: false,
    config: { isFrameworkRoute: true, isPublic: isOpen(signature) },
    preValidation: (request, reply, done) => {
      if (!request.ws || state.sessions.hasRoom) {
        if (maxBytes !== undefined) ServerSocket.limits.set(request.raw.socket, maxBytes);
        return done();
      }
      const more = { "retry-after": "1", connection: "close" };
      headers.sendJson(request, reply, overloadStatus, '{"detail":"Too many open sessions"}', more);
    },
    handler: (request, reply) => {
      const version = request.headers["sec-websocket-version"];
      // RFC 6455 (4.4): a client with another version is answered with ours.
      if (version !== undefined && version !== "13") reply.header("sec-websocket-version", "13");
      const isPage = signature.path === "/" && isForPage(request);
      if (isPage) return showDocs(headers, request, reply, parts.options.rootPath);
      return notFound(headers, request, reply);
    },
    wsHandler: (socket, request) => {
      const startedAt = performance.now();
      counts.open++;
      const ours = socket as ServerSocket;
      ours.on("close", (code) => counts.close(ours.sentCode ?? code, (performance.now() - startedAt) / 1000));
      open(
        ours,
        request,
        counts,
        new FrameMeter(ours, request.raw.socket, state.budget, parts.options.clock),
      );
    },
  });
}

function realtimeOpener(
  parts: WebsocketParts,
  signature: RouteSignature,
  handler: RouteHandler,
  mode: RealtimeRoute["mode"],
): Open {
  const { options, state } = parts;
  const route = createRealtimeRoute(parts, signature, handler, mode);
  const limits = { ...DEFAULT_SESSION_LIMITS, heartbeatMs: options.websocketPingMs };
  return (socket, request, counts, meter) => {
    const session = new RealtimeSession({
      route,
      connection: new SocketConnection(socket, request.raw.socket),
      request: upgradeOf(request),
      limits,
      clock: options.clock,
      log: options.logger,
      counts,
      memory: state.budget,
    });
    socket.onPeerClosing = () => session.closing();
    socket.on("message", (data, isBinary) => {
      meter.messageComplete((data as Buffer).length);
      session.receive(isBinary ? (data as Buffer) : (data as Buffer).toString("utf8"));
    });
    socket.on("pong", () => session.pong());
    socket.on("close", () => session.disconnected());
    state.sessions.add(
      {
        stop: () => {
          socket.limitClosing(options.clock);
          session.stop();
        },
        abort: (reason) => {
          session.abort(reason);
          // The session sends its own close frame in this turn, if any.
          setImmediate(() => socket.end(CLOSE_RESTART));
        },
      },
      Promise.all([session.finished, closed(socket)]),
    );
  };
}

function createRealtimeRoute(
  parts: WebsocketParts,
  signature: RouteSignature,
  handler: RouteHandler,
  mode: RealtimeRoute["mode"],
): RealtimeRoute {
  const { validator, definition } = parts;
  const { methodName, sessionTimeout } = signature;
  const { input, output, standard } = compileSchemas(validator, signature);
  const present = createPresenter(output, methodName, formOf(signature));
  const files = parts.files.ofSessions(signature, parts.queues.workers?.has(signature) === true);
  const queue = signature.dispatch && parts.queues.create(signature, handler);
  const within: RealtimeRoute["within"] = (context, code) => runInScope(context, definition.app, code);
  return {
    methodName,
    mode,
    codec: createCodec(signature, resolveBodyLimits(parts.options, signature.limits, undefined).values),
    buffering: signature.buffering,
    sessionTimeoutMs: sessionTimeout === undefined ? undefined : sessionTimeout * 1000,
    maxBatchSize: signature.maxBatchSize ?? 1,
    emitTimings: signature.emitTimings ?? false,
    canBatch: signature.canBatch,
    accept: (value) => (input === undefined ? value : input.accept(value)),
    present,
    ...(standard === undefined && files === undefined
      ? {}
      : lateSchemas(standard, { input, present, methodName, files })),
    call: (context, value) => {
      const { tracing } = parts.state;
      if (tracing === undefined && !needsScope()) return handler(value, context);
      if (tracing === undefined) return within(context, () => handler(value, context));
      const turn = sessionSpan(tracing, context, signature).child(`turn ${methodName}`);
      return within(context, () => turn.around(() => handler(value, context)));
    },
    share:
      queue &&
      ((context, value, bytes) => {
        const { tracing } = parts.state;
        if (tracing !== undefined) sessionSpan(tracing, context, signature);
        return queue.submit(context, value, bytes);
      }),
    within,
  };
}

/** Validates with schemas of other libraries, and reads files. Both may take time. */
function lateSchemas(
  standard: StandardSchemas | undefined,
  {
    input,
    present,
    methodName,
    files,
  }: {
    input: CompiledSchema | undefined;
    present: (value: unknown) => unknown;
    methodName: string;
    files: SessionFiles | undefined;
  },
): Pick<RealtimeRoute, "accept" | "present" | "isLate"> {
  const accepting = standard?.input ?? input;
  return {
    isLate: true,
    accept: (value, context) => {
      const accepted = accepting === undefined ? value : accepting.accept(value);
      return files === undefined ? accepted : files.accept(accepted, context);
    },
    present: async (value, context) => {
      const output = standard?.output;
      const validated = output === undefined ? value : await output.present(value, methodName);
      return present(files === undefined ? validated : await files.present(validated, context));
    },
  };
}

/** Opens a raw websocket: the handler owns the socket, the server only its end. */
function rawOpener(parts: WebsocketParts, signature: RouteSignature, handler: RouteHandler): Open {
  const { options, state, definition } = parts;
  return (socket, request, _counts, meter) => {
    const controller = new AbortController();
    const context = new SessionContext(upgradeOf(request), controller.signal, options.logger);
    const abort = (reason: unknown): void => controller.abort(reason);
    if (state.tracing !== undefined) sessionSpan(state.tracing, context, signature);
    let isPaused = false;
    const heartbeat = new Heartbeat(
      options.websocketPingMs,
      options.clock,
      () => {
        // While the socket is paused, no pong is received, so the heartbeat is paused too. Only changes are passed on,
        // because each call restarts the heartbeat.
        if (socket.isPaused !== isPaused) heartbeat.pause((isPaused = socket.isPaused));
        if (socket.readyState === socket.OPEN) socket.ping();
      },
      () => socket.terminate(),
    );
    const alive = (): void => heartbeat.alive();
    socket.on("pong", alive).on("ping", alive);
    socket.on("message", (data) => {
      meter.messageComplete((data as Buffer).length);
      heartbeat.alive();
    });
    socket.on("close", () => {
      heartbeat.stop();
      abort(new RequestCancelledException());
    });
    const work = runInScope(context, definition.app, async (): Promise<void> => {
      await handler(socket satisfies RawWebSocket, context);
    });
    work.then(
      () => socket.end(state.stopping ? CLOSE_RESTART : CLOSE_NORMAL),
      (error: unknown) => {
        const { body, unexpected } = answerFor(error);
        if (unexpected && !controller.signal.aborted) {
          context.log.error({ err: asError(error) }, "a websocket's handler failed");
        }
        socket.end(1011, typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail));
      },
    );
    const stop = (): void => {
      socket.limitClosing(options.clock);
      abort(new RequestCancelledException("The server is stopping."));
      socket.end(CLOSE_RESTART);
    };
    state.sessions.add({ stop, abort }, closed(socket)); // a stopped socket has already ended
  };
}

/** The form of a route's frames; undefined for the app's own codec. */
function formOf({ encodeMessage, contentType }: RouteSignature): Form | undefined {
  if (encodeMessage !== undefined) return undefined;
  return contentType === "application/json" ? JSON_FORM : MESSAGE_PACK_FORM;
}

function upgradeOf(request: FastifyRequest): UpgradeRequest {
  const query = request.query as UpgradeRequest["query"];
  return { headers: firstValues(request.raw), query, caller: request.caller };
}

function closed(socket: ServerSocket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}
