/** Lines that wait for a reader take up this much at most, in bytes; further ones are dropped. */
const MAX_PENDING_BYTES = 1024 * 1024;

/** A full pipe is tried again this often, in milliseconds. */
const POLL_MS = 20;

/** An output that refused a line is tried again this often, in milliseconds. Until then lines are dropped untried. */
const RETRY_MS = 500;

/** At the end of the process, a reader that takes nothing for this long is given up, in milliseconds. */
const PATIENCE_MS = 200;

/** Writes some bytes from an offset on and returns how many; throws as `fs.writeSync` does. */
export type WriteBytes = (bytes: Uint8Array, offset: number) => number;

/**
 * Writes log lines to a file descriptor without ever holding up the process. A reader that is slow gets the lines
 * later, up to a bound; lines that can't be written (disk full, reader gone) are dropped and counted, and one line
 * says how many once writing works again.
 *
 * Writes are synchronous on a descriptor that does not block. Asynchronous ones would each hold a thread of Node's
 * pool while a reader stalls, and the process could not even end: its exit waits for those threads.
 */
export class LogOutput {
  /** The text that says how many lines were dropped, line break included. */
  notice: (count: number) => string = defaultNotice;
  readonly #writeBytes: WriteBytes;
  readonly #reporter: LogOutput | undefined;
  /** Lines that wait for the reader. The first may be the rest of one. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isRefused = false;
  /** A part of the first waiting line was written. */
  #isBegun = false;
  /** A part of a line was written, and its rest never will be. */
  #isTorn = false;
  #unreported = 0;
  #total = 0;
  #timer: NodeJS.Timeout | undefined;
  #onDrain: (() => void)[] = [];

  /** @param reporter counts and reports what is dropped here; without one, this output does so itself. */
  constructor(writeBytes: WriteBytes, reporter?: LogOutput) {
    this.#writeBytes = writeBytes;
    this.#reporter = reporter;
  }

  /** How many lines were dropped so far. */
  get dropped(): number {
    return this.#total;
  }

  /** The reader takes less than is written. */
  get isBehind(): boolean {
    return this.#pending.length > 0;
  }

  /** Calls back once everything was written that is kept now. */
  onDrain(callback: () => void): void {
    this.#onDrain.push(callback);
  }

  /** Writes a line, now or later; or drops it. Never throws, never waits. */
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

  /** Counts lines that something else could not write. */
  drop(count = 1): void {
    if (this.#reporter !== undefined) return this.#reporter.drop(count);
    this.#total += count;
    this.#unreported += count;
    this.#arm(this.#pending.length > 0 ? POLL_MS : RETRY_MS);
  }

  /** Writes what waits, as long as the reader takes some of it. For the end of the process. */
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
    // Copied where it has to be kept: the writer may use its bytes again.
    const bytes =
      typeof line === "string"
        ? Buffer.from(line)
        : Buffer.from(line.buffer, line.byteOffset, line.byteLength);
    return this.#isTorn ? Buffer.concat([LINE_BREAK, bytes]) : bytes;
  }

  /** Writes what waits, then says what was dropped. */
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

  /** Writes as much as fits: undefined for all of it, else the rest that did not fit yet. */
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

/** How many lines were dropped, in words. */
export function droppedMessage(count: number): string {
  return count === 1 ? "1 log line was dropped" : `${count} log lines were dropped`;
}

function defaultNotice(count: number): string {
  const line = { level: 40, time: Date.now(), pid: process.pid, msg: droppedMessage(count) };
  return `${JSON.stringify(line)}\n`;
}
