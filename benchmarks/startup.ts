/**
 * The time from the start of a servable's process to its first response, and the time of its import, compared with bare
 * Fastify. Every figure comes from a fresh process of compiled code; the two take turns, and medians are used.
 *
 * The import is measured inside the process, around `import()`, so that it excludes the start of Node itself.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { runCommand } from "./lib/command.ts";
import { atMost, information, type Row } from "./lib/row.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";

/** The maximum import time of "servable", as a multiple of that of "fastify". */
const IMPORT_TARGET = 1.5;

const BODY = JSON.stringify({ prompt: "a lighthouse", seed: 1, steps: 25 });

await runBenchmark({
  name: "startup",
  summary: "Time to the first answer, and to import the package, beside bare Fastify.",
  measure: async ({ quick }) => {
    const rounds = quick ? { answers: 7, imports: 15 } : { answers: 25, imports: 41 };
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
    return rowsOf(answers, imports);
  },
});

interface Pair {
  readonly ours: readonly number[];
  readonly bare: readonly number[];
}

/** Measures both in turn, after one round that fills the disk cache. */
async function alternate(
  rounds: number,
  ours: () => Promise<number>,
  bare: () => Promise<number>,
): Promise<Pair> {
  const figures: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
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
  const headers = { "content-type": "application/json" };
  const response = await fetch(server.url, { method: "POST", headers, body: BODY });
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

function rowsOf(answers: Pair, imports: Pair): Row[] {
  const ratio = ({ ours, bare }: Pair): number =>
    median(ours.map((figure, round) => figure / (bare[round] as number)));
  return [
    atMost('import "servable" / import "fastify"', ratio(imports), "ratio", IMPORT_TARGET),
    information('import "servable"', median(imports.ours), "ms"),
    information('import "fastify"', median(imports.bare), "ms"),
    information("first answer, servable / bare Fastify", ratio(answers), "ratio"),
    ...[
      { name: "servable", figures: answers.ours },
      { name: "bare Fastify", figures: answers.bare },
    ].flatMap(({ name, figures }) => [
      information(`first answer of ${name}: median`, median(figures), "ms"),
      information(`first answer of ${name}: p99`, quantile(figures, 0.99), "ms"),
    ]),
  ];
}
