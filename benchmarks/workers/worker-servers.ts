import { join } from "node:path";
import { sendLoad, type Load, type Round } from "../lib/load.ts";
import { ProcessFamily } from "../lib/process-family.ts";
import { ServerProcess } from "../lib/server-process.ts";
import { median } from "../lib/statistics.ts";

/** The extent of one round. */
export interface RoundPlan {
  /** Small calls of each server. */
  readonly calls: number;
  /** Small calls that are sent one by one. */
  readonly singleCalls: number;
  /** Calls that compute. */
  readonly computations: number;
}

/** The body of the small call. */
export const CALL_BODY = JSON.stringify({
  prompt: "a lighthouse in a storm, oil on canvas",
  seed: 1234,
  steps: 25,
});

/** The servers of the small call. */
export const CONTESTANTS = ["fastify-bare", "servable", "servable-workers"] as const;
export type Contestant = (typeof CONTESTANTS)[number];

/** The figures of a round of small calls. */
export interface CallRound extends Round {
  /** The processor time of the server with its workers, per call, in microseconds. */
  readonly familyMicros: number;
  /** The median time of calls that are sent one by one, in milliseconds. */
  readonly singleMs: number;
}

/** The figures of a round of calls that compute. */
export interface ComputationRound {
  /** Calls of 10 ms each on two workers, per second. */
  readonly rate: number;
  /** Processor time of the same work in a worker and in the server's process, in milliseconds. */
  readonly inWorkerMs: number;
  readonly hereMs: number;
}

/** All servers, in processes of their own. */
export class WorkerServers implements AsyncDisposable {
  readonly #servers: ReadonlyMap<Contestant, ServerProcess>;

  private constructor(servers: ReadonlyMap<Contestant, ServerProcess>) {
    this.#servers = servers;
  }

  static async start(programs: string): Promise<WorkerServers> {
    const servers = new Map<Contestant, ServerProcess>();
    for (const name of CONTESTANTS)
      servers.set(name, await ServerProcess.start(join(programs, `${name}.js`)));
    return new WorkerServers(servers);
  }

  async warmUp(requests: number): Promise<void> {
    for (const server of this.#servers.values()) await sendLoad(server, { body: CALL_BODY, requests });
    await this.#measure("/compute", 20);
    await this.#measure("/compute-here", 20);
  }

  async call(name: Contestant, { calls, singleCalls }: RoundPlan): Promise<CallRound> {
    const server = this.#server(name);
    const family = new ProcessFamily(server.pid);
    const before = family.cpuMicros;
    const round = await sendLoad(server, { body: CALL_BODY, requests: calls });
    const familyMicros = (family.cpuMicros - before) / calls;
    const single = await sendLoad(server, { body: CALL_BODY, requests: singleCalls, connections: 1 });
    return { ...round, familyMicros, singleMs: median(single.latencies) };
  }

  async compute({ computations }: RoundPlan, round: number): Promise<ComputationRound> {
    const load: Load = { path: "/waste", body: "{}", requests: computations };
    const { requestsPerSecond: rate } = await sendLoad(this.#server("servable-workers"), load);
    const measured = new Map<string, number>();
    const paths = ["/compute", "/compute-here"];
    for (const path of round % 2 === 0 ? paths : paths.toReversed()) {
      measured.set(path, await this.#measure(path, 5));
    }
    const [inWorkerMs = 0, hereMs = 0] = paths.map((path) => measured.get(path));
    return { rate, inWorkerMs, hereMs };
  }

  /** The shortest of some computations, one after the other, in milliseconds. */
  async #measure(path: string, times: number): Promise<number> {
    const { url } = this.#server("servable-workers");
    let shortest = Infinity;
    for (let time = 0; time < times; time++) {
      const response = await fetch(`${url}${path}`, { method: "POST" });
      shortest = Math.min(shortest, (await response.json()) as number);
    }
    return shortest;
  }

  #server(name: Contestant): ServerProcess {
    return this.#servers.get(name) as ServerProcess;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers.values()) await server[Symbol.asyncDispose]();
  }
}
