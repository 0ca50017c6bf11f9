import type { Clock } from "../dispatch/clock.ts";
import type { Frame } from "./connection.ts";
import { ENDLESS_MEMORY, type SharedMemory } from "./route.ts";

/** A queued input. */
export interface WaitingInput {
  readonly frame: Frame;
  /** Arrival time on the clock, in milliseconds; 0 if the buffer records no times. */
  readonly arrivedAt: number;
}

/** A queued input, and the one behind it. */
interface Link extends WaitingInput {
  next: Link | undefined;
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
  /** Whether to record the time of each arrival. Default false. */
  readonly isTimed?: boolean;
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
  // A linked list: an array that is often empty is allocated again and again.
  #first: Link | undefined;
  #last: Link | undefined;
  #length = 0;
  #bytes = 0;
  #full = false;
  #refusing = false;
  #end: InputEnd | undefined;
  #lastInputAt: number;
  #wake: (() => void) | undefined;
  #stopTimer: (() => void) | undefined;

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
    return this.#length;
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
    const { keep, maxCount, maxBytes, idleMs, isTimed } = this.#limits;
    if (isTimed === true || idleMs !== undefined) this.#lastInputAt = this.#clock.now();
    this.#append({ frame, arrivedAt: isTimed === true ? this.#lastInputAt : 0, next: undefined });
    const size = frameBytes(frame);
    this.#bytes += size;
    this.#memory.hold(size);
    while (keep !== undefined && this.#length > keep) {
      this.#discard();
      this.#events.onDropped();
    }
    const isLast =
      this.#length >= maxCount ||
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
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#wakeUp();
  }

  /** The next input without waiting; it stays queued. */
  peek(): WaitingInput | undefined {
    return this.#first;
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
      await new Promise<void>((resolve) => this.onChange(resolve));
    }
  }

  /** Calls back once: at the next input, the end or the idle timeout, and possibly earlier. */
  onChange(callback: () => void): void {
    const other = this.#wake;
    this.#wake =
      other === undefined
        ? callback
        : () => {
            other();
            callback();
          };
    // A timer that was set for an earlier input stays: setting one for each would cost more than an early callback.
    if (this.#limits.idleMs === undefined || this.#stopTimer !== undefined) return;
    this.#stopTimer = this.#clock.after(this.#leftMs(), this.#onTimer);
  }

  /** Time until the idle timeout. */
  #leftMs(): number {
    const { idleMs } = this.#limits;
    return idleMs === undefined ? Infinity : this.#lastInputAt + idleMs - this.#clock.now();
  }

  readonly #onTimer = (): void => {
    this.#stopTimer = undefined;
    this.#wakeUp();
  };

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #append(input: Link): void {
    if (this.#last === undefined) this.#first = input;
    else this.#last.next = input;
    this.#last = input;
    this.#length++;
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
    const input = this.#first;
    if (input === undefined) return undefined;
    this.#first = input.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#length--;
    const size = frameBytes(input.frame);
    this.#bytes -= size;
    this.#inHand += size;
    const { maxCount, maxBytes } = this.#limits;
    // Resume at half: pausing and resuming the connection for each input would cost more than it saves.
    if (this.#full && this.#length <= maxCount / 2 && this.#bytes <= maxBytes / 2) {
      this.#full = false;
      this.#events.onRoom();
    }
    return input;
  }
}

export function frameBytes(frame: Frame): number {
  return typeof frame === "string" ? frame.length * 2 : frame.byteLength;
}
