import autocannon from "autocannon";
import type { ServerProcess } from "./server-process.ts";

/** The requests of one round. */
export interface Load {
  /** Default "/". */
  readonly path?: string;
  readonly body: string | Buffer;
  /** Sent with GET and without the body, if given. */
  readonly query?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly requests: number;
  /** The number of requests in flight. Default 32. */
  readonly connections?: number;
}

/** The figures of one round of requests to one server. */
export interface Round {
  readonly requestsPerSecond: number;
  /** Processor time of the server's process per request, in microseconds. */
  readonly cpuMicros: number;
  /** The latency of each request, in milliseconds. */
  readonly latencies: readonly number[];
}

/** The number of requests in flight, one per connection, as clients of HTTP/1.1 send them. */
const CONNECTIONS = 32;

/** Sends a round of requests to a server, POST unless they have a query. @throws Error if a response is not 200. */
export async function sendLoad(server: ServerProcess, load: Load): Promise<Round> {
  const before = await server.usage();
  const { latencies, milliseconds } = await fire(server.url, load);
  const after = await server.usage();
  return {
    requestsPerSecond: (latencies.length / milliseconds) * 1000,
    cpuMicros: (after.cpuMicros - before.cpuMicros) / latencies.length,
    latencies,
  };
}

function fire(url: string, load: Load): Promise<{ latencies: number[]; milliseconds: number }> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = [];
    const statuses = new Set<number>();
    const started = performance.now();
    let ended = started;
    const run = autocannon(
      {
        ...(load.query === undefined
          ? {
              url: `${url}${load.path ?? ""}`,
              method: "POST",
              body: load.body,
              headers: { "content-type": "application/json", ...load.headers },
            }
          : { url: `${url}/?${load.query}`, method: "GET", headers: { ...load.headers } }),
        connections: load.connections ?? CONNECTIONS,
        amount: load.requests,
        sampleInt: 50, // the interval of checks for completion, in milliseconds
      },
      (error: unknown, result) => {
        if (error !== null && error !== undefined) return reject(error as Error);
        const wrong = result.errors + result.timeouts + result.non2xx;
        if (wrong > 0 || latencies.length !== load.requests) {
          return reject(
            new Error(`${url} answered with ${[...statuses].join(", ")}; ${wrong} requests failed.`),
          );
        }
        resolve({ latencies, milliseconds: ended - started });
      },
    );
    run.on("response", (_client, status, _bytes, responseTime) => {
      statuses.add(status);
      latencies.push(responseTime);
      ended = performance.now();
    });
  });
}
