import { once } from "node:events";
import { OutgoingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { PassThrough } from "node:stream";
import type { FastifyReply } from "fastify";
import type { Clock } from "../../dispatch/clock.ts";
import type { StreamEvent } from "../../routes/stream-event.ts";
import type { StreamFormat } from "./stream-format.ts";

/** Number of items after which other connections get their turn. */
const MAX_ITEMS_A_TURN = 64;

/**
 * Writes the items of a stream. The head of the answer is sent with the first item, so that an earlier error still gets
 * its own status, but after one heartbeat at the latest, since proxies close silent connections.
 *
 * Items are written at the end of the operation that made them ready, so those that are ready together leave in one
 * write, and one that is alone does not wait. No more text is collected than the connection accepts.
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
  #makesChunks = false;
  #itemsThisTurn = 0;
  #lastWriteAt: number;
  /** The text of items that are not written yet. */
  #collected = "";
  /** The length of text that the connection accepted when the first of these items came. */
  #room = 0;
  /** The connection while it keeps back what Node would send before the collected items. */
  #corked: Socket | undefined;

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

  /** Sends one item, given as JSON. False: wait for {@link whenReady} before the next one. */
  send(json: string): boolean {
    return this.#add(this.#format.item(json));
  }

  /** Sends one event, unless the format can't carry it. False: as for {@link send}. */
  sendEvent(event: StreamEvent<unknown>, serialize: (data: unknown) => string): boolean {
    return this.#add(this.#format.event(event, serialize));
  }

  /** Resolves when the connection accepts more items, and other connections have had their turn; also if it closes. */
  whenReady(): Promise<void> {
    const out = this.#out;
    return new Promise((resolve) => {
      if (!out.writableNeedDrain) {
        setImmediate(() => {
          this.#itemsThisTurn = 0;
          resolve();
        });
        return;
      }
      const go = (): void => {
        out.off("drain", go).off("close", go);
        resolve();
      };
      out.on("drain", go).on("close", go);
    });
  }

  /**
   * Sends an error as the last event or line, then breaks the connection: clients that ignore error events would mistake a
   * regular end for success.
   */
  async fail(body: object, status: number): Promise<void> {
    this.cancel();
    const { raw } = this.#reply;
    if (raw.destroyed) return;
    const text = this.#takeCollected() + this.#format.error({ ...body, status });
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
    const last = this.#takeCollected();
    if (last === "") this.#out.end();
    else this.#out.end(last);
  }

  /** Stops the heartbeat; the answer is sent by other code. */
  cancel(): void {
    this.#cancelBeat();
  }

  get #out(): PassThrough | ServerResponse {
    return this.#hooked ?? this.#reply.raw;
  }

  readonly #beat = (): void => {
    const silentMs = this.#clock.now() - this.#lastWriteAt;
    // A slow client has unread data and needs no comment.
    if (silentMs >= this.#heartbeatMs && !this.#out.writableNeedDrain) this.#add(this.#format.heartbeat);
    const dueMs = this.#heartbeatMs - (this.#clock.now() - this.#lastWriteAt);
    this.#cancelBeat = this.#clock.after(dueMs > 0 ? dueMs : this.#heartbeatMs, this.#beat);
  };

  #add(text: string): boolean {
    // A generator that never waits would starve all other connections.
    const hasTurn = ++this.#itemsThisTurn < MAX_ITEMS_A_TURN;
    const out = this.#out;
    if (text === "" || out.destroyed) return hasTurn;
    this.#begin();
    if (this.#collected === "") {
      this.#lastWriteAt = this.#clock.now();
      const socket = this.#hooked === undefined ? this.#reply.raw.socket : null;
      // Node sends the first item at the end of this operation, so only the items after it are collected.
      if (socket?.writableCorked === 0) return this.#write(text) && hasTurn;
      this.#room = out.writableHighWaterMark - out.writableLength;
      this.#plan(socket);
    }
    this.#collected += text;
    if (this.#collected.length >= this.#room) this.#flush();
    return hasTurn && !out.writableNeedDrain;
  }

  /** Writes the collected items once all that are ready now have come. */
  #plan(socket: Socket | null): void {
    if (socket !== null && socket.writableCorked > 0 && this.#corked === undefined) {
      socket.cork();
      this.#corked = socket;
    }
    process.nextTick(this.#flushAll);
  }

  #flush(): void {
    const text = this.#takeCollected();
    if (text !== "" && !this.#out.destroyed) this.#write(text);
  }

  #write(text: string): boolean {
    const { raw } = this.#reply;
    if (this.#makesChunks) return writeChunk(raw, text);
    const accepts = this.#out.write(text);
    // From the second item on: the first leaves together with the head.
    this.#makesChunks = this.#hooked === undefined && canTakeChunks(raw);
    return accepts;
  }

  readonly #flushAll = (): void => {
    this.#flush();
    this.#corked?.uncork();
    this.#corked = undefined;
  };

  #takeCollected(): string {
    const text = this.#collected;
    this.#collected = "";
    return text;
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
  }
}

/** Whether {@link writeChunk} can be used: not if the client does not know chunks, or if other code takes what is written. */
function canTakeChunks(raw: ServerResponse): boolean {
  return raw.chunkedEncoding && raw.write === OutgoingMessage.prototype.write;
}

/**
 * Writes text as one chunk. Node passes the length, the text and their line breaks to the system as four parts, which
 * takes a quarter of the time of an item.
 */
function writeChunk(raw: ServerResponse, text: string): boolean {
  raw.chunkedEncoding = false;
  const accepts = raw.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
  raw.chunkedEncoding = true;
  return accepts;
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
