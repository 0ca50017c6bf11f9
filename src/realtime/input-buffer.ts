import type { Clock } from "../dispatch/clock.ts";
import type { Frame } from "./connection.ts";
import { ENDLESS_MEMORY, type SharedMemory } from "./route.ts";

/** An input that waits for its turn. */
export interface WaitingInput {
  readonly frame: Frame;
  /** When it came, by the clock. In milliseconds. */
  readonly arrivedAt: number;
}

/** Why no further input comes: silence, the caller's close frame, a stop of the server, a lost connection. */
export type InputEnd = "idle" | "closed" | "stopped" | "gone";

/** How many inputs may wait. */
export interface BufferLimits {
  /** Keep so many, the newest; undefined: keep all, and hold the sender back when there are too many. */
  readonly keep: number | undefined;
  readonly maxCount: number;
  readonly maxBytes: number;
  /** Silence ends the inputs after so long; undefined: never. */
  readonly idleMs: number | undefined;
}

/** What the buffer tells its session. */
export interface InputEvents {
  /** An input was discarded: for a newer one, or because nobody will look at it. */
  onDropped(): void;
  /** No more room: the sender should be held back. */
  onFull(): void;
  /** There is room again. */
  onRoom(): void;
}

/** So much of the memory that all share is for messages on their way: sessions with inputs that wait take no more then. */
const RESERVE = 1 / 4;

/** The inputs of a session between the connection and the handler. */
export class InputBuffer {
  readonly #limits: BufferLimits;
  readonly #events: InputEvents;
  readonly #clock: Clock;
  readonly #memory: SharedMemory;
  /** What those that were taken hold, until others are taken. In bytes. */
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

  /** How many inputs wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Why nothing more comes in; undefined as long as more can. */
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

  /** Whatever waits and whatever comes from now on is dropped: nobody will read it. */
  refuse(): void {
    this.#refusing = true;
    while (this.#discard() !== undefined) this.#events.onDropped();
  }

  /**
   * Takes more memory for what was taken last, until something else is. False when there is no room for it.
   */
  weigh(bytes: number): boolean {
    if (!this.#memory.take(bytes)) return false;
    this.#inHand += bytes;
    return true;
  }

  /** The session is over: nothing of it is in memory any more. */
  clear(): void {
    this.#letGo();
    while (this.#discard() !== undefined);
  }

  /** Nothing more comes in. Inputs that wait are still handed out, unless the reason makes them pointless. */
  end(reason: InputEnd): void {
    if (this.#end !== undefined && reason !== "gone") return;
    this.#end = reason;
    this.#wakeUp();
  }

  /** The next input without waiting, left in place. */
  peek(): WaitingInput | undefined {
    return this.#waiting[0];
  }

  /** Takes the next input that {@link peek} showed. */
  shift(): WaitingInput | undefined {
    return this.#remove();
  }

  /** The next input, or the reason why none comes; undefined when it is a matter of waiting. */
  poll(): WaitingInput | InputEnd | undefined {
    this.#letGo();
    if (this.#end === "gone" || this.#end === "stopped") return this.#end;
    const input = this.#remove();
    if (input !== undefined) return input;
    if (this.#end === undefined && this.#leftMs() <= 0) this.#end = "idle";
    return this.#end;
  }

  /** Waits for the next input, or for the reason why none comes. Who takes at the same time shares the inputs. */
  async take(): Promise<WaitingInput | InputEnd> {
    for (;;) {
      const next = this.poll();
      if (next !== undefined) return next;
      await this.#change();
    }
  }

  /** How long silence may last from now on. */
  #leftMs(): number {
    const { idleMs } = this.#limits;
    return idleMs === undefined ? Infinity : this.#lastInputAt + idleMs - this.#clock.now();
  }

  /** Resolves at the next input or end, or when silence has lasted too long. */
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

  #letGo(): void {
    if (this.#inHand > 0) this.#memory.free(this.#inHand);
    this.#inHand = 0;
  }

  /** Removes an input that nobody looks at. */
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
    // Only once half is gone: to stop and start the connection for each input would cost more than it saves.
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
