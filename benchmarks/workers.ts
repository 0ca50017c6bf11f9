/**
 * The cost of workers: of a small call through two of them, beside the same handler in bare Fastify and in a servable
 * without workers; of calls that compute; and of the memory of sixteen idle ones.
 *
 * Every server runs in a process of its own, compiled as in production. The servers take turns, and each round gives one
 * ratio. The processor time of a call is that of the server's process and its workers together, in the quiet fifth of
 * the rounds: other work of the machine can only add to it.
 *
 * Rates depend on the number of cores, which the load generator shares. Memory counts pages that processes share once.
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { sendLoad } from "./lib/load.ts";
import { ProcessFamily } from "./lib/process-family.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";
import {
  CALL_BODY,
  CONTESTANTS,
  WorkerServers,
  type CallRound,
  type ComputationRound,
  type Contestant,
  type RoundPlan,
} from "./workers/worker-servers.ts";

/** The maximum processor time of a small call, in microseconds. */
const CALL_TARGET = 100;
/** The required rate of calls that each keep one of two workers busy for 10 ms. At most 200 are possible. */
const WASTE_TARGET = 190;
/** The maximum memory of sixteen workers, in MB. */
const MEMORY_TARGET = 450;
/** The maximum time of a computation in a worker, as a multiple of its time in the server's process. */
const COMPUTATION_TARGET = 1.02;

/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;

const MANY = 16;
/** The time after which a worker has freed the memory that its start has left behind. */
const IDLE_MS = 13_000;

/** The extent of the measurement. */
interface Plan extends RoundPlan {
  /** How often all servers get fresh processes: no two processes compile their code alike. */
  readonly generations: number;
  readonly warmUp: number;
  readonly rounds: number;
}

const QUICK: Plan = {
  generations: 1,
  warmUp: 8_000,
  rounds: 7,
  calls: 2_000,
  singleCalls: 300,
  computations: 60,
};
const FULL: Plan = {
  generations: 3,
  warmUp: 30_000,
  rounds: 20,
  calls: 4_000,
  singleCalls: 1_000,
  computations: 200,
};

await runBenchmark({
  name: "workers",
  summary: "Calls through workers beside bare Fastify, calls that compute, and the memory of workers.",
  measure: async ({ quick }) => {
    const plan = quick ? QUICK : FULL;
    progress("compiling the package and the servers");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
    const calls = new Map<Contestant, CallRound[]>(CONTESTANTS.map((name) => [name, []]));
    const computations: ComputationRound[] = [];
    for (let generation = 1; generation <= plan.generations; generation++) {
      progress(`servers ${generation} of ${plan.generations}: warming up, then ${plan.rounds} rounds`);
      await using servers = await WorkerServers.start(programs);
      await servers.warmUp(plan.warmUp);
      for (let round = 0; round < plan.rounds; round++) {
        const order = round % 2 === 0 ? CONTESTANTS : CONTESTANTS.toReversed();
        for (const name of order) calls.get(name)?.push(await servers.call(name, plan));
        computations.push(await servers.compute(plan, round));
      }
    }
    progress(`${MANY} workers: starting, then idle for ${IDLE_MS / 1000} s`);
    return [...callRows(calls), ...computationRows(computations), ...(await memoryRows(programs))];
  },
});

function callRows(calls: ReadonlyMap<Contestant, readonly CallRound[]>): Row[] {
  const of = (name: Contestant): readonly CallRound[] => calls.get(name) ?? [];
  const quiet = (name: Contestant): number =>
    quantile(
      of(name).map((round) => round.familyMicros),
      QUIET_SHARE,
    );
  const rate = (name: Contestant): number => median(of(name).map((round) => round.requestsPerSecond));
  const ratio = (quality: (round: CallRound) => number): number =>
    median(
      of("servable-workers").map((round, index) => {
        return quality(round) / quality(of("fastify-bare")[index] as CallRound);
      }),
    );
  return [
    atMost(
      "call through a worker: CPU of server and workers, in quiet rounds",
      quiet("servable-workers"),
      "µs",
      CALL_TARGET,
    ),
    information("bare Fastify: CPU per call in quiet rounds", quiet("fastify-bare"), "µs"),
    information("servable without workers: CPU per call in quiet rounds", quiet("servable"), "µs"),
    information(
      "workers / bare Fastify, by CPU per call",
      ratio((round) => 1 / round.familyMicros),
      "ratio",
    ),
    information(
      "workers / bare Fastify, by calls per second",
      ratio((round) => round.requestsPerSecond),
      "ratio",
    ),
    information(
      "workers: CPU of the server's process per call",
      quantile(
        of("servable-workers").map((round) => round.cpuMicros),
        QUIET_SHARE,
      ),
      "µs",
    ),
    information("workers: throughput", rate("servable-workers"), "calls/s"),
    information("bare Fastify: throughput", rate("fastify-bare"), "calls/s"),
    information(
      "workers: time of a single call",
      median(of("servable-workers").map((round) => round.singleMs)),
      "ms",
    ),
    information(
      "bare Fastify: time of a single call",
      median(of("fastify-bare").map((round) => round.singleMs)),
      "ms",
    ),
  ];
}

function computationRows(rounds: readonly ComputationRound[]): Row[] {
  return [
    atLeast(
      "10 ms of computing on two workers: throughput",
      median(rounds.map(({ rate }) => rate)),
      "calls/s",
      WASTE_TARGET,
    ),
    atMost(
      "the same computation, in a worker / in the server's process",
      median(rounds.map(({ inWorkerMs, hereMs }) => inWorkerMs / hereMs)),
      "ratio",
      COMPUTATION_TARGET,
    ),
  ];
}

async function memoryRows(programs: string): Promise<Row[]> {
  const program = join(programs, "servable-workers.js");
  await using server = await ServerProcess.start(program, [], [String(MANY)]);
  await sendLoad(server, { body: CALL_BODY, requests: 100 });
  await sleep(IDLE_MS);
  const bytes = new ProcessFamily(server.pid).memoryBytes - new ProcessFamily(server.pid, false).memoryBytes;
  return [
    atMost(`${MANY} idle workers: memory`, bytes / 1e6, "MB", MEMORY_TARGET),
    information("an idle worker: memory", bytes / 1e6 / MANY, "MB"),
  ];
}
