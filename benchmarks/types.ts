/**
 * The compiler's time for the types of `@endpoint`: 200 endpoints, each with schemas of its own, beside the same
 * classes, schemas and methods without the decorators.
 *
 * Both are type-checked in turn against the package's declarations, as a user's compiler sees them, by the repository's
 * compiler on one thread. The difference is the cost of the decorators: their generic call, and the checks of argument
 * and result.
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { runCommand } from "./lib/command.ts";
import { generateApp } from "./lib/generated-app.ts";
import { atMost, information, type Row } from "./lib/row.ts";
import { ROOT, StagedPackage, TSC } from "./lib/staged-package.ts";
import { median } from "./lib/statistics.ts";

const SIZE = { classes: 10, endpointsPerClass: 20 };
const ENDPOINTS = SIZE.classes * SIZE.endpointsPerClass;

/** The maximum check time, as a multiple of the plain code's; about 1.9 when set. Loose, since times vary on a busy machine. */
const TIME_TARGET = 2.5;
/** The maximum number of type instantiations per endpoint; 1,052 when set. The number is the same on every machine. */
const INSTANTIATIONS_TARGET = 1300;

await runBenchmark({
  name: "types",
  summary: `The compiler's time for ${ENDPOINTS} decorated endpoints beside the same code without decorators.`,
  measure: async ({ quick }) => {
    const rounds = quick ? 5 : 15;
    progress("compiling the package");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const projects = {
      decorated: await writeProject(staged.folder, "decorated", true),
      plain: await writeProject(staged.folder, "plain", false),
    };
    const decorated: Diagnostics[] = [];
    const plain: Diagnostics[] = [];
    for (let round = 1; round <= rounds; round++) {
      progress(`round ${round} of ${rounds}`);
      decorated.push(await check(projects.decorated));
      plain.push(await check(projects.plain));
    }
    return rowsOf(decorated, plain);
  },
});

/** Writes the generated code with a configuration of its own; returns the configuration's path. */
async function writeProject(parent: string, name: string, decorated: boolean): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder);
  for (const [file, source] of generateApp(SIZE, decorated)) await writeFile(join(folder, file), source);
  const config = join(folder, "tsconfig.json");
  await writeFile(
    config,
    JSON.stringify({
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: { customConditions: [] },
      include: ["."],
    }),
  );
  return config;
}

/** The compiler's statistics of one run. */
interface Diagnostics {
  readonly checkMs: number;
  readonly instantiations: number;
  readonly memoryMb: number;
}

async function check(config: string): Promise<Diagnostics> {
  const args = [TSC, "-p", config, "--singleThreaded", "--extendedDiagnostics"];
  const text = await runCommand(process.execPath, args, { cwd: ROOT });
  const figure = (label: string): number => {
    const found = new RegExp(`^${label}:\\s*([\\d.]+)`, "m").exec(text)?.[1];
    if (found === undefined) throw new Error(`The compiler does not tell its "${label}".`);
    return Number(found);
  };
  return {
    checkMs: figure("Check time") * 1000,
    instantiations: figure("Instantiations"),
    memoryMb: (figure("Memory used") * 1024) / 1e6,
  };
}

function rowsOf(decorated: readonly Diagnostics[], plain: readonly Diagnostics[]): Row[] {
  const pairs = decorated.map((withThem, round) => ({ withThem, without: plain[round] as Diagnostics }));
  const ratio = median(pairs.map(({ withThem, without }) => withThem.checkMs / without.checkMs));
  const perEndpoint = (of: (run: Diagnostics) => number): number =>
    median(pairs.map(({ withThem, without }) => (of(withThem) - of(without)) / ENDPOINTS));
  const middle = (runs: readonly Diagnostics[], of: (run: Diagnostics) => number): number =>
    median(runs.map(of));
  return [
    atMost("check time, decorated / plain", ratio, "ratio", TIME_TARGET),
    information(
      "check time a decorated endpoint adds",
      perEndpoint((run) => run.checkMs),
      "ms",
    ),
    atMost(
      "instantiations a decorated endpoint adds",
      perEndpoint((run) => run.instantiations),
      "instantiations",
      INSTANTIATIONS_TARGET,
    ),
    ...[
      { name: "decorated", runs: decorated },
      { name: "plain", runs: plain },
    ].flatMap(({ name, runs }) => [
      information(
        `${name}: check time`,
        middle(runs, (run) => run.checkMs),
        "ms",
      ),
      information(
        `${name}: instantiations`,
        middle(runs, (run) => run.instantiations),
        "instantiations",
      ),
      information(
        `${name}: memory`,
        middle(runs, (run) => run.memoryMb),
        "MB",
      ),
    ]),
  ];
}
