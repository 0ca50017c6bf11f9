import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as {
  scripts: Record<string, string>;
};

/** The time after which a benchmark is taken to hang, in ms. */
const HANGS_MS = 5 * 60_000;

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
    execFile(
      process.execPath,
      [...args, ...flags],
      { cwd: ROOT, timeout: HANGS_MS },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      },
    );
  });
}

/** Names that must be among a benchmark's rows: the figures that have a target. */
const TARGETS: Readonly<Record<string, readonly string[]>> = {
  overhead: [
    "servable / bare Fastify, by CPU per request in quiet rounds",
    ...["Origin sent", "request storage", "bearer check", "GET with typed query", "bytes in and out"].map(
      (what) => `${what}: servable / bare Fastify, by CPU per request in quiet rounds`,
    ),
  ],
  http: [
    "multipart of 100 MB: servable / bare Fastify, by processor time",
    "multipart of 100 MB: growth of servable's peak memory",
  ],
  streams: [
    "burst: servable / bare Fastify, by CPU per item",
    "burst: servable / bare Fastify, by p99 of a stream's duration",
    "burst of lines: servable / bare Fastify, by CPU per item",
    "paced: servable / bare Fastify, by CPU per item",
  ],
  startup: [
    'import "servable" / import "fastify"',
    "first answer, servable / bare Fastify",
    "idle servable: processor time",
    "idle: memory, servable / bare Fastify",
    "500 endpoints: start, servable / bare Fastify, by processor time",
    "500 endpoints: longest block of the event loop by the first document",
  ],
  values: [
    ...["body of 600 fields", "answer of 600 fields", "body of nested lists", "answer of nested lists"].map(
      (what) => `${what}: servable / bare Fastify, by CPU per request in quiet rounds`,
    ),
    "answers of 5 MB: peak memory, servable / bare Fastify",
  ],
  footprint: [
    "production install: size of the files",
    "production install: packages",
    "repository's npm ci: size of the files",
  ],
  realtime: [
    "servable / bare ws, by CPU per message in quiet rounds",
    "one message at a time: servable / bare ws, by CPU per message in quiet rounds",
    "servable: memory of an idle session",
  ],
  functions: [
    "warm call of an empty function − bare child_process IPC echo",
    "cold start (environment cached) − node -e 0",
  ],
  workers: [
    "call through a worker: CPU of server and workers, in quiet rounds",
    "10 ms of computing on two workers: throughput",
    "the same computation, in a worker / in the server's process",
    "16 idle workers: memory",
  ],
  scaling: [
    ...["geometric mean", "dearest row", "flash crowd, dearest row"].map(
      (what) => `cost ÷ oracle's, ${what}`,
    ),
    "begun within a start and 1 s, worst row",
    "begun within 1.5 starts and 1 s, worst row of apps",
    "begun within 1 s, mean without the flash crowd",
    "eager: begun within 1 s, mean without the flash crowd",
    "eager: cost ÷ oracle's, dearest row",
    "rivals that are better in both on the mean of a trace",
    "rows with a rival that is better in both",
  ],
  media: [
    "in by data URI",
    "in by URL",
    "in by multipart",
    ...["data", "local", "s3", "fal"].map((storage) => `out by ${storage}`),
  ].flatMap((way) => [
    `${way}: servable / Fastify by hand, by requests per second`,
    `${way}: servable / Fastify by hand, by CPU per request in quiet rounds`,
    `${way}: peak memory, servable / Fastify by hand`,
  ]),
  gateway: [
    "throughput: through the gateway / direct",
    "CPU per request: gateway / bare Fastify answer",
    "added to a request, p50",
    "added to an item of 200 streams, p50",
    "memory of a socket",
    "memory of a reader that stops",
  ],
  coldstart: ["first answer − the app's own start", "last answer of a burst of 50 − the app's own start"],
  types: ["check time, decorated / plain", "instantiations a decorated endpoint adds"],
};

/** The number of benchmarks that a run measures: together they take many minutes. */
const MEASURED = 2;

/** Those whose turn it is at this commit; all with SERVABLE_TEST_ALL=1, or if there is no commit. */
function inTurn(): readonly string[] {
  const names = Object.keys(TARGETS);
  const { stdout } = spawnSync("git", ["rev-parse", "HEAD"], { cwd: ROOT, encoding: "utf8" });
  if (process.env["SERVABLE_TEST_ALL"] === "1" || !/^[0-9a-f]{40}/.test(stdout)) return names;
  const first = Number.parseInt(stdout.slice(0, 8), 16) % names.length;
  return [...names, ...names].slice(first, first + MEASURED);
}

// bench:batch needs minutes and an otherwise idle machine: CI measures it by itself, in turn with others.
for (const name of inTurn()) {
  const targets = TARGETS[name];
  test(`bench:${name} --quick --json prints only a list of rows`, async () => {
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
}

for (const name of [...Object.keys(TARGETS), "batch", "soak", "peers"]) {
  test(`bench:${name} --help prints its usage; an unknown option is refused`, async () => {
    const help = await run(name, "--help");
    assert.equal(help.code, 0);
    assert.match(help.stdout, new RegExp(`^Usage: npm run bench:${name} `));
    const refused = await run(name, "--fast");
    assert.equal(refused.code, 2);
    assert.equal(refused.stdout, "");
    assert.match(refused.stderr, /Unknown option '--fast'/);
  });
}
