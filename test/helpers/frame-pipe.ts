import { once, EventEmitter } from "node:events";
import type { Frame, FrameConnection } from "../../src/realtime/connection.ts";
import { decodeMessagePack } from "../../src/realtime/msgpack.ts";

/** An in-memory duplex of frames, whose far end reads when the test says so. */
export class FramePipe implements FrameConnection {
  /** Everything sent: control messages parsed, results decoded. */
  readonly sent: unknown[] = [];
  /** The sent frames. */
  readonly frames: Frame[] = [];
  /** The code and reason of its close. */
  closedWith: number | undefined;
  terminated = false;
  paused = false;
  pings = 0;
  /** The number of unread frames that fit before the far end is behind. */
  capacity = Infinity;
  #unread = 0;
  readonly #events = new EventEmitter();

  get ended(): boolean {
    return this.closedWith !== undefined || this.terminated;
  }

  send(frame: Frame): boolean {
    if (this.ended) throw new Error("sent after the end");
    this.frames.push(frame);
    this.sent.push(typeof frame === "string" ? (JSON.parse(frame) as unknown) : decodeMessagePack(frame));
    this.#unread++;
    this.#events.emit("sent");
    return this.#unread < this.capacity;
  }

  async drained(): Promise<void> {
    if (!this.ended && this.#unread >= this.capacity) await once(this.#events, "drained");
  }

  /** The far end reads all frames. */
  read(): void {
    this.#unread = 0;
    this.#events.emit("drained");
  }

  /** Resolves once `count` frames were sent in total. */
  async sentCount(count: number): Promise<void> {
    while (this.frames.length < count) await once(this.#events, "sent");
  }

  ping(): void {
    this.pings++;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(code: number): void {
    if (this.ended) throw new Error("closed twice");
    this.closedWith = code;
    this.#events.emit("drained");
  }

  terminate(): void {
    this.terminated = true;
    this.#events.emit("drained");
  }

  /** The far end is disconnected: pending writes no longer wait for it. */
  disconnect(): void {
    this.terminate();
  }
}
