// Runs test files with Node's own runner through tsx, and prints "N passed, N failed" at the end.
// Usage: node scripts/test.mjs FOLDER_OR_FILE… [--node PATH]
// A failing file runs once more by itself. If it passes then, it is counted as passed and listed as flaky.
// The files that took longest are listed before the counts. One that hangs is ended, and fails.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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

/** The time after which a test file is taken to hang, in ms. The longest ones take minutes on a slow machine. */
const HANGS_MS = 8 * 60_000;
/** The number of files whose times are printed. */
const SLOWEST = 25;

const first = run(files);
const flaky = [];
let failed = 0;
const suspects = files.filter(mayHaveFailed);
if (first.status !== 0 && suspects.length === 0) failed++; // the failure belongs to no file
for (const file of suspects) {
  console.log(`\n== ${file} failed; it runs once more by itself`);
  const again = run([file]);
  if (again.status === 0) flaky.push(file);
  else failed += Math.max(1, sum(again.counts, "failed"));
}
if (files.length > SLOWEST) {
  const slowest = first.times.sort(([a], [b]) => b - a).slice(0, SLOWEST);
  console.log(
    `\nslowest files:\n${slowest.map(([seconds, file]) => `${seconds.toFixed(1)} s  ${file}`).join("\n")}\n`,
  );
}
const passed = sum(first.counts, "passed") + Math.max(0, sum(first.counts, "failed") - failed);
for (const file of flaky) console.log(`flaky: ${relative(".", file)} failed, and passed when run once more`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

/** A test that a helper defines is reported under the helper's name: it may belong to any file without own tests. */
function mayHaveFailed(file) {
  if (first.status === 0) return false;
  const own = first.counts[resolve(file)];
  if (own !== undefined) return own.failed > 0;
  const named = new Set(files.map((name) => resolve(name)));
  const others = Object.entries(first.counts).filter(([name]) => !named.has(name));
  const ownFailures = [...named].some((name) => (first.counts[name]?.failed ?? 0) > 0);
  return others.some(([, { failed: count }]) => count > 0) || !ownFailures;
}

/** Runs the files, prints the runner's output, and returns its exit status, and counts and times of each file. */
function run(testFiles) {
  const folder = mkdtempSync(join(tmpdir(), "servable-test-"));
  const report = join(folder, "counts.json");
  const times = join(folder, "times");
  writeFileSync(times, "");
  const { status } = spawnSync(
    values.node ?? process.execPath,
    [
      ...["--conditions=servable-source", "--import", "tsx", "--import", "./test/helpers/property-seed.mjs"],
      ...["--import", "./scripts/file-times.mjs", "--expose-gc", "--test"],
      `--test-timeout=${HANGS_MS}`,
      `--test-concurrency=${values.concurrency}`,
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...["--test-reporter=./scripts/count-reporter.mjs", `--test-reporter-destination=${report}`],
      ...testFiles,
    ],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        NODE_NO_WARNINGS: "1",
        FORCE_COLOR: process.env.FORCE_COLOR ?? "0",
        SERVABLE_TEST_TIMES: times,
      },
    },
  );
  try {
    const lines = readFileSync(times, "utf8").trim().split("\n");
    return {
      status,
      counts: JSON.parse(readFileSync(report, "utf8")),
      times: lines.map((line) => [parseInt(line) / 1_000, line.slice(line.indexOf(" ") + 1)]),
    };
  } catch {
    return { status: status || 1, counts: {}, times: [] }; // the runner itself crashed: no test is counted as passed
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function sum(counts, kind) {
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
