import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../dispatch/clock.ts";
import { RequestCancelledException } from "../../errors.ts";
import { isWebsocket } from "./websocket-marks.ts";

/** Time that a new connection has to begin its request while the server stops, in ms. */
const FRESH_MS = 500;
/** Time without progress after which a body or an answer is abandoned while the server stops, in ms. */
const SILENT_MS = 2_000;
/** Interval at which a stopping server checks its connections, in ms. */
const SWEEP_MS = 100;
/** Checks per send timeout: a stalled connection is closed at most one check late. */
const CHECKS = 4;

/** The last observation of a connection. */
interface Observed {
  readonly acceptedAt: number;
  received: number;
  receivedAt: number;
  sent: number;
  /** Time since which the client has read nothing of the pending data; undefined if nothing is pending. */
  stalledAt: number | undefined;
}

/** The event with which a server announces a connection on which HTTP is read: with TLS, after the handshake. */
export type ConnectionEvent = "connection" | "secureConnection";

/** Options of {@link Connections}. */
interface ConnectionsOptions {
  readonly server: Server;
  readonly event: ConnectionEvent;
  readonly clock: Clock;
  /** A connection is closed if its client reads nothing for this time. */
  readonly sendTimeoutMs: number;
  /** Called for each connection that is closed because of a stalled client. */
  onStalled(): void;
}

/**
 * The open connections of a server, whatever their protocol. Closes stalled connections and, once the server stops,
 * every connection without a running call. Checks periodically, so requests pay nothing.
 */
export class Connections {
  readonly #open = new Map<Socket, Observed>();
  /** Connections whose TLS handshake is not done, with the time at which they were accepted. */
  readonly #handshakes = new Map<Socket, number>();
  readonly #options: ConnectionsOptions;
  #cancelCheck: (() => void) | undefined;
  #stopping = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    options.server.on(options.event, this.#onConnection);
    if (options.event === "secureConnection") options.server.on("connection", this.#onHandshake);
  }

  /** The number of open connections. */
  get count(): number {
    return this.#open.size;
  }

  /** From now on only connections with a running call are kept open. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    // Data that has already reached this machine is read first.
    setImmediate(() => setImmediate(this.#release));
  }

  /** Answers all unanswered requests with 503. */
  refuseAll(): void {
    for (const socket of this.#open.keys()) {
      const answer = answerInProgress(socket);
      if (answer !== undefined && !isWebsocket(socket)) refuse(answer, socket);
    }
  }

  /** Closes all connections, whatever their state. */
  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
    for (const socket of this.#handshakes.keys()) socket.destroy();
  }

  readonly #onHandshake = (socket: Socket): void => {
    this.#handshakes.set(socket, this.#options.clock.now());
    socket.once("close", () => this.#handshakes.delete(socket));
  };

  readonly #onConnection = (socket: Socket): void => {
    this.#handshakes.delete((socket as WithInternals)._parent ?? socket);
    if (this.#open.has(socket)) return; // handed back to the server after a declined upgrade
    const now = this.#options.clock.now();
    this.#open.set(socket, { acceptedAt: now, received: 0, receivedAt: now, sent: 0, stalledAt: undefined });
    socket.once("close", () => {
      this.#open.delete(socket);
      if (this.#open.size > 0) return;
      this.#cancelCheck?.();
      this.#cancelCheck = undefined;
    });
    this.#cancelCheck ??= this.#planCheck();
  };

  #planCheck(): () => void {
    return this.#options.clock.after(this.#options.sendTimeoutMs / CHECKS, this.#check);
  }

  readonly #check = (): void => {
    const { clock, sendTimeoutMs, onStalled } = this.#options;
    const now = clock.now();
    for (const [socket, seen] of this.#open) {
      if (stalledFor(socket, seen, now) < sendTimeoutMs) continue;
      onStalled();
      socket.destroy(
        new RequestCancelledException(`The client read nothing of its answer for ${sendTimeoutMs} ms.`),
      );
    }
    this.#cancelCheck = this.#open.size > 0 ? this.#planCheck() : undefined;
  };

  readonly #release = (): void => {
    const { clock } = this.#options;
    const now = clock.now();
    // Websockets are closed by their own sessions.
    for (const [socket, seen] of this.#open) if (!isWebsocket(socket)) release(socket, seen, now);
    for (const [socket, acceptedAt] of this.#handshakes) if (now - acceptedAt >= FRESH_MS) socket.destroy();
    const isOver = this.#open.size === 0 && this.#handshakes.size === 0 && !this.#options.server.listening;
    if (!isOver) clock.after(SWEEP_MS, this.#release);
  };
}

/** Closes a connection of a stopping server, unless a call is running on it. */
function release(socket: Socket, seen: Observed, now: number): void {
  const answer = answerInProgress(socket);
  const stalledMs = stalledFor(socket, seen, now);
  if (answer === undefined) {
    const isSent = seen.stalledAt === undefined;
    if (isSent ? now - seen.acceptedAt >= FRESH_MS : stalledMs >= SILENT_MS) socket.destroy();
  } else if (answer.writableEnded) {
    if (stalledMs >= SILENT_MS) socket.destroy();
  } else if (!answer.req.complete && silentFor(socket, seen, now) >= SILENT_MS) {
    refuse(answer, socket);
  }
}

/** Time since the last observed input, in ms. */
function silentFor(socket: Socket, seen: Observed, now: number): number {
  const { bytesRead = seen.received } = handleOf(socket);
  if (bytesRead !== seen.received) {
    seen.received = bytesRead;
    seen.receivedAt = now;
  }
  return now - seen.receivedAt;
}

/** Time for which pending output has made no observed progress, in ms. */
function stalledFor(socket: Socket, seen: Observed, now: number): number {
  const { writeQueueSize = 0, bytesWritten = 0 } = handleOf(socket);
  const sent = bytesWritten - writeQueueSize;
  if (writeQueueSize === 0) seen.stalledAt = undefined;
  else if (seen.stalledAt === undefined || sent !== seen.sent) seen.stalledAt = now;
  seen.sent = sent;
  return seen.stalledAt === undefined ? 0 : now - seen.stalledAt;
}

/** The system's part of a connection: with TLS, that of the connection below. */
function handleOf(socket: Socket): Handle {
  const { _handle: handle } = socket as WithInternals;
  return handle?._parent ?? handle ?? {};
}

/**
 * Internals that Node's own socket timeouts rely on: only the system's handle knows how much of a large chunk has been
 * sent. No public API tells a slow client from a stalled one, or leads from a TLS socket to the accepted one.
 */
type WithInternals = Socket & { readonly _handle?: Handle | null; readonly _parent?: Socket | null };

interface Handle {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
  /** The handle below, with TLS. */
  readonly _parent?: Handle;
}

/** Answers with 503 unless an answer has begun, and closes the connection. */
function refuse(answer: ServerResponse, socket: Socket): void {
  if (answer.headersSent || answer.writableEnded) return;
  const body = '{"detail":"The server stopped before the request was done."}';
  const headers = { "content-type": "application/json", connection: "close" };
  answer.writeHead(503, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
  answer.once("finish", () => socket.destroySoon());
}

/** The next answer due on a connection; undefined if no request is pending. */
export function answerInProgress(socket: Socket): ServerResponse | undefined {
  // Node has no public API from a connection to its answer, and tracking each request would cost each request.
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}
