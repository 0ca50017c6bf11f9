import assert from "node:assert/strict";
import { test } from "node:test";
import { App, endpoint, realtime, type BatchContext, type RequestContext } from "servable";
import { connectTestSocket } from "servable/testing";
import { Type, type Static } from "typebox";
import { SinglePooledApp } from "../fixtures/pooled-app.ts";
import { serveApp, type Metrics, type ServedApp } from "../helpers/served-app.ts";
import { readStreamed } from "../helpers/streamed-text.ts";
import { WorkGate } from "../helpers/work-gate.ts";

const Item = Type.Object({
  group: Type.String({ default: "a" }),
  cost: Type.Integer({ default: 1 }),
  /** Keeps the batch running until the test opens the gate. */
  gate: Type.Boolean({ default: false }),
});
type Item = Static<typeof Item>;

class Gate extends App {
  started = 0;
  #opens: (() => void)[] = [];

  protected async pass(isClosed: boolean): Promise<void> {
    this.started++;
    if (isClosed) await new Promise<void>((resolve) => this.#opens.push(resolve));
  }

  open(): void {
    for (const open of this.#opens.splice(0)) open();
  }
}

const timeoutMs = 20_000;
const limits = { maxQueue: 5, timeoutMs };
const batch = {
  maxSize: 4,
  maxCost: 5,
  cost: ({ cost }: Item): number => cost,
  groupBy: ({ group }: Item): string => group,
};

class Batches extends Gate {
  @endpoint("/", { input: Item, batch, ...limits })
  async run(items: Item[], _batch: BatchContext): Promise<number[]> {
    await this.pass(items.some(({ gate }) => gate));
    return items.map(() => items.length);
  }

  @endpoint("/late", { input: Item, batch: { maxSize: 4 }, timeoutMs: 150 })
  async late(items: Item[]): Promise<number[]> {
    await this.pass(true);
    return items.map(() => items.length);
  }
}

const ROUTE = { method: "POST", path: "/" };
const depth = (metrics: Metrics): number => metrics.value("servable_queue_depth", ROUTE);

/** Starts a run that lasts until the gate is opened, and queues these behind it, one after the other. */
async function queue(
  served: ServedApp,
  app: Gate,
  items: readonly Partial<Item>[],
  init: RequestInit = {},
): Promise<Promise<Response>[]> {
  const { started } = app;
  const answers = [served.post("/", { gate: true }, init)];
  while (app.started === started) await new Promise(setImmediate);
  for (const [index, item] of items.entries()) {
    answers.push(served.post("/", item, init));
    await served.metricsWhen((metrics) => depth(metrics) === index + 1);
  }
  for (const answer of answers) answer.catch(() => {});
  return answers;
}

test("a queue's metrics: length, oldest age, refusals, and batches by size, wait, run and reason", async () => {
  const app = new Batches();
  await using served = await serveApp(app);
  const answers = await queue(served, app, [{}, {}, {}, {}, {}]);
  const full = await served.metrics();
  assert.ok(full.value("servable_queue_oldest_age_seconds", ROUTE) > 0);
  assert.equal((await served.post("/", {})).status, 429);
  app.open();
  await Promise.all(answers);
  const metrics = await served.metrics();
  assert.equal(depth(metrics), 0);
  assert.equal(metrics.value("servable_queue_oldest_age_seconds", ROUTE), 0);
  assert.equal(metrics.value("servable_refused_total", { ...ROUTE, cause: "QUEUE_FULL" }), 1);
  // The batch at the gate, one of four waiting calls, and one with the fifth.
  assert.equal(metrics.value("servable_batch_size_count", ROUTE), 3);
  assert.equal(metrics.value("servable_batch_size_sum", ROUTE), 6);
  assert.equal(metrics.value("servable_batch_size_bucket", { ...ROUTE, le: "2" }), 2);
  assert.equal(metrics.value("servable_batch_size_bucket", { ...ROUTE, le: "4" }), 3);
  assert.equal(metrics.value("servable_batches_total", { ...ROUTE, reason: "size" }), 1);
  assert.equal(metrics.value("servable_batches_total", { ...ROUTE, reason: "drained" }), 2);
  assert.equal(metrics.value("servable_queue_wait_seconds_count", ROUTE), 6);
  assert.equal(metrics.value("servable_run_seconds_count", ROUTE), 3);
  const waited = metrics.value("servable_queue_wait_seconds_sum", ROUTE);
  const ran = metrics.value("servable_run_seconds_sum", ROUTE);
  assert.ok(waited > 0 && waited < 60, `${waited} s of waiting`);
  assert.ok(ran > 0 && ran < 60, `${ran} s of running`);
});

test("batches that end early because of another group, or of cost, report that reason", async () => {
  const app = new Batches();
  await using served = await serveApp(app);
  for (const second of [{ group: "b" }, { cost: 5 }]) {
    const answers = await queue(served, app, [{}, second]);
    app.open();
    await Promise.all(answers);
  }
  const metrics = await served.metrics();
  assert.equal(metrics.value("servable_batches_total", { ...ROUTE, reason: "group" }), 1);
  assert.equal(metrics.value("servable_batches_total", { ...ROUTE, reason: "cost" }), 1);
  assert.equal(metrics.value("servable_batches_total", { ...ROUTE, reason: "drained" }), 4);
});

test("cancelled callers are counted by the state of their call; a run without callers is counted as late", async () => {
  const app = new Batches();
  await using served = await serveApp(app);
  const leaving = new AbortController();
  await queue(served, app, [{}, {}], { signal: leaving.signal });
  leaving.abort();
  const cancelled = (metrics: Metrics, state: string): number =>
    metrics.value("servable_cancelled_total", { ...ROUTE, state });
  const left = await served.metricsWhen(
    (metrics) => cancelled(metrics, "waiting") + cancelled(metrics, "running") === 3,
  );
  assert.equal(cancelled(left, "waiting"), 2);
  assert.equal(depth(left), 0);
  assert.equal(left.value("servable_late_total", ROUTE), 0);
  app.open();
  const after = await served.metricsWhen((metrics) => metrics.value("servable_late_total", ROUTE) > 0);
  assert.equal(after.value("servable_late_total", ROUTE), 1);
  assert.equal(after.value("servable_queue_wait_seconds_count", ROUTE), 1);
});

test("timeouts are counted by layer: in the queue and in the run", async () => {
  const app = new Batches();
  await using served = await serveApp(app);
  const first = served.post("/late", {});
  while (app.started === 0) await new Promise(setImmediate);
  const answers = await Promise.all([first, served.post("/late", {})]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [504, 504],
  );
  const metrics = await served.metrics();
  const labels = { method: "POST", path: "/late" };
  assert.equal(metrics.value("servable_timeouts_total", { ...labels, layer: "run" }), 1);
  assert.equal(metrics.value("servable_timeouts_total", { ...labels, layer: "queue" }), 1);
  app.open();
  await served.metricsWhen((later) => later.value("servable_late_total", labels) === 1);
});

/** Limits one route to one call at a time; other routes have no queue, but time limits. */
class Limited extends Gate {
  @endpoint("/", { input: Item, maxConcurrency: 1, ...limits })
  async run({ gate }: Item): Promise<void> {
    await this.pass(gate);
  }

  @endpoint("/slow", { timeoutMs: 50 })
  async slow(ctx: RequestContext): Promise<void> {
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve, { once: true }));
  }

  @endpoint("/stream", { stream: true, timeoutMs: 50 })
  async *stream(ctx: RequestContext): AsyncGenerator<number> {
    yield 1;
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve, { once: true }));
  }

  @realtime("/session", { input: Item, sessionTimeout: 0.05 })
  session(): object {
    return {};
  }
}

test("an endpoint with maxConcurrency has queue metrics too, with each call as a batch of one", async () => {
  const app = new Limited();
  await using served = await serveApp(app);
  const answers = await queue(served, app, [{}, {}]);
  const late = await served.post("/", {}, { headers: { "x-fal-request-timeout": "0.05" } });
  assert.equal(late.headers.get("x-fal-request-timeout-type"), "user");
  app.open();
  await Promise.all(answers);
  const metrics = await served.metrics();
  assert.equal(metrics.value("servable_timeouts_total", { ...ROUTE, layer: "queue" }), 1);
  assert.equal(metrics.value("servable_timeouts_total", { ...ROUTE, layer: "run" }), 0);
  assert.equal(metrics.value("servable_batch_size_count", ROUTE), 3);
  assert.equal(metrics.value("servable_batch_size_sum", ROUTE), 3);
  assert.equal(metrics.value("servable_run_seconds_count", ROUTE), 3);
  assert.equal(metrics.value("servable_retried_total", ROUTE), 0);
});

test("routes without a queue have metrics for run, stream and session, and none for a queue", async () => {
  const app = new Limited();
  await using served = await serveApp(app);
  assert.equal((await served.post("/slow")).status, 504);
  await readStreamed(await served.post("/stream"));
  const socket = await connectTestSocket(`${served.url}/session`);
  await socket.closed;
  const metrics = await served.metricsWhen(
    (each) =>
      each.value("servable_timeouts_total", { method: "WEBSOCKET", path: "/session", layer: "session" }) > 0,
  );
  const timeouts = (path: string, layer: string): number =>
    metrics.value("servable_timeouts_total", { method: "POST", path, layer });
  assert.equal(timeouts("/slow", "run"), 1);
  assert.equal(timeouts("/slow", "stream"), 0);
  assert.equal(timeouts("/stream", "stream"), 1);
  assert.equal(timeouts("/stream", "run"), 0);
  assert.doesNotMatch(metrics.text, /servable_queue_depth\{[^}]*path="\/slow"/);
  assert.doesNotMatch(metrics.text, /servable_workers_ready\{/);
});

test(
  "worker metrics: ready workers, ended workers, and calls that were retried after one ended",
  { timeout: 60_000 },
  async () => {
    await using served = await serveApp(new SinglePooledApp());
    const safe = { method: "POST", path: "/safe" };
    const ready = (metrics: Metrics): number => metrics.value("servable_workers_ready");
    const before = await served.metricsWhen((metrics) => ready(metrics) === 1);
    assert.equal(before.value("servable_workers_ended_total"), 0);
    const { pid } = (await (await served.post("/work", { value: 1 })).json()) as { pid: number };
    const gate = new WorkGate();
    const held = served.post("/safe", { value: 7, gate: gate.folder });
    await served.metricsWhen((metrics) => metrics.value("servable_queue_wait_seconds_count", safe) === 1);
    await gate.arrivals(1);
    process.kill(pid, "SIGKILL");
    const without = await served.metricsWhen(
      (metrics) => metrics.value("servable_workers_ended_total") === 1,
    );
    assert.equal(ready(without), 0);
    gate.open();
    assert.equal((await held).status, 200);
    const after = await served.metrics();
    assert.equal(ready(after), 1);
    assert.equal(after.value("servable_workers_ended_total"), 1);
    assert.equal(after.value("servable_retried_total", safe), 1);
    assert.equal(after.value("servable_run_seconds_count", safe), 2);
    assert.equal(after.value("servable_batches_total", { ...safe, reason: "retry" }), 1);
  },
);
