import { progress } from "../lib/benchmark.ts";
import { atLeast, atMost, information, type Row } from "../lib/row.ts";
import type { ServerProcess } from "../lib/server-process.ts";
import { quantile } from "../lib/statistics.ts";
import { LoadGenerator, type LoadResult } from "../peers/load.ts";
import { canRun, COMPILER } from "../peers/prerequisites.ts";
import { WORK } from "../peers/work-folder.ts";
import { servableRate } from "./bounds.ts";
import type { Harness } from "./harness.ts";
import { S2, type Shape } from "./shape.ts";

/** The cost of a refusal, as a share of an answer of bare Fastify to the same request. */
const REFUSAL_COST = 0.35;
/** The share of the best goodput at {@link EXCESS} times the rate that the processor can take in. */
const GOODPUT = 0.8;
const EXCESS = 3;
/** The most that the generator may be late, in milliseconds: the 99th percentile. */
const MOST_LATE_MS = 15;
/** An executor that is busy for longer than the deadline, so that nearly all requests are refused. */
const BUSY: Shape = { name: "busy", baseMs: 300, perItemMs: 0, maxSize: 1, deadlineMs: 100 };
const CLIENTS = 32;
/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;
const BODY = '{"seed":SSSSSSSS,"prompt":"a lighthouse in a storm, oil on canvas"}';

/** The extent of these measurements. */
interface OverloadPlan {
  readonly rounds: number;
  readonly roundMs: number;
  /** The duration of each load, and of the load before it, in seconds. */
  readonly secs: number;
  readonly warm: number;
  /** The share of a target that is sufficient. */
  readonly tolerance: number;
}

const QUICK: OverloadPlan = { rounds: 6, roundMs: 400, secs: 2, warm: 2, tolerance: 0.75 };
const FULL: OverloadPlan = { rounds: 20, roundMs: 600, secs: 5, warm: 4, tolerance: 1 };

/** Processor time of a refusal, beside that of an answer of bare Fastify to the same request. */
export async function measureRefusalCost(harness: Harness, quick: boolean): Promise<Row[]> {
  progress("the cost of a refusal");
  const plan = quick ? QUICK : FULL;
  await using bare = await harness.start("batching-bare.js");
  await using ours = await harness.start("batching-ours.js", {
    ...{ rule: "ours", shape: BUSY, executors: 1, hasDeadline: true, noise: 0 },
  });
  const micros = new Map<ServerProcess, number[]>([
    [bare, []],
    [ours, []],
  ]);
  const round = async (server: ServerProcess): Promise<number> => {
    const before = await server.usage();
    const { status } = await harness.generate({
      ...{ kind: "closed", url: server.url, clients: CLIENTS, durationMs: plan.roundMs },
    });
    return ((await server.usage()).cpuMicros - before.cpuMicros) / status.filter((code) => code > 0).length;
  };
  for (const server of [bare, ours, bare, ours]) await round(server); // compiles the code
  for (let count = 0; count < plan.rounds; count++) {
    for (const server of count % 2 === 0 ? [bare, ours] : [ours, bare]) {
      micros.get(server)?.push(await round(server));
    }
  }
  const [answer = 0, refusal = 0] = [...micros.values()].map((each) => quantile(each, QUIET_SHARE));
  return [
    atMost(
      "refusal / answer of bare Fastify, by CPU in quiet rounds",
      refusal / answer,
      "ratio",
      REFUSAL_COST,
      plan.tolerance,
    ),
    information("refusal: CPU in quiet rounds", refusal, "µs"),
  ];
}

/** Goodput on S2 at more requests than the process can even refuse. Needs a C compiler; without one there is no row. */
export async function measureBeyondProcessor(harness: Harness, quick: boolean): Promise<Row[]> {
  if (process.platform !== "linux" || !canRun(COMPILER)) {
    progress("no C compiler: goodput beyond the processor is not measured");
    return [];
  }
  progress("S2: more requests than the processor can take in");
  const { secs, warm, tolerance } = quick ? QUICK : FULL;
  const generator = await LoadGenerator.compile(WORK);
  await using server = await harness.start("batching-ours.js", {
    ...{ rule: "ours", shape: S2, executors: 1, hasDeadline: true, noise: 0 },
  });
  const usual = { port: Number(new URL(server.url).port), body: BODY, numbered: true, pids: [server.pid] };
  const closed = await generator.run({ ...usual, mode: "closed", conns: 256, secs, warm });
  const capacity = closed.requests / secs;
  const open = (rate: number): Promise<LoadResult> =>
    generator.run({
      ...{ ...usual, mode: "open", rate, seed: 1, secs, warm, deadline: S2.deadlineMs },
      conns: Math.min(2_000, 32 + Math.round((1.1 * rate * S2.deadlineMs) / 1000)),
    });
  const usually = await open(1.5 * servableRate(S2));
  const within = await open(capacity / 2);
  const best = Math.max(usually.goodput, within.goodput);
  let rate = EXCESS * capacity;
  let beyond = await open(rate);
  // The generator shares the machine. If it falls behind, it measures its own delay.
  while (beyond.lateP99 > MOST_LATE_MS && rate > capacity) beyond = await open((rate *= 0.8));
  const name = "S2, more requests than the processor takes in";
  const share = beyond.goodput / best;
  return [
    rate > capacity
      ? atLeast(`${name}: goodput / best`, share, "ratio", GOODPUT, tolerance)
      : information(`${name}: goodput / best (generator too slow, not judged)`, share, "ratio"),
    information(`${name}: rate / rate that it takes in`, rate / capacity, "ratio"),
    information("S2: requests that the processor takes in", capacity, "requests/s"),
    information(`${name}: goodput`, beyond.goodput, "requests/s"),
    information("S2: best goodput", best, "requests/s"),
  ];
}
