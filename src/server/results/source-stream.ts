import { Readable } from "node:stream";
import type { Clock } from "../../dispatch/clock.ts";
import { StreamTimeoutException } from "../../errors.ts";
import type { ByteSource } from "./byte-source.ts";

/** Limits of a {@link SourceStream}. */
interface StreamLimits {
  /** The promised number of bytes, if there is one. Another number is an error. */
  readonly length: number | undefined;
  readonly maxBytes: number | undefined;
  readonly minBytes: number | undefined;
  /** Maximum time until a piece, in ms. */
  readonly timeoutMs: number | undefined;
  readonly clock: Clock;
}

/**
 * A stream that reads a source as fast as it is read itself, within limits. If the source fails, the stream stays open
 * until its owner, which is notified, destroys it.
 */
export class SourceStream extends Readable {
  readonly #source: ByteSource;
  readonly #limits: StreamLimits;
  readonly #onFailed: (error: unknown) => void;
  #first: Uint8Array | undefined;
  #bytes = 0;
  #hasFailed = false;

  /** @param first the first piece, which was already read */
  constructor(
    source: ByteSource,
    first: Uint8Array | undefined,
    limits: StreamLimits,
    onFailed: (error: unknown) => void,
  ) {
    super();
    this.#source = source;
    this.#first = first;
    this.#limits = limits;
    this.#onFailed = onFailed;
  }

  override _read(): void {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) this.#take(first);
    else nextPiece(this.#source, this.#limits).then(this.#take, this.#fail);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.stop();
    callback(error);
  }

  readonly #take = (piece: Uint8Array | undefined): void => {
    if (this.destroyed || this.#hasFailed) return;
    const { length, maxBytes = Infinity, minBytes = 0 } = this.#limits;
    this.#bytes += piece?.length ?? 0;
    const sent = this.#bytes;
    if (piece === undefined) {
      if (length !== undefined && sent < length)
        return this.#fail(new Error(`${sent} of ${length} bytes came.`));
      if (sent < minBytes)
        return this.#fail(new Error(`${sent} bytes came, less than minBytes: ${minBytes}.`));
      this.push(null);
    } else if (sent > (length ?? Infinity))
      this.#fail(new Error(`More than the promised ${length} bytes came.`));
    else if (sent > maxBytes) this.#fail(new Error(`More bytes came than maxBytes: ${maxBytes}.`));
    else this.push(piece);
  };

  readonly #fail = (error: unknown): void => {
    if (this.destroyed || this.#hasFailed) return;
    this.#hasFailed = true;
    this.#onFailed(error);
  };
}

/**
 * Waits for the next piece of a source.
 * @throws StreamTimeoutException after the time limit
 */
export function nextPiece(
  source: ByteSource,
  { timeoutMs, clock }: Pick<StreamLimits, "timeoutMs" | "clock">,
): Promise<Uint8Array | undefined> {
  if (timeoutMs === undefined) return source.next();
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => reject(new StreamTimeoutException(timeoutMs)));
    source.next().then(resolve, reject).finally(cancel);
  });
}
