// Runs test files with Node's own runner through tsx, and prints "N passed, N failed" at the end.
// Usage: node scripts/test.mjs FOLDER_OR_FILE… [--node PATH]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
const folder = mkdtempSync(join(tmpdir(), "servable-test-"));
const counts = join(folder, "counts.json");
const { status } = spawnSync(
  values.node ?? process.execPath,
  [
    ...["--conditions=servable-source", "--import", "tsx", "--import", "./test/helpers/property-seed.mjs"],
    ...["--expose-gc", "--test"],
    `--test-concurrency=${values.concurrency}`,
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...["--test-reporter=./scripts/count-reporter.mjs", `--test-reporter-destination=${counts}`],
    ...files,
  ],
  {
    stdio: "inherit",
    env: { ...process.env, NODE_NO_WARNINGS: "1", FORCE_COLOR: process.env.FORCE_COLOR ?? "0" },
  },
);
const { passed, failed } = JSON.parse(readFileSync(counts, "utf8") || '{"passed":0,"failed":1}');
rmSync(folder, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(status ?? 1);

function testFiles(place) {
  if (!statSync(place).isDirectory()) return [place];
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const path = join(place, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : testFiles(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  });
}
