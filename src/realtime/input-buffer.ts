import type { Clock } from "../dispatch/clock.ts";
import type { Frame } from "./connection.ts";
import { ENDLESS_MEMORY, type SharedMemory } from "./route.ts";

/** A queued input. */
export interface WaitingInput {
  readonly frame: Frame;
  /** Arrival time on the clock, in milliseconds. */
  readonly arrivedAt: number;
}

/** Why the inputs ended: idle timeout, the caller's close frame, a stop of the server, or a lost connection. */
export type InputEnd = "idle" | "closed" | "stopped" | "gone";

/** Limits of queued inputs. */
export interface BufferLimits {
  /** Maximum number of inputs to keep, the newest; undefined: keep all, with back-pressure at the other limits. */
  readonly keep: number | undefined;
  readonly maxCount: number;
  readonly maxBytes: number;
  /** Maximum time without an input, in milliseconds; undefined for no limit. */
  readonly idleMs: number | undefined;
}

/** Callbacks of the buffer. */
export interface InputEvents {
  /** An input was discarded: for a newer one, or because it will not be handled. */
  onDropped(): void;
  /** The buffer is full: stop reading from the sender. */
  onFull(): void;
  /** The buffer has room again. */
  onRoom(): void;
}

/**
 * Share of the shared memory that is reserved for messages in transit: sessions with queued inputs stop reading then.
 */
const RESERVE = 1 / 4;

/** Queues the inputs of a session between the connection and the handler. */
export class InputBuffer {
  readonly #limits: BufferLimits;
  readonly #events: InputEvents;
  readonly #clock: Clock;
  readonly #memory: SharedMemory;
  /** Memory of the inputs taken last, held until the next are taken. In bytes. */
  #inHand = 0;
  readonly #waiting: WaitingInput[] = [];
  #bytes = 0;
  #full = false;
  #refusing = false;
  #end: InputEnd | undefined;
  #lastInputAt: number;
  #wake: (() => void) | undefined;

  constructor(
    limits: BufferLimits,
    events: InputEvents,
    clock: Clock,
    memory: SharedMemory = ENDLESS_MEMORY,
  ) {
    this.#memory = memory;
    this.#limits = limits;
    this.#events = events;
    this.#clock = clock;
    this.#lastInputAt = clock.now();
  }

  /** Number of queued inputs. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Why the inputs ended; undefined while more can arrive. */
  get ended(): InputEnd | undefined {
    return this.#end;
  }

  push(frame: Frame): void {
    if (this.#end === "closed" || this.#end === "gone") return;
    if (this.#end !== undefined || this.#refusing) {
      this.#events.onDropped();
      return;
    }
    this.#lastInputAt = this.#clock.now();
    this.#waiting.push({ frame, arrivedAt: this.#lastInputAt });
    const size = frameBytes(frame);
    this.#bytes += size;
    this.#memory.hold(size);
    const { keep, maxCount, maxBytes } = this.#limits;
    while (keep !== undefined && this.#waiting.length > keep) {
      this.#discard();
      this.#events.onDropped();
    }
    const isLast =
      this.#waiting.length >= maxCount ||
      this.#bytes >= maxBytes ||
      !this.#memory.hasRoom(this.#memory.maxBytes * RESERVE);
    if (!this.#full && isLast) {
      this.#full = true;
      this.#events.onFull();
    }
    this.#wakeUp();
  }

  /** Drops all queued and all later inputs: they will not be read. */
  refuse(): void {
    this.#refusing = true;
    while (this.#discard() !== undefined) this.#events.onDropped();
  }

  /** Reserves more memory for the inputs taken last. Returns false if there is not enough. */
  reserve(bytes: number): boolean {
    if (!this.#memory.take(bytes)) return false;
    this.#inHand += bytes;
    return true;
  }

  /** Discards all inputs and frees their memory, at the end of the session. */
  clear(): void {
    this.#release();
    while (this.#discard() !== undefined);
  }

  /** Ends the inputs. Queued ones are still returned, except after a stop or a lost connection. */
  end(reason: InputEnd): void {
    if (this.#end !== undefined && reason !== "gone") return;
    this.#end = reason;
    this.#wakeUp();
  }

  /** The next input without waiting; it stays queued. */
  peek(): WaitingInput | undefined {
    return this.#waiting[0];
  }

  /** Takes the next input that {@link peek} showed. */
  shift(): WaitingInput | undefined {
    return this.#remove();
  }

  /** The next input, or why the inputs ended; undefined if the caller has to wait. */
  poll(): WaitingInput | InputEnd | undefined {
    this.#release();
    if (this.#end === "gone" || this.#end === "stopped") return this.#end;
    const input = this.#remove();
    if (input !== undefined) return input;
    if (this.#end === undefined && this.#leftMs() <= 0) this.#end = "idle";
    return this.#end;
  }

  /** Waits for the next input or the end. Each input goes to one of several concurrent callers. */
  async take(): Promise<WaitingInput | InputEnd> {
    for (;;) {
      const next = this.poll();
      if (next !== undefined) return next;
      await this.#change();
    }
  }

  /** Time until the idle timeout. */
  #leftMs(): number {
    const { idleMs } = this.#limits;
    return idleMs === undefined ? Infinity : this.#lastInputAt + idleMs - this.#clock.now();
  }

  /** Resolves at the next input, the end or the idle timeout. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const leftMs = this.#leftMs();
      const cancel = leftMs === Infinity ? undefined : this.#clock.after(leftMs, resolve);
      const wakeOthers = this.#wake;
      this.#wake = () => {
        wakeOthers?.();
        cancel?.();
        resolve();
      };
    });
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #release(): void {
    if (this.#inHand > 0) this.#memory.free(this.#inHand);
    this.#inHand = 0;
  }

  /** Removes an input that will not be handled. */
  #discard(): WaitingInput | undefined {
    const inHand = this.#inHand;
    const input = this.#remove();
    this.#memory.free(this.#inHand - inHand);
    this.#inHand = inHand;
    return input;
  }

  #remove(): WaitingInput | undefined {
    const input = this.#waiting.shift();
    if (input === undefined) return undefined;
    const size = frameBytes(input.frame);
    this.#bytes -= size;
    this.#inHand += size;
    const { maxCount, maxBytes } = this.#limits;
    // Resume at half: pausing and resuming the connection for each input would cost more than it saves.
    if (this.#full && this.#waiting.length <= maxCount / 2 && this.#bytes <= maxBytes / 2) {
      this.#full = false;
      this.#events.onRoom();
    }
    return input;
  }
}

export function frameBytes(frame: Frame): number {
  return typeof frame === "string" ? frame.length * 2 : frame.byteLength;
}
