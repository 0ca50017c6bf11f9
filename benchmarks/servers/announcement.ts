/** What a server tells the benchmark once it listens. */
export interface Listening {
  readonly url: string;
}

/** What a server's process has used since it started. */
export interface Usage {
  /** Processor time of all threads, in microseconds. */
  readonly cpuMicros: number;
  /** Resident memory, in bytes. */
  readonly memoryBytes: number;
  /** What JavaScript holds, on its heap and in buffers beside it, in bytes. */
  readonly heldBytes: number;
}

/** Tells the benchmark where the server listens, answers its questions, and ends with it. */
export function announce(url: string): void {
  const tell = (message: Listening | Usage): void => void process.send?.(message);
  process.on("message", () => {
    globalThis.gc?.(); // there with --expose-gc alone, where memory is what counts
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, external } = process.memoryUsage();
    tell({ cpuMicros: user + system, memoryBytes: rss, heldBytes: heapUsed + external });
  });
  process.on("disconnect", () => process.exit(0));
  tell({ url });
}
