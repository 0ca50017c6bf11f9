import type { Clock } from "../dispatch/clock.ts";
import { answerFor, asError } from "../answers.ts";
import { ERRORS, OverloadException, RequestCancelledException, SessionTimeoutException } from "../errors.ts";
import { BYTES_PER_VALUE } from "../json/scan.ts";
import { AbortableWait } from "./abortable-wait.ts";
import { CLOSE_NORMAL, CLOSE_RESTART, FrameSink, type Frame, type FrameConnection } from "./connection.ts";
import { Heartbeat } from "./heartbeat.ts";
import { InputBuffer, type InputEnd } from "./input-buffer.ts";
import { droppedInputsMessage, END_MESSAGE, failureMessage, TIMEOUT_MESSAGE } from "./messages.ts";
import { RUNNERS } from "./modes.ts";
import { MessagePackError, TOO_MANY_VALUES } from "./msgpack.ts";
import {
  ENDLESS_MEMORY,
  type RealtimeRoute,
  type SessionCounts,
  type SessionLimits,
  type SharedMemory,
} from "./route.ts";
import { SessionContext, type UpgradeRequest } from "./session-context.ts";
import type { Logger } from "pino";

/**
 * Memory for the values of an input is reserved only if they take at least this number of bytes, in addition to the
 * frame.
 */
const LIGHT_BYTES = 16_384;

/** Why a session ended: the end of its inputs, a finished stream, or a failure. */
export type SessionEnd = InputEnd | "finished" | "failed";

/** A realtime session over any bidirectional connection for frames. */
export class RealtimeSession {
  /** Resolves when the connection is closing and the handler is released. */
  readonly finished: Promise<SessionEnd>;
  readonly #connection: FrameConnection;
  readonly #controller = new AbortController();
  readonly #inputs: InputBuffer;
  readonly #heartbeat: Heartbeat;
  readonly #counts: SessionCounts;
  readonly #sink: FrameSink;
  readonly #context: SessionContext;
  readonly #route: RealtimeRoute;
  readonly #memory: SharedMemory;
  #dropped = 0;
  #peerClosing = false;
  #gone = false;

  constructor(parts: {
    route: RealtimeRoute;
    connection: FrameConnection;
    request: UpgradeRequest;
    limits: SessionLimits;
    clock: Clock;
    log: Logger;
    counts: SessionCounts;
    /** Default: unlimited. */
    memory?: SharedMemory;
  }) {
    const { route, connection, limits, clock, counts, memory = ENDLESS_MEMORY } = parts;
    this.#memory = memory;
    this.#route = route;
    this.#connection = connection;
    this.#counts = counts;
    this.#context = new SessionContext(parts.request, this.#controller.signal, parts.log);
    this.#heartbeat = new Heartbeat(
      limits.heartbeatMs,
      clock,
      () => connection.ping(),
      () => {
        connection.terminate();
        this.disconnected();
      },
    );
    this.#sink = new FrameSink(connection, this.#controller.signal, counts);
    this.#inputs = new InputBuffer(
      {
        keep: bufferingOf(parts.request) ?? route.buffering,
        maxCount: limits.maxWaitingInputs,
        maxBytes: limits.maxWaitingBytes,
        idleMs: route.sessionTimeoutMs,
        isTimed: route.emitTimings || route.share !== undefined,
      },
      {
        onDropped: () => this.#onDropped(),
        onFull: () => {
          connection.pause();
          this.#heartbeat.pause(true);
        },
        onRoom: () => {
          connection.resume();
          this.#heartbeat.pause(false);
        },
      },
      clock,
      memory,
    );
    this.finished = this.#run(clock);
  }

  /** Handles a received frame. */
  receive(frame: Frame): void {
    this.#heartbeat.alive();
    this.#counts.received();
    this.#inputs.push(frame);
  }

  /** Handles the answer to a ping. */
  pong(): void {
    this.#heartbeat.alive();
  }

  /**
   * Handles the caller's close frame, after which no further input arrives. Only modes that take a stream of inputs
   * still send results.
   */
  closing(): void {
    this.#peerClosing = true;
    this.#heartbeat.pause(true); // nothing is read after a close frame, not even answers to pings
    const { mode } = this.#route;
    this.#inputs.end("closed");
    if (mode === "unary" || mode === "server_streaming") {
      this.#controller.abort(new RequestCancelledException());
    }
  }

  /** Handles a lost connection. */
  disconnected(): void {
    this.#gone = true;
    this.#inputs.end("gone");
    this.#controller.abort(new RequestCancelledException());
  }

  /** Stops the session: the current call finishes, and no other starts. */
  stop(): void {
    this.#inputs.end("stopped");
  }

  /** Aborts the session, when the server's grace period is over. */
  abort(reason: unknown): void {
    this.#inputs.end("stopped");
    this.#controller.abort(reason);
  }

  async #run(clock: Clock): Promise<SessionEnd> {
    let end: SessionEnd;
    let failure: unknown;
    try {
      end = await RUNNERS[this.#route.mode]({
        route: this.#route,
        context: this.#context,
        inputs: this.#inputs,
        sink: this.#sink,
        waiter: new AbortableWait(this.#controller.signal),
        clock,
        admit: (values) => this.#admit(values),
      });
      // A stream that ended is complete even if the server stops; sessions of other modes have lost inputs.
      const cutShort = this.#inputs.ended === "stopped" && this.#route.mode !== "server_streaming";
      if (end === "finished" && cutShort) end = "stopped";
      if (this.#gone) end = "gone"; // the connection was lost while the last output was sent
    } catch (error) {
      end = this.#gone ? "gone" : this.#peerClosing ? "closed" : "failed";
      this.#logFailure(error);
      failure = error;
    }
    this.#heartbeat.stop();
    this.#sendEnd(end, failure);
    this.#inputs.end("gone");
    this.#inputs.clear();
    this.#controller.abort(this.#reasonOf(end));
    return end;
  }

  /** Reserves memory for the values of an input before they are built. */
  #admit(values: number): void {
    const bytes = values * BYTES_PER_VALUE;
    if (bytes < LIGHT_BYTES || this.#inputs.reserve(bytes)) return;
    if (bytes > this.#memory.maxBytes) throw new MessagePackError(TOO_MANY_VALUES);
    const message = "Too much is being sent at a time; try again later.";
    throw new OverloadException(message, ERRORS.OVERLOADED.status, 1_000, "OVERLOADED");
  }

  #reasonOf(end: SessionEnd): Error {
    const { sessionTimeoutMs } = this.#route;
    if (end !== "idle" || sessionTimeoutMs === undefined) {
      return new RequestCancelledException("The session is over.");
    }
    this.#counts.timedOut();
    return new SessionTimeoutException(sessionTimeoutMs);
  }

  #sendEnd(end: SessionEnd, failure: unknown): void {
    if (end === "gone") return;
    if (end === "stopped" || end === "finished") {
      const unread = this.#inputs.length;
      this.#dropped += unread;
      this.#counts.dropped(unread);
    }
    this.#reportDropped();
    if (end === "failed") this.#sink.control(failureMessage(failure));
    if (end === "idle") this.#sink.control(TIMEOUT_MESSAGE);
    if (end === "finished") this.#sink.control(END_MESSAGE);
    this.#connection.close(end === "stopped" ? CLOSE_RESTART : CLOSE_NORMAL);
  }

  #onDropped(): void {
    this.#counts.dropped(1);
    this.#dropped++;
    // One message covers all inputs dropped in this turn.
    if (this.#dropped === 1) setImmediate(() => this.#reportDropped());
  }

  #reportDropped(): void {
    if (this.#dropped > 0) this.#sink.control(droppedInputsMessage(this.#dropped));
    this.#dropped = 0;
  }

  #logFailure(error: unknown): void {
    if (this.#gone || this.#peerClosing || !answerFor(error).unexpected) return;
    this.#context.log.error({ err: asError(error) }, `${this.#route.methodName}() failed`);
  }
}

/** The query parameter `max_buffering`, 1 to 60, overrides the route's setting for this connection. */
function bufferingOf(request: UpgradeRequest): number | undefined {
  const value = Number(request.query["max_buffering"]);
  return Number.isInteger(value) && value >= 1 && value <= 60 ? value : undefined;
}
