/**
 * Large values: an object of 600 fields, nested lists of objects, and an answer of 5 MB, beside bare Fastify with the
 * same schemas. Each server runs in a process of its own; they take turns.
 *
 * As in `overhead.ts`, the targets apply to the processor time of a request in the quiet fifth of each server's rounds.
 * The memory is the largest resident memory of a fresh process after {@link HUGE_ANSWERS} answers, one at a time.
 * @module
 */
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { sendLoad, type Load } from "./lib/load.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { ServerGroup } from "./lib/server-group.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";
import { framesOf, WIDE } from "./servers/large-values.ts";

/** The required throughput as a share of bare Fastify's, at equal processor time. */
const TARGET = 0.95;
/** The same for nested lists, which are counted and validated: `docs/performance.md` says where the time goes. */
const NESTED_BODY_TARGET = 0.93;
const NESTED_ANSWER_TARGET = 0.9;
/** The maximum memory, as a multiple of bare Fastify's. */
const MEMORY_TARGET = 1.1;
const HUGE_ANSWERS = 24;

/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;

const QUICK = { rounds: 5, warmUps: 2, memoryRounds: 1 };
const FULL = { rounds: 40, warmUps: 4, memoryRounds: 5 };

const OURS = "servable-large";
const BARE = "fastify-large";

interface Case {
  readonly name: string;
  readonly load: Load;
  /** Default {@link TARGET}. */
  readonly target?: number;
}

const CASES: readonly Case[] = [
  { name: "body of 600 fields", load: { path: "/wide-body", body: JSON.stringify(WIDE), requests: 600 } },
  { name: "answer of 600 fields", load: { path: "/wide-answer", body: "{}", requests: 600 } },
  {
    name: "body of nested lists",
    load: { path: "/nested-body", body: JSON.stringify(framesOf(50)), requests: 300 },
    target: NESTED_BODY_TARGET,
  },
  {
    name: "answer of nested lists",
    load: { path: "/nested-answer", body: "{}", requests: 300 },
    target: NESTED_ANSWER_TARGET,
  },
];

const HUGE: Load = { path: "/huge-answer", body: "{}", requests: HUGE_ANSWERS, connections: 1 };

await runBenchmark({
  name: "values",
  summary: "Processor time and memory of large bodies and answers beside bare Fastify.",
  measure: async ({ quick }) => {
    const plan = quick ? QUICK : FULL;
    progress("compiling the package and the servers");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
    const rows: Row[] = [];
    for (const each of CASES) {
      progress(`${each.name}: ${plan.rounds} rounds`);
      rows.push(...(await measureCase(programs, each, plan)));
    }
    progress(`answers of 5 MB: ${plan.memoryRounds} rounds`);
    return [...rows, ...(await measureMemory(programs, plan.memoryRounds))];
  },
});

async function measureCase(
  programs: string,
  { name, load, target = TARGET }: Case,
  plan: { readonly rounds: number; readonly warmUps: number },
): Promise<Row[]> {
  await using servers = new ServerGroup(programs);
  const figures = new Map<string, number[]>([
    [BARE, []],
    [OURS, []],
  ]);
  for (let round = -plan.warmUps; round < plan.rounds; round++) {
    for (const [program, list] of round % 2 === 0 ? figures : [...figures].toReversed()) {
      const { cpuMicros } = await sendLoad(await servers.get(program), load);
      if (round >= 0) list.push(cpuMicros);
    }
  }
  const quiet = (program: string): number => quantile(figures.get(program) ?? [], QUIET_SHARE);
  return [
    atLeast(
      `${name}: servable / bare Fastify, by CPU per request in quiet rounds`,
      quiet(BARE) / quiet(OURS),
      "ratio",
      target,
    ),
    information(`${name}: CPU per request of servable`, quiet(OURS), "µs"),
    information(`${name}: CPU per request of bare Fastify`, quiet(BARE), "µs"),
  ];
}

async function measureMemory(programs: string, rounds: number): Promise<Row[]> {
  const peaks: Record<string, number[]> = { [BARE]: [], [OURS]: [] };
  for (let round = 0; round < rounds; round++) {
    for (const program of [BARE, OURS]) {
      await using servers = new ServerGroup(programs);
      const server = await servers.get(program);
      await sendLoad(server, HUGE);
      peaks[program]?.push((await server.usage()).peakMemoryBytes / 1e6);
    }
  }
  const [bare, ours] = [median(peaks[BARE] ?? []), median(peaks[OURS] ?? [])];
  return [
    atMost("answers of 5 MB: peak memory, servable / bare Fastify", ours / bare, "ratio", MEMORY_TARGET),
    information("answers of 5 MB: peak memory of servable", ours, "MB"),
    information("answers of 5 MB: peak memory of bare Fastify", bare, "MB"),
  ];
}
