/**
 * The time from the start of a servable's process to its first response, and the time of its import, compared with bare
 * Fastify. Every figure comes from a fresh process of compiled code; the two take turns, and medians are used.
 *
 * The import is measured inside the process, around `import()`, so that it excludes the start of Node itself.
 *
 * Both are also left idle after a first answer, and their processor time and memory are compared.
 *
 * A servable with 500 endpoints is compared with a Fastify server with the same schemas by the processor time until it
 * listens, which other work of the machine changes less than the time. Its first document is requested while its event
 * loop is watched.
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { runCommand } from "./lib/command.ts";
import { atMost, information, type Row } from "./lib/row.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";
import { BODY as MANY_BODY, ENDPOINTS } from "./servers/many-schemas.ts";

/** The maximum import time of "servable", as a multiple of that of "fastify". */
const IMPORT_TARGET = 1.1;
/** The maximum time until the first answer, as a multiple of bare Fastify's. */
const ANSWER_TARGET = 1.12;

/** The maximum share of a core that an idle servable uses, in %. */
const IDLE_TARGET = 0.1;
/** The maximum resident memory after the first answer, as a multiple of bare Fastify's. */
const MEMORY_TARGET = 1.2;

/** The maximum start of a servable with many endpoints, as a multiple of bare Fastify's. */
const START_TARGET = 1.15;
/** The longest block of the event loop while the first document is made, in ms. */
const BLOCK_TARGET_MS = 150;

/** The time for which idle servers are measured, in seconds. */
const IDLE_SECONDS = 60;
const QUICK_IDLE_SECONDS = 3;

const JSON_BODY = { "content-type": "application/json" };
const BODY = JSON.stringify({ prompt: "a lighthouse", seed: 1, steps: 25 });

await runBenchmark({
  name: "startup",
  summary: "Time to the first answer, and to import the package, beside bare Fastify.",
  measure: async ({ quick }) => {
    const rounds = quick ? { answers: 7, imports: 15, starts: 1 } : { answers: 25, imports: 41, starts: 9 };
    progress("compiling the package and the servers");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
    progress(`first answers, ${rounds.answers} rounds`);
    const answers = await alternate(
      rounds.answers,
      () => firstAnswer(join(programs, "servable.js")),
      () => firstAnswer(join(programs, "fastify-bare.js")),
    );
    progress(`imports, ${rounds.imports} rounds`);
    const imports = await alternate(
      rounds.imports,
      () => importTime(programs, "servable"),
      () => importTime(programs, "fastify"),
    );
    progress(`idle for ${quick ? QUICK_IDLE_SECONDS : IDLE_SECONDS} s`);
    const idle = await idleOf(
      [join(programs, "servable.js"), join(programs, "fastify-bare.js")],
      quick ? QUICK_IDLE_SECONDS : IDLE_SECONDS,
    );
    progress(`starts of ${ENDPOINTS} endpoints, ${rounds.starts} rounds`);
    const starts = await alternate(
      rounds.starts,
      () => startOfMany(join(programs, "servable-many.js"), true),
      () => startOfMany(join(programs, "fastify-many.js"), false),
    );
    return [...rowsOf(answers, imports), ...rowsOfIdle(idle), ...rowsOfMany(starts)];
  },
});

interface Pair<Figure = number> {
  readonly ours: readonly Figure[];
  readonly bare: readonly Figure[];
}

/** Measures both in turn, after one round that fills the disk cache. */
async function alternate<Figure>(
  rounds: number,
  ours: () => Promise<Figure>,
  bare: () => Promise<Figure>,
): Promise<Pair<Figure>> {
  const figures: { ours: Figure[]; bare: Figure[] } = { ours: [], bare: [] };
  await ours();
  await bare();
  for (let round = 0; round < rounds; round++) {
    figures.ours.push(await ours());
    figures.bare.push(await bare());
  }
  return figures;
}

/** The time from before the start of the process until its first response has arrived, in milliseconds. */
async function firstAnswer(program: string): Promise<number> {
  const started = performance.now();
  await using server = await ServerProcess.start(program);
  const response = await fetch(server.url, { method: "POST", headers: JSON_BODY, body: BODY });
  await response.arrayBuffer();
  const milliseconds = performance.now() - started;
  if (response.status !== 200) throw new Error(`${program} answered ${response.status}.`);
  return milliseconds;
}

/** The import time of one package, in a process that has loaded nothing else, in milliseconds. */
async function importTime(programs: string, name: string): Promise<number> {
  return Number(
    await runCommand(process.execPath, [join(programs, "import-time.js"), name], { cwd: programs }),
  );
}

/** What a server uses after its first answer, while nobody calls it. */
interface Idle {
  /** Processor time of all threads, in % of a core. */
  readonly share: number;
  /** Resident memory at the end, in bytes. */
  readonly memoryBytes: number;
}

/** Starts and calls the servers once, waits until the engine has tidied up, and measures them at the same time. */
function idleOf(programs: readonly string[], seconds: number): Promise<Idle[]> {
  return Promise.all(
    programs.map(async (program) => {
      await using server = await ServerProcess.start(program);
      await send(server.url, { method: "POST", headers: JSON_BODY, body: BODY });
      await sleep(seconds * 500);
      const { cpuMicros } = await server.usage();
      await sleep(seconds * 1000);
      const after = await server.usage();
      return {
        share: (after.cpuMicros - cpuMicros) / (seconds * 10_000),
        memoryBytes: after.memoryBytes,
      };
    }),
  );
}

/** The start of a server with many endpoints. */
interface ManyStart {
  /** Processor time until it listened, in ms. */
  readonly startMs: number;
  /** Processor time until each endpoint has answered once, in ms. */
  readonly answeredMs: number;
  /** The longest block of the event loop during the first request for the document, in ms. */
  readonly blockMs: number;
}

async function startOfMany(program: string, hasDocument: boolean): Promise<ManyStart> {
  let answeredMs: number;
  {
    await using server = await ServerProcess.start(program);
    const body = JSON.stringify(MANY_BODY);
    for (let index = 0; index < ENDPOINTS; index++) {
      await send(`${server.url}/path-${index}`, { method: "POST", headers: JSON_BODY, body });
    }
    answeredMs = (await server.usage()).cpuMicros / 1000;
  }
  await using server = await ServerProcess.start(program);
  await server.watchEventLoop();
  if (hasDocument) await send(`${server.url}/openapi.json`);
  return {
    startMs: server.startMicros / 1000,
    answeredMs,
    blockMs: (await server.usage()).longestBlockMs,
  };
}

/** @throws Error for any other answer than 200 */
async function send(url: string, request: RequestInit = {}): Promise<void> {
  const response = await fetch(url, request);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status} ${text}`);
}

function rowsOf(answers: Pair, imports: Pair): Row[] {
  const ratio = (pair: Pair): number => ratioOf(pair, (figure) => figure);
  return [
    atMost('import "servable" / import "fastify"', ratio(imports), "ratio", IMPORT_TARGET),
    information('import "servable"', median(imports.ours), "ms"),
    information('import "fastify"', median(imports.bare), "ms"),
    atMost("first answer, servable / bare Fastify", ratio(answers), "ratio", ANSWER_TARGET),
    ...[
      { name: "servable", figures: answers.ours },
      { name: "bare Fastify", figures: answers.bare },
    ].flatMap(({ name, figures }) => [
      information(`first answer of ${name}: median`, median(figures), "ms"),
      information(`first answer of ${name}: p99`, quantile(figures, 0.99), "ms"),
    ]),
  ];
}

function rowsOfIdle([ours, bare]: readonly Idle[]): Row[] {
  if (ours === undefined || bare === undefined) return [];
  return [
    atMost("idle servable: processor time", ours.share, "% of a core", IDLE_TARGET),
    information("idle bare Fastify: processor time", bare.share, "% of a core"),
    atMost(
      "idle: memory, servable / bare Fastify",
      ours.memoryBytes / bare.memoryBytes,
      "ratio",
      MEMORY_TARGET,
    ),
  ];
}

function rowsOfMany(starts: Pair<ManyStart>): Row[] {
  const what = `${ENDPOINTS} endpoints`;
  const middle = (list: readonly ManyStart[], read: (start: ManyStart) => number): number =>
    median(list.map(read));
  return [
    atMost(
      `${what}: start, servable / bare Fastify, by processor time`,
      ratioOf(starts, ({ startMs }) => startMs),
      "ratio",
      START_TARGET,
    ),
    atMost(
      `${what}: longest block of the event loop by the first document`,
      middle(starts.ours, ({ blockMs }) => blockMs),
      "ms",
      BLOCK_TARGET_MS,
    ),
    information(
      `${what}: start of servable, processor time`,
      middle(starts.ours, ({ startMs }) => startMs),
      "ms",
    ),
    information(
      `${what}: start of bare Fastify, processor time`,
      middle(starts.bare, ({ startMs }) => startMs),
      "ms",
    ),
    information(
      `${what}: start and one answer of each, servable / bare Fastify, by processor time`,
      ratioOf(starts, ({ answeredMs }) => answeredMs),
      "ratio",
    ),
  ];
}

/** The median of the ratios of the rounds. */
function ratioOf<Figure>({ ours, bare }: Pair<Figure>, read: (figure: Figure) => number): number {
  return median(ours.map((figure, round) => read(figure) / read(bare[round] as Figure)));
}
