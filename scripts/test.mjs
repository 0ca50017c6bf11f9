// Runs test files with Node's own runner through tsx, and prints "N passed, N failed" at the end.
// Usage: node scripts/test.mjs FOLDER_OR_FILE… [--node PATH]
// A file that fails runs once more by itself. If it passes then, it counts as passed and is listed as flaky.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: "string" }, concurrency: { type: "string", default: "2" } },
});

const files = positionals.flatMap(testFiles).sort();
if (files.length === 0) {
  console.error(`No *.test.ts found in ${positionals.join(", ") || "nothing"}.`);
  process.exit(1);
}

const counts = run(files);
const failing = files.filter((file) => (counts[resolve(file)]?.failed ?? 1) > 0);
const flaky = [];
for (const file of failing) {
  console.log(`\n== ${file} failed; it runs once more by itself`);
  const again = run([file])[resolve(file)];
  if (again === undefined || again.failed > 0) continue;
  counts[resolve(file)] = again;
  flaky.push(file);
}
const unknown = files.filter((file) => counts[resolve(file)] === undefined).length;
const passed = sum("passed");
const failed = sum("failed") + unknown;
for (const file of flaky) console.log(`flaky: ${relative(".", file)} failed, and passed when run once more`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

/** Runs the files, prints what the runner prints, and returns what each of them counted. */
function run(testFiles) {
  const folder = mkdtempSync(join(tmpdir(), "servable-test-"));
  const report = join(folder, "counts.json");
  spawnSync(
    values.node ?? process.execPath,
    [
      ...["--conditions=servable-source", "--import", "tsx", "--import", "./test/helpers/property-seed.mjs"],
      ...["--expose-gc", "--test"],
      `--test-concurrency=${values.concurrency}`,
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...["--test-reporter=./scripts/count-reporter.mjs", `--test-reporter-destination=${report}`],
      ...testFiles,
    ],
    {
      stdio: "inherit",
      env: { ...process.env, NODE_NO_WARNINGS: "1", FORCE_COLOR: process.env.FORCE_COLOR ?? "0" },
    },
  );
  try {
    return JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return {}; // the runner itself came to an end: no file counts as passed
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function sum(kind) {
  return Object.values(counts).reduce((total, count) => total + count[kind], 0);
}

function testFiles(place) {
  if (!statSync(place).isDirectory()) return [place];
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const path = join(place, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : testFiles(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  });
}
