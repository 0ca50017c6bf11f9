import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyReply } from "fastify";
import type { Clock } from "../../dispatch/clock.ts";

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

  /**
   * Tells an error as the last event, and then breaks the connection: clients that know nothing of such events would take
   * a proper end for success.
   */
  async fail(body: object, status: number): Promise<void> {
    this.cancel();
    const { raw } = this.#reply;
    if (raw.destroyed) return;
    const text = `event: error\ndata: ${JSON.stringify({ ...body, status })}\n\n`;
    await new Promise<void>((resolve) => {
      raw.once("close", resolve);
      raw.write(text, () => resolve());
    });
    breakOff(raw, this.#clock);
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

/** Without chunks, a client is left so long with what it got before its connection is reset, in milliseconds. */
const RESET_AFTER_MS = 500;

/** Closes the connection of an answer that has not ended, so that its reader sees that it is not whole. */
function breakOff(raw: ServerResponse, clock: Clock): void {
  const { socket } = raw;
  if (raw.destroyed || socket === null) return;
  if (!(socket instanceof Socket))
    raw.end(); // an answer to inject(), which has no connection
  else if (raw.chunkedEncoding) socket.destroySoon();
  else {
    // To HTTP/1.0 a closed connection is the proper end; a reset one drops what is still on its way.
    const cancel = clock.after(RESET_AFTER_MS, () => socket.resetAndDestroy());
    socket.once("close", cancel);
  }
}
