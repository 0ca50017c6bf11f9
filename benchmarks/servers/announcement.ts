import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** The message of a server to the benchmark once it listens. */
export interface Listening {
  readonly url: string;
  /** Processor time of all threads until then, in microseconds. */
  readonly startMicros: number;
}

/** The resource usage of a server's process since its start. */
export interface Usage {
  /** Processor time of all threads, in microseconds. */
  readonly cpuMicros: number;
  /** Resident memory, in bytes. */
  readonly memoryBytes: number;
  /** The largest resident memory since the start, in bytes. */
  readonly peakMemoryBytes: number;
  /** The memory of JavaScript, on its heap and in external buffers, in bytes. */
  readonly heldBytes: number;
  /** The longest block of the event loop since the request "watch", in milliseconds; 0 without such a request. */
  readonly longestBlockMs: number;
}

/** Sends the server's address to the benchmark, answers its requests, and ends when the benchmark ends. */
export function announce(url: string): void {
  const tell = (message: Listening | Usage): void => void process.send?.(message);
  const { user: userAtStart, system: systemAtStart } = process.cpuUsage();
  let delays: IntervalHistogram | undefined;
  process.on("message", (request) => {
    if (request === "watch") {
      delays = monitorEventLoopDelay({ resolution: 1 });
      delays.enable();
    }
    globalThis.gc?.(); // available only with --expose-gc, for memory measurements
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, external } = process.memoryUsage();
    const { maxRSS } = process.resourceUsage(); // in KiB
    tell({
      cpuMicros: user + system,
      memoryBytes: rss,
      peakMemoryBytes: maxRSS * 1024,
      heldBytes: heapUsed + external,
      longestBlockMs: (delays?.max ?? 0) / 1e6,
    });
  });
  process.on("disconnect", () => process.exit(0));
  tell({ url, startMicros: userAtStart + systemAtStart });
}
