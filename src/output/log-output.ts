/** Maximum size of pending lines, in bytes; further lines are dropped. */
const MAX_PENDING_BYTES = 1024 * 1024;

/** Interval of attempts to write to a full pipe, in ms. */
const POLL_MS = 20;

/** Interval of attempts to write to a failed output, in ms. Lines in between are dropped without an attempt. */
const RETRY_MS = 500;

/** At the end of the process, the time after which a stalled reader is abandoned, in ms. */
const PATIENCE_MS = 200;

/** Writes bytes from an offset on and returns their number; throws as `fs.writeSync` does. */
export type WriteBytes = (bytes: Uint8Array, offset: number) => number;

/**
 * Writes log lines to a file descriptor without ever blocking the process. A slow reader gets the lines later, up to a
 * limit. Lines that can't be written (disk full, reader closed) are dropped and counted, and a notice gives their
 * number once writing works again.
 *
 * Writes are synchronous on a non-blocking descriptor. Asynchronous ones would each hold a thread of Node's pool while
 * a reader stalls, and the process could not exit, since its exit waits for those threads.
 */
export class LogOutput {
  /** The notice for a number of dropped lines, with a line break. */
  notice: (count: number) => string = defaultNotice;
  readonly #writeBytes: WriteBytes;
  readonly #reporter: LogOutput | undefined;
  /** Pending lines. The first may be partially written. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isRefused = false;
  /** A part of the first pending line was written. */
  #isBegun = false;
  /** A line was partially written, and its rest was dropped. */
  #isTorn = false;
  #unreported = 0;
  #total = 0;
  #timer: NodeJS.Timeout | undefined;
  #onDrain: (() => void)[] = [];

  /** @param reporter counts and reports lines dropped here; by default, this output does */
  constructor(writeBytes: WriteBytes, reporter?: LogOutput) {
    this.#writeBytes = writeBytes;
    this.#reporter = reporter;
  }

  /** The number of dropped lines so far. */
  get dropped(): number {
    return this.#total;
  }

  /** The reader is slower than the writer. */
  get isBehind(): boolean {
    return this.#pending.length > 0;
  }

  /** Calls back once all pending lines are written. */
  onDrain(callback: () => void): void {
    this.#onDrain.push(callback);
  }

  /** Writes a line now or later, or drops it. Never throws or blocks. */
  write(line: string | Uint8Array): void {
    if (this.#isRefused) return this.drop();
    const bytes = this.#toBytes(line);
    if (this.#pending.length > 0) {
      if (this.#pendingBytes + bytes.length > MAX_PENDING_BYTES) return this.drop();
      return this.#keep(bytes);
    }
    const rest = this.#attempt(bytes);
    if (rest === REFUSED) this.#refuse();
    else if (rest !== undefined) this.#keep(rest);
  }

  /** Counts lines that were dropped elsewhere. */
  drop(count = 1): void {
    if (this.#reporter !== undefined) return this.#reporter.drop(count);
    this.#total += count;
    this.#unreported += count;
    this.#arm(this.#pending.length > 0 ? POLL_MS : RETRY_MS);
  }

  /** Writes pending lines while the reader makes progress. For the end of the process. */
  flushSync(): void {
    let before = this.#pendingBytes;
    let patience = PATIENCE_MS;
    for (;;) {
      this.#proceed();
      if (this.#pending.length === 0) return;
      if (this.#pendingBytes < before) patience = PATIENCE_MS;
      else if (patience <= 0) return;
      before = this.#pendingBytes;
      patience -= POLL_MS;
      Atomics.wait(SLEEP, 0, 0, POLL_MS);
    }
  }

  #toBytes(line: string | Uint8Array): Buffer {
    // Copied if it becomes pending: the writer may reuse its bytes.
    const bytes =
      typeof line === "string"
        ? Buffer.from(line)
        : Buffer.from(line.buffer, line.byteOffset, line.byteLength);
    return this.#isTorn ? Buffer.concat([LINE_BREAK, bytes]) : bytes;
  }

  /** Writes pending lines, then the notice about dropped ones. */
  #proceed(): void {
    while (this.#pending.length > 0) {
      const [first] = this.#pending as [Buffer];
      const rest = this.#attempt(first);
      if (rest === REFUSED) return this.#refuse();
      this.#pendingBytes -= first.length - (rest?.length ?? 0);
      if (rest === undefined) this.#pending.shift();
      else {
        this.#pending[0] = rest;
        return;
      }
    }
    for (const callback of this.#onDrain.splice(0)) callback();
    if (this.#unreported > 0) this.#report();
    else this.#isRefused = false;
  }

  #report(): void {
    const text = this.notice(this.#unreported);
    const rest = this.#attempt(Buffer.from(this.#isTorn ? `\n${text}` : text));
    this.#isRefused = rest === REFUSED;
    if (rest === REFUSED) return;
    this.#unreported = 0;
    if (rest !== undefined) this.#keep(rest);
  }

  /** Writes as much as possible: undefined for all of it, otherwise the rest. */
  #attempt(bytes: Buffer): Buffer | undefined | typeof REFUSED {
    let offset = 0;
    try {
      while (offset < bytes.length) offset += this.#writeBytes(bytes, offset);
      this.#isBegun = false;
      this.#isTorn = false;
      return undefined;
    } catch (error) {
      this.#isBegun ||= offset > 0;
      if (isBusy(error)) return bytes.subarray(offset);
      this.#isTorn ||= this.#isBegun;
      this.#isBegun = false;
      return REFUSED;
    }
  }

  #refuse(): void {
    const lost = Math.max(this.#pending.length, 1);
    this.#isRefused = true;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.drop(lost);
    this.#arm(RETRY_MS);
  }

  #keep(bytes: Buffer): void {
    this.#pending.push(Buffer.from(bytes));
    this.#pendingBytes += bytes.length;
    this.#arm(POLL_MS);
  }

  #arm(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#proceed();
      if (this.#pending.length > 0) this.#arm(POLL_MS);
      else if (this.#unreported > 0 || this.#isRefused) this.#arm(RETRY_MS);
    }, ms).unref();
  }
}

const REFUSED: unique symbol = Symbol("refused");
const LINE_BREAK = Buffer.from("\n");
const SLEEP = new Int32Array(new SharedArrayBuffer(4));

function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EAGAIN" || code === "EBUSY" || code === "EINTR";
}

/** The number of dropped lines as text. */
export function droppedMessage(count: number): string {
  return count === 1 ? "1 log line was dropped" : `${count} log lines were dropped`;
}

function defaultNotice(count: number): string {
  const line = { level: 40, time: Date.now(), pid: process.pid, msg: droppedMessage(count) };
  return `${JSON.stringify(line)}\n`;
}
