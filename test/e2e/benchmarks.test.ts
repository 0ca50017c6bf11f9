import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as {
  scripts: Record<string, string>;
};

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a benchmark with the command of its npm script; npm itself would print a banner. */
function run(name: string, ...flags: readonly string[]): Promise<Outcome> {
  const [program, ...args] = (scripts[`bench:${name}`] ?? "").split(" ");
  assert.equal(program, "node");
  return new Promise((resolve) => {
    execFile(process.execPath, [...args, ...flags], { cwd: ROOT }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
    });
  });
}

/** Names that a benchmark's rows must have among them: the figures that are held to a target. */
const TARGETS: Readonly<Record<string, readonly string[]>> = {
  overhead: ["servable / bare Fastify, by CPU per request in quiet rounds"],
  startup: ['import "servable" / import "fastify"'],
  footprint: ["production install: size of the files", "repository's npm ci: size of the files"],
  realtime: ["servable / bare ws, by CPU per message in quiet rounds", "servable: memory of an idle session"],
  batch: [
    ...["S1: saturation, 256 clients / ceiling", "S2: saturation, 256 clients / ceiling"],
    ...["S3: saturation, 128 clients / ceiling", "S4: saturation, 128 clients / ceiling"],
    ...["S1: highest rate with 99 % within 100 ms", "S2: highest rate with 99 % within 50 ms"],
    ...["S3: highest rate with 99 % within 500 ms", "S4: highest rate with 99 % within 60 ms"],
    ...["S1 at 1.5 λ*", "S1 at 3 λ*", "S2 at 1.5 λ*", "S3 at 3 λ*", "S4 at 3 λ*"].flatMap((load) => [
      `${load}: goodput`,
      `${load}: p99 of the accepted`,
      `${load}: p99 of rejections`,
      `${load}: rejections with Retry-After`,
    ]),
    ...[8, 16, 48].map((clients) => `S1: closed loop, ${clients} clients / ideal`),
    "S1 at 0.05 λ*: p50",
    "S4: goodput is back after costs ×3",
    "S4: goodput is back after costs ÷3",
    "S1 at 3 λ*, costs ± 15 %: goodput",
    "S1, 4 executors: highest rate with 99 % within 100 ms",
  ],
  types: ["check time, decorated / plain", "instantiations a decorated endpoint adds"],
};

for (const [name, targets] of Object.entries(TARGETS)) {
  test(`bench:${name} --quick --json prints a list of rows and nothing else`, async () => {
    const { code, stdout, stderr } = await run(name, "--quick", "--json");
    assert.ok(code === 0 || code === 1, `exit code ${code}\n${stderr}`);
    const rows = JSON.parse(stdout) as Record<string, unknown>[];
    for (const row of rows) {
      assert.deepEqual(Object.keys(row), ["name", "figure", "unit", "target", "ok"]);
      assert.equal(typeof row["name"], "string");
      assert.ok(Number.isFinite(row["figure"]), `${String(row["name"])}: ${String(row["figure"])}`);
      assert.equal(typeof row["unit"], "string");
      if (row["target"] === null) assert.equal(row["ok"], true);
      else assert.match(String(row["target"]), /^[≥≤] \d/);
    }
    assert.deepEqual(
      rows.filter((row) => row["target"] !== null).map((row) => row["name"]),
      targets,
    );
    assert.equal(code, rows.every((row) => row["ok"]) ? 0 : 1, "the exit code says whether targets are met");
  });

  test(`bench:${name} --help says how to use it; an unknown option is refused`, async () => {
    const help = await run(name, "--help");
    assert.equal(help.code, 0);
    assert.match(help.stdout, new RegExp(`^Usage: npm run bench:${name} `));
    const refused = await run(name, "--fast");
    assert.equal(refused.code, 2);
    assert.equal(refused.stdout, "");
    assert.match(refused.stderr, /Unknown option '--fast'/);
  });
}
