/**
 * Servable beside the products that users would choose instead, with one load generator over loopback.
 *
 * Each server is the product itself, set up as its documentation shows. Installs the products into `.cache/peers` (the
 * variable PEERS_WORK), measures, and writes samples, tables and plots into a folder of results there.
 * @module
 */
import { appendFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { progress } from "./lib/benchmark.ts";
import { formatTable } from "./lib/row.ts";
import { readArguments, type PeersArguments } from "./peers/arguments.ts";
import { readConditions } from "./peers/conditions.ts";
import { installEnvironments } from "./peers/installation.ts";
import { LoadGenerator } from "./peers/load.ts";
import { checkPrerequisites } from "./peers/prerequisites.ts";
import { publish } from "./peers/publish.ts";
import { reportFiles, rowsOf, type Outcome } from "./peers/report.ts";
import type { Sample, SectionName } from "./peers/sample.ts";
import { environmentsOf, SECTION_PARTS } from "./peers/section-parts.ts";
import { WORK } from "./peers/work-folder.ts";

const options = readArguments();
if (options !== undefined) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  try {
    await run(options);
  } catch (error) {
    progress(`Could not measure: ${(error as Error).message}`);
    process.exitCode = 2;
  }
}

async function run({ sections, quick, json, only, publishes }: PeersArguments): Promise<void> {
  const environments = environmentsOf(sections, only);
  checkPrerequisites({
    python: [...environments].some((name) => name !== "npm" && name !== "servable"),
  });
  const generator = await LoadGenerator.compile(join(WORK, "bin"));
  await installEnvironments(environments);
  const folder = join(WORK, "results", new Date().toISOString().replaceAll(":", "-").slice(0, 19));
  await mkdir(folder, { recursive: true });
  const conditions = await readConditions(environments);
  const samples: Sample[] = [];
  const failures: string[] = [];
  const outcome: Outcome = { samples, failures, conditions, quick };
  const measureSection = async (name: SectionName): Promise<void> => {
    progress(`section ${name}`);
    await SECTION_PARTS[name].measure({
      ...{ generator, quick },
      wants: (product) => only === undefined || only.has(product),
      record: (sample) => {
        samples.push(sample);
        appendFileSync(join(folder, "samples.jsonl"), `${JSON.stringify(sample)}\n`);
      },
      fail: (product, error) => {
        failures.push(`${name}: ${product}: ${(error as Error).message}`);
        progress(`  not measured: ${(error as Error).message}`);
      },
    });
  };
  for (const name of sections) await measureSection(name);
  const files = reportFiles(outcome);
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  progress(`report: ${join(folder, "report.md")}`);
  if (publishes && failures.length === 0) await publish(files);
  const rows = rowsOf(outcome);
  console.log(json ? JSON.stringify(rows, null, 2) : `\npeers\n${formatTable(rows)}`);
  if (failures.length > 0) process.exitCode = 2;
}
