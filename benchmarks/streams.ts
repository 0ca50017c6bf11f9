/**
 * The cost of a stream compared with a bare Fastify route that writes the same items by hand, without validation: 200
 * connections that each read streams of 50 items, one after another.
 *
 * The items of a burst are ready at once; of a paced stream, each item comes by a timer of its own. Both servers run in
 * processes of their own, compiled as in production, and take turns. Each round gives one ratio to bare Fastify's figure
 * of the same round, and the targets apply to the medians: a round of paced streams takes a second, so there are too few
 * for the quiet fifth that `overhead` uses. The duration of a stream is the time from the request to the end.
 * @module
 */
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { ServerGroup } from "./lib/server-group.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";
import { StreamLoad, type StreamRound, type Streams } from "./lib/stream-load.ts";

/** The required share of bare Fastify's items, at equal processor time. */
const TARGET = 0.9;
/** The maximum duration of a slow stream, as a multiple of bare Fastify's. */
const SLOWEST_TARGET = 1.5;

/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;
const CONNECTIONS = 200;
const ITEMS = 50;

const EVENTS = "text/event-stream";
const LINES = "application/x-ndjson";

const BARE = "fastify-streams";
const OURS = "servable-streams";

/** A kind of stream to measure. */
interface Shape {
  readonly name: string;
  readonly accept: string;
  /** The time before each item, in ms. */
  readonly delayMs: number;
  /** The number of streams of each connection in a round. */
  readonly each: number;
}

const BURST: Shape = { name: "burst", accept: EVENTS, delayMs: 0, each: 8 };
const BURST_OF_LINES: Shape = { name: "burst of lines", accept: LINES, delayMs: 0, each: 8 };
const PACED: Shape = { name: "paced", accept: EVENTS, delayMs: 20, each: 1 };

/** The extent of the measurement. */
interface Plan {
  /** How often both servers get fresh processes: no two processes compile their code alike. */
  readonly generations: number;
  /** Rounds of each shape that are not counted. */
  readonly warmUp: number;
  readonly rounds: number;
}

const QUICK: Plan = { generations: 1, warmUp: 2, rounds: 6 };
const FULL: Plan = { generations: 4, warmUp: 4, rounds: 16 };

type Rounds = ReadonlyMap<Shape, ReadonlyMap<string, StreamRound[]>>;

await runBenchmark({
  name: "streams",
  summary: "Processor time, throughput and duration of streams beside bare Fastify.",
  measure: async ({ quick }) => {
    progress("compiling the package and the servers");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
    return rowsOf(await measureRounds(programs, quick ? QUICK : FULL));
  },
});

async function measureRounds(programs: string, plan: Plan): Promise<Rounds> {
  const shapes = [BURST, BURST_OF_LINES, PACED];
  const rounds = new Map(
    shapes.map((shape) => [
      shape,
      new Map<string, StreamRound[]>([
        [BARE, []],
        [OURS, []],
      ]),
    ]),
  );
  for (let generation = 1; generation <= plan.generations; generation++) {
    progress(`servers ${generation} of ${plan.generations}: warming up, then ${plan.rounds} rounds`);
    await using servers = new ServerGroup(programs);
    using bare = await StreamLoad.open(await servers.get(BARE), CONNECTIONS);
    using ours = await StreamLoad.open(await servers.get(OURS), CONNECTIONS);
    const turns = [
      [BARE, bare],
      [OURS, ours],
    ] as const;
    for (const [shape, lists] of rounds) {
      const streams = streamsOf(shape);
      for (let round = -plan.warmUp; round < plan.rounds; round++) {
        // Every second round in reverse order, so that neither server always goes first.
        for (const [name, load] of round % 2 === 0 ? turns : turns.toReversed()) {
          const figures = await load.read(streams);
          if (round >= 0) lists.get(name)?.push(figures);
        }
      }
    }
  }
  return rounds;
}

function streamsOf({ accept, delayMs, each }: Shape): Streams {
  let expected = "";
  for (let index = 0; index < ITEMS; index++) {
    const json = `{"index":${index},"text":"this is item number ${index} of the stream"}`;
    expected += accept === LINES ? `${json}\n` : `data: ${json}\n\n`;
  }
  return { body: JSON.stringify({ count: ITEMS, delayMs }), accept, each, expected };
}

function rowsOf(rounds: Rounds): Row[] {
  const targets: Row[] = [];
  const more: Row[] = [];
  for (const [shape, lists] of rounds) {
    const bare = lists.get(BARE) ?? [];
    const ours = lists.get(OURS) ?? [];
    const { name } = shape;
    const cpu = (of: readonly StreamRound[]): number[] => of.map(({ cpuMicros }) => cpuMicros / ITEMS);
    const quiet = (of: readonly StreamRound[]): number => quantile(cpu(of), QUIET_SHARE);
    const slowest = ({ durations }: StreamRound): number => quantile(durations, 0.99);
    const ratio = (figure: (round: StreamRound) => number): number =>
      median(ours.map((round, index) => figure(round) / figure(bare[index] as StreamRound)));
    const what = `${name}: servable / bare Fastify`;
    const byCpu = ratio((round) => 1 / round.cpuMicros);
    targets.push(atLeast(`${what}, by CPU per item`, byCpu, "ratio", TARGET));
    if (shape === BURST)
      targets.push(atMost(`${what}, by p99 of a stream's duration`, ratio(slowest), "ratio", SLOWEST_TARGET));
    else more.push(information(`${what}, by p99 of a stream's duration`, ratio(slowest), "ratio"));
    more.push(information(`${what}, by CPU per item in quiet rounds`, quiet(bare) / quiet(ours), "ratio"));
    if (shape.delayMs === 0)
      more.push(
        information(
          `${what}, by items per second`,
          ratio((round) => round.streamsPerSecond),
          "ratio",
        ),
      );
    for (const [server, list] of [
      ["servable", ours],
      ["bare Fastify", bare],
    ] as const) {
      const rate = median(list.map(({ streamsPerSecond }) => streamsPerSecond * ITEMS));
      const durations = list.flatMap((round) => round.durations);
      more.push(
        information(`${name}: ${server}: throughput`, rate, "items/s"),
        information(`${name}: ${server}: CPU per item`, median(cpu(list)), "µs"),
        information(`${name}: ${server}: duration of a stream, p50`, quantile(durations, 0.5), "ms"),
        information(`${name}: ${server}: duration of a stream, p99`, quantile(durations, 0.99), "ms"),
      );
    }
  }
  return [...targets, ...more];
}
