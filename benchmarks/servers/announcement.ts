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
}

/** Tells the benchmark where the server listens, answers its questions, and ends with it. */
export function announce(url: string): void {
  const tell = (message: Listening | Usage): void => void process.send?.(message);
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    tell({ cpuMicros: user + system, memoryBytes: process.memoryUsage.rss() });
  });
  process.on("disconnect", () => process.exit(0));
  tell({ url });
}
