/** Bytes up to which a file is held in memory. */
const MOST_BYTES = 1024 * 1024;

/** A small file of a body, which is held in memory while it arrives. */
export class HeldFile {
  readonly #take: (bytes: number) => boolean;
  /**
   * The received bytes, with spare capacity. Chunks are copied as they arrive: a list of small ones would take many times
   * the memory.
   */
  #memory = Buffer.alloc(0);
  #size = 0;

  /** @param take reserves memory, if available */
  constructor(take: (bytes: number) => boolean) {
    this.#take = take;
  }

  /** The bytes that have arrived. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#size);
  }

  /** The memory that is reserved, in bytes. */
  get capacity(): number {
    return this.#memory.length;
  }

  /** Adds a chunk; false if the file is too large for memory now. */
  add(chunk: Buffer): boolean {
    const size = this.#size + chunk.length;
    if (size > MOST_BYTES) return false;
    if (size > this.capacity) {
      const larger = Math.min(MOST_BYTES, Math.max(size, 2 * this.capacity));
      if (!this.#take(larger - this.capacity)) return false;
      const memory = Buffer.allocUnsafeSlow(larger);
      this.#memory.copy(memory, 0, 0, this.#size);
      this.#memory = memory;
    }
    chunk.copy(this.#memory, this.#size);
    this.#size = size;
    return true;
  }
}
