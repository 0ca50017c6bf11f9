import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { LiveApp, PlaceRequest } from "../scheduler/live-app.ts";
import type { Lease } from "../scheduler/live-runner.ts";
import { aliasOf } from "../state/app-names.ts";
import { Admission, withoutParameters } from "./admission.ts";
import { parseAppAddress, type AppAddress } from "./app-address.ts";
import { CallerLimits, type Limits } from "./caller-limits.ts";
import { allowOrigins, answerPreflight, isPreflight } from "./cors.ts";
import { Departure } from "./departure.ts";
import { answerError, GatewayError, knownError } from "./gateway-error.ts";
import { requestHeaders, type RequestFacts } from "./forwarded-headers.ts";
import type { KeyRing } from "./key-ring.ts";
import { parseQueueAddress } from "./queue-address.ts";
import { QueueRoutes, type QueueRouteParts } from "./queue-routes.ts";
import { RequestProxy } from "./request-proxy.ts";
import { judge } from "./runner-judgement.ts";
import { startTimeoutOf } from "./start-timeout.ts";
import { isUnaryRoute } from "./realtime-routes.ts";
import { proxySocket } from "./socket-proxy.ts";
import { WaitingSocket } from "./waiting-socket.ts";

/** The parts that the gateway needs. */
export interface GatewayParts {
  readonly scheduler: Scheduler;
  readonly keys: KeyRing;
  /** The first part of the addresses of all apps. */
  readonly owner: string;
  /** Counts requests. */
  readonly traffic: Traffic;
  readonly limits: Limits;
  readonly log: Logger;
  /** The queue, with what feeds runners from it and what follows its requests. */
  readonly queue: Pick<QueueRouteParts, "queue" | "dispatcher" | "watch" | "now" | "maxInputBytes">;
}

/** Counts requests to apps. */
interface Traffic {
  received(application: string, method: string): void;
  completed(application: string, method: string, status: number, seconds: number): void;
}

/** A request whose caller may call its app. */
interface AdmittedRequest {
  readonly address: AppAddress;
  readonly app: LiveApp;
  readonly facts: RequestFacts;
  readonly requestId: string;
}

/** The front door of the apps: it finds a runner for each request and socket, and forwards it. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #proxy = new RequestProxy();
  readonly #limits: CallerLimits;
  readonly #admission: Admission;
  readonly #queueRoutes: QueueRoutes;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#limits = new CallerLimits(parts.limits);
    this.#admission = new Admission(parts);
    this.#queueRoutes = new QueueRoutes({
      ...parts.queue,
      ...{ admission: this.#admission, limits: this.#limits },
      onSubmitted: ({ row }, method) =>
        parts.traffic.received(aliasOf({ app: row.name, environment: row.environment }), method),
    });
  }

  /** Handles a request to an app. False if its path leads to none. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const queued = parseQueueAddress(request);
    const toQueue = queued?.address.owner === this.#parts.owner ? queued : undefined;
    const address = toQueue?.address ?? this.#address(request);
    if (address === undefined) return false;
    const requestId = randomUUID();
    if (isPreflight(request)) {
      response.setHeader("x-fal-request-id", requestId);
      answerPreflight(request, response);
      return true;
    }
    if (toQueue !== undefined) allowOrigins(request, response);
    const answered =
      toQueue === undefined
        ? this.#forward(request, response, address, requestId)
        : this.#queueRoutes.handle(request, response, toQueue, requestId);
    answered.catch((error: unknown) => {
      if (!response.headersSent) response.setHeader("x-fal-request-id", requestId);
      allowOrigins(request, response);
      this.#report(error, request);
      answerError(response, asGatewayError(error));
    });
    return true;
  }

  /** Handles an upgrade to a socket of an app. False if its path leads to none. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const address = this.#address(request);
    if (address === undefined) return false;
    const requestId = randomUUID();
    this.#forwardSocket(request, socket, head, address, requestId).catch((error: unknown) => {
      this.#report(error, request);
      refuseUpgrade(socket, asGatewayError(error), requestId);
    });
    return true;
  }

  async close(): Promise<void> {
    await this.#proxy.close();
  }

  /** Logs an error whose reason the caller does not learn. */
  #report(error: unknown, { url = "" }: IncomingMessage): void {
    if (knownError(error) !== undefined) return;
    this.#parts.log.error({ error: (error as Error).stack, path: url.split("?")[0] }, "a request failed");
  }

  #address({ url = "" }: IncomingMessage): AppAddress | undefined {
    const address = parseAppAddress(url);
    return address?.owner === this.#parts.owner ? address : undefined;
  }

  async #forward(
    request: IncomingMessage,
    response: ServerResponse,
    address: AppAddress,
    requestId: string,
  ): Promise<void> {
    const { app, facts, keyId } = await this.#admission.admit(request, address, requestId);
    const { method = "GET" } = request;
    const { traffic } = this.#parts;
    const application = aliasOf(address);
    const startedAt = performance.now();
    let status: number | undefined;
    traffic.received(application, method);
    try {
      whenClosed(response, this.#limits.begin(keyId));
      await this.#serve(request, response, { address, app, facts, requestId });
    } catch (error) {
      ({ status } = asGatewayError(error));
      throw error;
    } finally {
      traffic.completed(
        application,
        method,
        status ?? response.statusCode,
        (performance.now() - startedAt) / 1_000,
      );
    }
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    { address, app, facts, requestId }: AdmittedRequest,
  ): Promise<void> {
    const path = withoutParameters(address.path);
    const headers = requestHeaders(request, facts);
    const departure = new Departure(response);
    const body = await this.#proxy.bodyOf(request);
    const about = { requestId, callerId: facts.callerId, isSocket: false };
    for (let attempt = 1; ; attempt++) {
      if (departure.reason !== undefined) throw departure.reason;
      const place = placeRequest(request, about);
      const lease = app.tryAcquire(place) ?? (await this.#wait(app, request, place, departure.signal));
      let outcome: Awaited<ReturnType<RequestProxy["forward"]>>;
      try {
        outcome = await this.#proxy.forward(
          {
            address: lease.address,
            method: request.method ?? "GET",
            path,
            headers,
            body,
            timeoutSeconds: app.row.scale.requestTimeoutSeconds,
            requestId,
          },
          response,
          departure,
          (hints) => (lease.runner.hints = hints),
        );
      } finally {
        app.release(lease);
      }
      judge(this.#parts.scheduler.lives, lease.runner, outcome);
      if (outcome.kind === "answered") return;
      // The runner has ended, and has got nothing of the request: another one can take it, if its body can be sent again.
      const isRepeatable = body === null || Buffer.isBuffer(body);
      if (outcome.error.type === "runner_connection_refused" && attempt === 1 && isRepeatable) continue;
      throw outcome.error;
    }
  }

  async #forwardSocket(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    address: AppAddress,
    requestId: string,
  ): Promise<void> {
    const waiting = new WaitingSocket(socket, head);
    const { app, facts, keyId } = await this.#admission.admit(request, address, requestId);
    whenClosed(socket, this.#limits.begin(keyId));
    const place = placeRequest(request, { requestId, callerId: facts.callerId, isSocket: true });
    const lease = app.tryAcquire(place) ?? (await this.#wait(app, request, place, waiting.left));
    let current = lease;
    const isMovable = (): boolean =>
      isUnaryRoute(app.revision, address.endpoint) &&
      this.#parts.scheduler.find(address.environment, address.app) === app;
    try {
      await proxySocket(
        {
          request,
          waiting,
          headers: requestHeaders(request, facts),
          path: withoutParameters(address.path),
          requestId,
        },
        lease,
        isMovable()
          ? {
              acquire: async (signal) =>
                isMovable() ? app.acquire(place, AbortSignal.any([waiting.left, signal])) : undefined,
              moved: (next) => {
                app.release(current);
                current = next;
              },
              unused: (unused) => app.release(unused),
            }
          : undefined,
      );
    } finally {
      app.release(current);
    }
  }

  /** Waits for a place on a runner. @throws GatewayError that says why there was none */
  async #wait(
    app: LiveApp,
    request: IncomingMessage,
    place: PlaceRequest,
    left: AbortSignal,
  ): Promise<Lease> {
    const asked = startTimeoutOf(request);
    const own = app.row.scale.requestStartTimeoutSeconds;
    const seconds = asked ?? (own > 0 ? own : app.revision.codeSettings.startupTimeoutSeconds);
    this.#limits.assertMayWait(app, this.#parts.scheduler);
    const patience = new AbortController();
    const timer = setTimeout(() => {
      const isTrouble = app.trouble !== undefined && asked === undefined;
      patience.abort(
        new GatewayError(
          isTrouble ? "runner_scheduling_failure" : "startup_timeout",
          `No runner of ${app.row.name} took the request within ${seconds} s: ${app.waitReason()}.`,
          asked === undefined ? {} : { "x-fal-request-timeout-type": "user" },
        ),
      );
    }, seconds * 1_000);
    try {
      return await app.acquire(place, AbortSignal.any([left, patience.signal]));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Calls `then` once an answer or a socket is closed, whether it is complete or not. */
function whenClosed(
  stream: { readonly closed: boolean } & NodeJS.EventEmitter,
  then: (() => void) | undefined,
): void {
  if (then === undefined) return;
  if (stream.closed) then();
  else stream.once("close", then);
}

function placeRequest(
  request: IncomingMessage,
  {
    requestId,
    callerId,
    isSocket,
  }: { readonly requestId: string; readonly callerId: string; readonly isSocket: boolean },
): PlaceRequest {
  const hint = request.headers["x-fal-runner-hint"];
  return { requestId, caller: callerId, isSocket, hint: typeof hint === "string" ? hint : undefined };
}

function asGatewayError(error: unknown): GatewayError {
  return (
    knownError(error) ??
    new GatewayError("internal_error", "The platform failed to handle the request; its log says why.")
  );
}

function refuseUpgrade(socket: Duplex, error: GatewayError, requestId: string): void {
  if (socket.destroyed) return;
  const body = error.body();
  socket.end(
    [
      `HTTP/1.1 ${error.status} Refused`,
      "connection: close",
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(body)}`,
      `x-fal-request-id: ${requestId}`,
      `x-fal-error-type: ${error.type}`,
      ...Object.entries(error.headers).map(([name, value]) => `${name}: ${value}`),
      "",
      body,
    ].join("\r\n"),
  );
}
