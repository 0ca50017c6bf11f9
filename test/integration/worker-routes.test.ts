import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startTestServer, type TestServer } from "../../src/testing/test-server.ts";
import { PartlyPooledApp, PooledApp, SinglePooledApp } from "../fixtures/pooled-app.ts";
import { WorkGate } from "../helpers/work-gate.ts";

/** Longer than any step takes on a busy machine, in ms. */
const PATIENCE_MS = 30_000;

interface Done {
  readonly value: number;
  readonly pid: number;
  readonly batch: number;
}

async function done(answer: Response | Promise<Response>): Promise<Done> {
  const response = await answer;
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text) as Done;
}

async function readiness(url: string): Promise<number> {
  return (await fetch(`${url}/readyz`)).status;
}

/** Resolves once the server has received a number of requests from now on. */
function requests({ server }: TestServer<PooledApp>, count: number): Promise<void> {
  return new Promise((resolve) => {
    let come = 0;
    server.server.on("request", () => {
      if (++come === count) resolve();
    });
  });
}

test("a class with workers runs and is set up in them, not in the server's process", async () => {
  await using server = await startTestServer(new PooledApp());
  const answer = await server.post("/work", { value: 3 });
  const { value, pid } = await done(answer);
  assert.equal(value, 3);
  assert.notEqual(pid, process.pid);
  assert.equal(answer.headers.get("x-set-up-in"), String(pid));
  assert.equal(server.app.setUpIn, undefined);
});

test("with workers for one endpoint the others run in the server's process", async () => {
  await using server = await startTestServer(new PartlyPooledApp());
  const there = (await (await server.post("/there")).json()) as Done;
  const here = (await (await server.post("/here")).json()) as Done;
  assert.notEqual(there.pid, process.pid);
  assert.equal(here.pid, process.pid);
});

test("calls that block their process run in parallel, and the server keeps responding", async () => {
  await using server = await startTestServer(new PooledApp());
  const gate = new WorkGate();
  const slow = [1, 2].map((value) => done(server.post("/work", { value, gate: gate.folder })));
  const pids = await gate.arrivals(2);
  assert.equal(await readiness(server.url), 200);
  gate.open();
  const answers = await Promise.all(slow);
  assert.deepEqual(new Set(answers.map(({ pid }) => pid)), new Set(pids));
});

test("a batch is formed when a worker is free, and an item's error fails only that item", async () => {
  await using server = await startTestServer(new PooledApp());
  const gate = new WorkGate();
  const blockers = [1, 2].map((value) => server.post("/batch", { value, gate: gate.folder }));
  await gate.arrivals(2);
  const arrived = requests(server, 16);
  const rest = Array.from({ length: 16 }, (_, index) =>
    server.post("/batch", { value: index === 5 ? -5 : index }),
  );
  await arrived;
  await readiness(server.url); // earlier requests have been read by then
  gate.open();
  await Promise.all(blockers);
  const answers = await Promise.all(rest);
  assert.equal(answers[5]?.status, 418);
  assert.deepEqual(await answers[5]?.json(), { detail: "no -5" });
  const answered = await Promise.all(answers.filter((_, index) => index !== 5).map(done));
  assert.ok(
    answered.some(({ batch }) => batch > 4),
    JSON.stringify(answered.map(({ batch }) => batch)),
  );
});

test("killing workers with their batches: the callers get an error, none hangs, readiness turns red and green again", async () => {
  await using server = await startTestServer(new PooledApp());
  const gate = new WorkGate();
  const held = Array.from({ length: 20 }, (_, value) => server.post("/batch", { value, gate: gate.folder }));
  const pids = await gate.arrivals(2);
  const killedAt = performance.now();
  for (const pid of pids) process.kill(pid, "SIGKILL");
  while ((await readiness(server.url)) !== 503) assert.ok(performance.now() - killedAt < PATIENCE_MS);
  while ((await readiness(server.url)) !== 200) {
    assert.ok(performance.now() - killedAt < PATIENCE_MS);
    await sleep(20); // there is no event for it outside of the server
  }
  gate.open();
  const answers = await Promise.all(held);
  const failed = answers.filter(({ status }) => status === 500);
  assert.ok(failed.length >= 2);
  const failure = failed[0] as Response;
  assert.match(await failure.text(), /worker that ran the request ended \(.*SIGKILL/);
  // Queued calls were run by the replacement workers.
  assert.equal(answers.filter(({ status }) => status === 200).length, answers.length - failed.length);
  assert.ok(!pids.includes((await done(server.post("/work", { value: 1 }))).pid));
});

test("each of many short calls gets its own answer, also when a worker gets several at once", async () => {
  await using server = await startTestServer(new PooledApp());
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let value = next++; value < 1000; value = next++) {
      const answer = await server.post("/work", { value: value % 10 === 9 ? -value : value });
      if (value % 10 !== 9) assert.equal((await done(answer)).value, value);
      else assert.deepEqual(await answer.json(), { detail: `no -${value}` });
    }
  };
  await Promise.all(Array.from({ length: 32 }, caller));
});

test("an idempotent call whose worker dies is retried once", async () => {
  await using server = await startTestServer(new SinglePooledApp());
  const gate = new WorkGate();
  const held = done(server.post("/safe", { value: 7, gate: gate.folder }));
  const [first = 0] = await gate.arrivals(1);
  process.kill(first, "SIGKILL");
  await gate.arrivals(2);
  gate.open();
  const { value, pid } = await held;
  assert.equal(value, 7);
  assert.notEqual(pid, first);
});

test("a deadline aborts the handler in its worker, and frees the worker", async () => {
  await using server = await startTestServer(new PooledApp());
  for (let round = 0; round < 4; round++) {
    assert.equal((await server.post("/patient", { value: 1 })).status, 504);
  }
  assert.equal((await done(server.post("/work", { value: 1 }))).value, 1);
});

test("errors that a handler raises in a worker get the same response as any others", async () => {
  await using server = await startTestServer(new PooledApp());
  const answer = await server.post("/work", { value: -1 });
  assert.equal(answer.status, 418);
  assert.deepEqual(await answer.json(), { detail: "no -1" });
});
