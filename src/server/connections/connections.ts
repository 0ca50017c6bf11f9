import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../dispatch/clock.ts";
import { RequestCancelledException } from "../../errors.ts";

/** While a server stops, a connection that was opened just now gets so long to begin its request, in milliseconds. */
const FRESH_MS = 500;
/** While a server stops, a body of which so long nothing came is not waited for, nor a reader who takes nothing. */
const SILENT_MS = 2_000;
/** A server that stops looks at its connections this often, in milliseconds. */
const SWEEP_MS = 100;
/** Looks a send timeout is divided into: a reader is cut that much too late at most. */
const CHECKS = 4;

/** What is known of a connection. */
interface Observed {
  readonly acceptedAt: number;
  received: number;
  receivedAt: number;
  sent: number;
  /** Since when it has taken nothing of what waits for it; undefined when nothing waits. */
  stalledAt: number | undefined;
}

/** What watching connections takes. */
export interface ConnectionsOptions {
  readonly server: Server;
  readonly clock: Clock;
  /** A reader who takes nothing for so long is cut. */
  readonly sendTimeoutMs: number;
  /** Websockets are ended by their own sessions. */
  isWebsocket(socket: Socket): boolean;
  /** Told of each reader who is cut. */
  onStalled(): void;
}

/**
 * The open connections of a server, of whatever protocol: cuts readers who take nothing, and lets go, when the server
 * stops, of all connections but those on which a call has begun. Costs a request nothing: it looks from time to time.
 */
export class Connections {
  readonly #open = new Map<Socket, Observed>();
  readonly #options: ConnectionsOptions;
  #cancelCheck: (() => void) | undefined;
  #stopping = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    options.server.on("connection", this.#onConnection);
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size;
  }

  /** From now on only connections with a begun call are kept. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    // What has reached this machine already is read first.
    setImmediate(() => setImmediate(this.#release));
  }

  /** Answers with 503 whatever has no answer yet. */
  refuseAll(): void {
    for (const socket of this.#open.keys()) {
      const answer = answerInProgress(socket);
      if (answer !== undefined && !this.#options.isWebsocket(socket)) refuse(answer, socket);
    }
  }

  /** Ends all, whatever happens on them. */
  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  readonly #onConnection = (socket: Socket): void => {
    if (this.#open.has(socket)) return; // given back to the server after an offer that was passed over
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
        new RequestCancelledException(`The client took nothing of its answer for ${sendTimeoutMs} ms.`),
      );
    }
    this.#cancelCheck = this.#open.size > 0 ? this.#planCheck() : undefined;
  };

  readonly #release = (): void => {
    const { clock, isWebsocket } = this.#options;
    const now = clock.now();
    for (const [socket, seen] of this.#open) if (!isWebsocket(socket)) release(socket, seen, now);
    if (this.#open.size > 0 || this.#options.server.listening) clock.after(SWEEP_MS, this.#release);
  };
}

/** Ends a connection of a server that stops, unless a call has begun on it. */
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

/** For how long nothing has come in, in milliseconds, as far as was looked. */
function silentFor(socket: Socket, seen: Observed, now: number): number {
  const { bytesRead } = socket;
  if (bytesRead !== seen.received) {
    seen.received = bytesRead;
    seen.receivedAt = now;
  }
  return now - seen.receivedAt;
}

/** For how long something has waited to be sent of which nothing was taken, in milliseconds, as far as was looked. */
function stalledFor(socket: Socket, seen: Observed, now: number): number {
  const { writeQueueSize = 0, bytesWritten = 0 } = (socket as WithHandle)._handle ?? {};
  const sent = bytesWritten - writeQueueSize;
  if (writeQueueSize === 0) seen.stalledAt = undefined;
  else if (seen.stalledAt === undefined || sent !== seen.sent) seen.stalledAt = now;
  seen.sent = sent;
  return seen.stalledAt === undefined ? 0 : now - seen.stalledAt;
}

/**
 * What Node's own timeouts of sockets go by: the system's handle alone knows how much of a large chunk is out. Nothing
 * that is public tells a slow reader from one who has stopped.
 */
type WithHandle = Socket & { readonly _handle?: { writeQueueSize?: number; bytesWritten?: number } | null };

/** Answers 503 where no answer has begun, and closes the connection. */
function refuse(answer: ServerResponse, socket: Socket): void {
  if (answer.headersSent || answer.writableEnded) return;
  const body = '{"detail":"The server stopped before the request was done."}';
  const headers = { "content-type": "application/json", connection: "close" };
  answer.writeHead(503, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
  answer.once("finish", () => socket.destroySoon());
}

/** The answer that is due next on a connection; undefined when no request waits for one. */
export function answerInProgress(socket: Socket): ServerResponse | undefined {
  // Node has no public way from a connection to its answer, and to follow each request would cost each request.
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}
