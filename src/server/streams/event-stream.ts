import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { PassThrough } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyReply } from "fastify";
import type { Clock } from "../../dispatch/clock.ts";
import type { StreamEvent } from "../../routes/stream-event.ts";
import type { StreamFormat } from "./stream-format.ts";

const MAX_WRITES_A_TURN = 64;

/**
 * Writes the items of a stream. The head of the answer is sent with the first item, so that an earlier error still gets
 * its own status, but after one heartbeat at the latest, since proxies close silent connections.
 */
export class EventStream {
  readonly #format: StreamFormat;
  readonly #reply: FastifyReply;
  readonly #clock: Clock;
  readonly #heartbeatMs: number;
  readonly #applyHeaders: () => number;
  /** The stream that is sent through the app's hooks; undefined if there are none, and the answer is written directly. */
  readonly #hooked: PassThrough | undefined;
  #cancelBeat: () => void;
  #begun = false;
  #writesThisTurn = 0;
  #lastWriteAt: number;

  /** @param hooked the stream to send through the app's hooks; undefined to write the answer directly */
  constructor(
    format: StreamFormat,
    reply: FastifyReply,
    clock: Clock,
    heartbeatMs: number,
    applyHeaders: () => number,
    hooked: PassThrough | undefined,
  ) {
    this.#format = format;
    this.#reply = reply;
    this.#hooked = hooked;
    this.#clock = clock;
    this.#heartbeatMs = heartbeatMs;
    this.#applyHeaders = applyHeaders;
    this.#lastWriteAt = clock.now();
    this.#cancelBeat = clock.after(heartbeatMs, this.#beat);
  }

  /** The head is sent: errors can only be reported as events. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Sends one item, given as JSON. Resolves when the connection accepts more. */
  async send(json: string): Promise<void> {
    await this.#write(this.#format.item(json));
  }

  /** Sends one event, unless the format can't carry it. Resolves when the connection accepts more. */
  async sendEvent(event: StreamEvent<unknown>, serialize: (data: unknown) => string): Promise<void> {
    const text = this.#format.event(event, serialize);
    if (text !== "") await this.#write(text);
  }

  /**
   * Sends an error as the last event or line, then breaks the connection: clients that ignore error events would mistake a
   * regular end for success.
   */
  async fail(body: object, status: number): Promise<void> {
    this.cancel();
    const { raw } = this.#reply;
    if (raw.destroyed) return;
    const text = this.#format.error({ ...body, status });
    if (this.#hooked !== undefined) return breakOffAfter(this.#hooked, text, raw, this.#clock);
    await new Promise<void>((resolve) => {
      raw.once("close", resolve);
      raw.write(text, () => resolve());
    });
    breakOff(raw, this.#clock);
  }

  /** Ends the answer; a stream without items is empty. */
  end(): void {
    this.cancel();
    const { raw } = this.#reply;
    if (raw.destroyed) {
      if (!this.#begun) this.#reply.hijack();
      return;
    }
    this.#begin();
    (this.#hooked ?? raw).end();
  }

  /** Stops the heartbeat; the answer is sent by other code. */
  cancel(): void {
    this.#cancelBeat();
  }

  readonly #beat = (): void => {
    const silentMs = this.#clock.now() - this.#lastWriteAt;
    // A slow client has unread data and needs no comment.
    const out = this.#hooked ?? this.#reply.raw;
    if (silentMs >= this.#heartbeatMs && !out.writableNeedDrain) void this.#write(this.#format.heartbeat);
    const dueMs = this.#heartbeatMs - (this.#clock.now() - this.#lastWriteAt);
    this.#cancelBeat = this.#clock.after(dueMs > 0 ? dueMs : this.#heartbeatMs, this.#beat);
  };

  async #write(text: string): Promise<void> {
    const out = this.#hooked ?? this.#reply.raw;
    if (out.destroyed) return;
    this.#begin();
    this.#lastWriteAt = this.#clock.now();
    if (out.write(text)) {
      // A generator that never waits would starve all other connections.
      if (++this.#writesThisTurn >= MAX_WRITES_A_TURN) {
        await nextTurn();
        this.#writesThisTurn = 0;
      }
      return;
    }
    const stop = new AbortController();
    const { signal } = stop;
    try {
      await Promise.race([once(out, "drain", { signal }), once(out, "close", { signal })]);
    } finally {
      stop.abort();
    }
  }

  #begin(): void {
    if (this.#begun) return;
    const status = this.#applyHeaders();
    this.#begun = true;
    const reply = this.#reply
      .header("content-type", this.#format.contentType)
      .header("cache-control", "no-cache")
      .header("x-accel-buffering", "no");
    if (this.#hooked !== undefined) {
      reply.code(status).send(this.#hooked);
      return;
    }
    reply.hijack();
    reply.raw.writeHead(status, reply.getHeaders() as Record<string, string>);
    reply.raw.flushHeaders();
  }
}

/**
 * Time after which the connection of an answer without chunked encoding is reset, in ms. The client needs it to read
 * the data already sent.
 */
const RESET_AFTER_MS = 500;

/** Sends a last text through the app's hooks, then breaks the connection instead of ending the answer. */
async function breakOffAfter(
  hooked: PassThrough,
  text: string,
  raw: ServerResponse,
  clock: Clock,
): Promise<void> {
  const { end } = raw;
  // Called once all that the hooks made of the stream is written.
  const breakInstead = (...args: unknown[]): ServerResponse => {
    raw.end = end;
    if (args.length > 0 && typeof args[0] !== "function")
      return Reflect.apply(end, raw, args) as ServerResponse;
    setImmediate(() => breakOff(raw, clock)); // Node writes chunks at the end of this turn
    return raw;
  };
  raw.end = breakInstead as ServerResponse["end"];
  const closed = once(raw, "close");
  hooked.end(text);
  await closed;
}

/** Breaks the connection of an incomplete answer, so that the client notices. */
export function breakOff(raw: ServerResponse, clock: Clock): void {
  const { socket } = raw;
  if (raw.destroyed || socket === null) return;
  if (!(socket instanceof Socket))
    raw.end(); // an answer to inject(), which has no connection
  else if (raw.chunkedEncoding || raw.hasHeader("content-length")) socket.destroySoon();
  else {
    // For HTTP/1.0 a closed connection is the regular end; a reset discards data in transit.
    const cancel = clock.after(RESET_AFTER_MS, () => socket.resetAndDestroy());
    socket.once("close", cancel);
  }
}
