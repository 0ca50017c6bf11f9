import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyReply } from "fastify";
import type { Clock } from "../dispatch/clock.ts";

const MAX_WRITES_A_TURN = 64;

/**
 * Writes server-sent events. The head of the answer waits for the first item, so that an error before it still gets
 * a status of its own; but no longer than one heartbeat, since proxies cut connections that stay silent.
 */
export class EventStream {
  readonly #reply: FastifyReply;
  readonly #clock: Clock;
  readonly #heartbeatMs: number;
  readonly #applyHeaders: () => void;
  #cancelBeat: () => void;
  #begun = false;
  #writesThisTurn = 0;
  #lastWriteAt: number;

  constructor(reply: FastifyReply, clock: Clock, heartbeatMs: number, applyHeaders: () => void) {
    this.#reply = reply;
    this.#clock = clock;
    this.#heartbeatMs = heartbeatMs;
    this.#applyHeaders = applyHeaders;
    this.#lastWriteAt = clock.now();
    this.#cancelBeat = clock.after(heartbeatMs, this.#beat);
  }

  /** The head is out: errors can only be told as events. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Sends one item; resolves when the caller's connection takes more. */
  async send(json: string): Promise<void> {
    await this.#write(`data: ${json}\n\n`);
  }

  async sendError(body: object, status: number): Promise<void> {
    await this.#write(`event: error\ndata: ${JSON.stringify({ ...body, status })}\n\n`);
  }

  /** Ends the answer; a stream without items is an empty one. */
  end(): void {
    this.cancel();
    const { raw } = this.#reply;
    if (raw.destroyed) {
      if (!this.#begun) this.#reply.hijack();
      return;
    }
    this.#begin();
    raw.end();
  }

  /** Stops the heartbeat; the answer is left to somebody else. */
  cancel(): void {
    this.#cancelBeat();
  }

  readonly #beat = (): void => {
    const silentMs = this.#clock.now() - this.#lastWriteAt;
    // A reader that is behind has more to read than a comment.
    if (silentMs >= this.#heartbeatMs && !this.#reply.raw.writableNeedDrain)
      void this.#write(": heartbeat\n\n");
    const dueMs = this.#heartbeatMs - (this.#clock.now() - this.#lastWriteAt);
    this.#cancelBeat = this.#clock.after(dueMs > 0 ? dueMs : this.#heartbeatMs, this.#beat);
  };

  async #write(text: string): Promise<void> {
    const { raw } = this.#reply;
    if (raw.destroyed) return;
    this.#begin();
    this.#lastWriteAt = this.#clock.now();
    if (raw.write(text)) {
      // A generator that never waits would keep every other connection from its turn.
      if (++this.#writesThisTurn >= MAX_WRITES_A_TURN) {
        await nextTurn();
        this.#writesThisTurn = 0;
      }
      return;
    }
    const stop = new AbortController();
    const { signal } = stop;
    try {
      await Promise.race([once(raw, "drain", { signal }), once(raw, "close", { signal })]);
    } finally {
      stop.abort();
    }
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#applyHeaders();
    const reply = this.#reply
      .header("content-type", "text/event-stream; charset=utf-8")
      .header("cache-control", "no-cache")
      .header("x-accel-buffering", "no");
    reply.hijack();
    reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>);
    reply.raw.flushHeaders();
  }
}
