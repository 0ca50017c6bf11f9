/**
 * The cost of a call of an isolated function: to a running process, beside a bare echo through `node:child_process`;
 * and as the first call of a program, beside the start of Node itself.
 *
 * Everything runs as compiled code in separate processes. Rivals take turns within the same process, or round by round,
 * and medians of the rounds' differences are used: other work of the machine affects both. It adds more to the longer
 * one, so that the cold start is also shown for the quiet fifth of the rounds.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ColdParts } from "./functions/cold-parts.ts";
import type { Turns } from "./functions/turns.ts";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { ProgramFolder } from "./lib/program-folder.ts";
import { atMost, information, type Row } from "./lib/row.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";

/** The maximum time of a warm call beyond the bare echo, in milliseconds. */
const WARM_TARGET_MS = 1;
/** The maximum time of the first call beyond the start of Node, in milliseconds. */
const COLD_TARGET_MS = 250;

/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;

/** The value that is sent and returned. */
const SIZES: readonly { readonly name: string; readonly bytes: number }[] = [
  { name: "1 MB", bytes: 1e6 },
  { name: "100 MB", bytes: 1e8 },
];

/** The number of workers that answer at the same time. */
const WORKERS: readonly number[] = [1, 4];

/** The extent of the measurement. */
interface Plan {
  readonly coldRounds: number;
  readonly warmRounds: number;
  /** Calls of each rival per round. */
  readonly warmCalls: number;
  readonly byteRounds: number;
  readonly throughputCalls: number;
  readonly memoryRounds: number;
}

const QUICK: Plan = {
  coldRounds: 9,
  warmRounds: 10,
  warmCalls: 200,
  byteRounds: 3,
  throughputCalls: 2000,
  memoryRounds: 3,
};
const FULL: Plan = {
  coldRounds: 31,
  warmRounds: 40,
  warmCalls: 500,
  byteRounds: 11,
  throughputCalls: 20_000,
  memoryRounds: 7,
};

await runBenchmark({
  name: "functions",
  summary: "Calls of isolated functions, beside a bare echo between processes and the start of Node.",
  measure: async ({ quick }) => {
    const plan = quick ? QUICK : FULL;
    progress("compiling the package and the programs");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const folder = await staged.compilePrograms(fileURLToPath(new URL("functions", import.meta.url)));
    const programs = new ProgramFolder(folder, {
      ...process.env,
      SERVABLE_CACHE_DIR: join(staged.folder, "cache"),
      NODE_ENV: "production",
    });
    progress(`first calls, ${plan.coldRounds} rounds`);
    const environments = join(staged.folder, "dist/environments/npm-environments.js");
    const cold = await measureCold(programs, plan, pathToFileURL(environments).href);
    progress(`warm calls, ${plan.warmRounds} rounds of ${plan.warmCalls}`);
    const warm = await programs.run<Turns>("warm-calls", plan.warmRounds, plan.warmCalls);
    return [
      ...targetRows(warm, cold),
      ...coldRows(cold),
      ...warmRows(warm),
      ...(await otherRows(programs, plan)),
    ];
  },
});

/** The durations of one round of first calls, in milliseconds. */
interface ColdRound {
  readonly firstCall: number;
  readonly wholeScript: number;
  readonly bareNode: number;
  readonly parts: ColdParts;
  readonly lookup: number;
}

async function measureCold(programs: ProgramFolder, plan: Plan, environments: string): Promise<ColdRound[]> {
  const rounds: ColdRound[] = [];
  // The first round creates the environment, and fills the disk cache.
  for (let round = 0; round <= plan.coldRounds; round++) {
    const bareNode = await programs.bareNode();
    const { printed: firstCall, whole: wholeScript } = await programs.runWhole("cold-start");
    const parts = await programs.run<ColdParts>("cold-parts");
    const lookup = await programs.run<number>("environment-lookup", environments);
    if (round > 0) rounds.push({ firstCall, wholeScript, bareNode, parts, lookup });
  }
  return rounds;
}

function targetRows(warm: Turns, cold: readonly ColdRound[]): Row[] {
  const warmDifference = median(
    warm.ours.map((latencies, round) => median(latencies) - median(warm.bare[round] ?? [])),
  );
  const coldDifference = median(cold.map(({ firstCall, bareNode }) => firstCall - bareNode));
  return [
    atMost(
      "warm call of an empty function − bare child_process IPC echo",
      warmDifference,
      "ms",
      WARM_TARGET_MS,
    ),
    atMost("cold start (environment cached) − node -e 0", coldDifference, "ms", COLD_TARGET_MS),
  ];
}

function coldRows(rounds: readonly ColdRound[]): Row[] {
  const row = (name: string, figure: (round: ColdRound) => number): Row =>
    information(name, median(rounds.map(figure)), "ms");
  const quiet = (figure: (round: ColdRound) => number): number => quantile(rounds.map(figure), QUIET_SHARE);
  const inQuiet = quiet(({ firstCall }) => firstCall) - quiet(({ bareNode }) => bareNode);
  return [
    information("cold start − node -e 0, in the quiet fifth of the rounds", inQuiet, "ms"),
    row("cold start: first call", ({ firstCall }) => firstCall),
    row("cold start: bundling, by itself", ({ parts }) => parts.bundle),
    row("cold start: environment, process and call, by themselves", ({ parts }) => parts.rest),
    row("cold start: looking up the environment, by itself", ({ lookup }) => lookup),
    row("bare fork, until its first echo", ({ parts }) => parts.bareFork),
    row("node -e 0", ({ bareNode }) => bareNode),
    row("whole program with one call", ({ wholeScript }) => wholeScript),
  ];
}

function warmRows(warm: Turns): Row[] {
  return [
    { name: "warm call", latencies: warm.ours.flat() },
    { name: "bare echo", latencies: warm.bare.flat() },
  ].flatMap(({ name, latencies }) => [
    information(`${name}: median`, median(latencies), "ms"),
    information(`${name}: p99`, quantile(latencies, 0.99), "ms"),
  ]);
}

async function otherRows(programs: ProgramFolder, plan: Plan): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { name, bytes } of SIZES) {
    progress(`${name} there and back, ${plan.byteRounds} rounds`);
    const { ours, bare } = await programs.run<Turns>("byte-calls", bytes, plan.byteRounds);
    const ratios = ours.map((latencies, round) => median(latencies) / median(bare[round] ?? []));
    rows.push(
      information(`${name} there and back / bare echo of the same`, median(ratios), "ratio"),
      information(`${name} there and back`, median(ours.flat()), "ms"),
    );
  }
  for (const workers of WORKERS) {
    const name = workers === 1 ? "1 worker" : `${workers} workers`;
    progress(`calls a second, ${name}`);
    const rate = await programs.run<number>("throughput", workers, plan.throughputCalls);
    rows.push(information(`empty calls, ${name}`, rate, "calls/s"));
  }
  progress("memory of a worker");
  const memory: { worker: number; bare: number }[] = [];
  for (let round = 0; round < plan.memoryRounds; round++) {
    const worker = await programs.run<number>("idle-memory");
    memory.push({ worker, bare: await programs.run<number>("bare-memory") });
  }
  rows.push(
    information("memory of an idle worker", median(memory.map(({ worker }) => worker)) / 1e6, "MB"),
    information("memory of a bare process of Node's", median(memory.map(({ bare }) => bare)) / 1e6, "MB"),
  );
  return rows;
}
