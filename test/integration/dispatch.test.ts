import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { App, AppException, endpoint, type BatchContext, type RequestContext } from "servable";
import { Type, type Static } from "typebox";
import { startTestServer, type TestServer } from "../../src/testing/test-server.ts";
import { runServable } from "../../src/servable/base-servable.ts";
import { captureLogs } from "../helpers/captured-logs.ts";

const Item = Type.Object({ value: Type.Integer() });
type Item = Static<typeof Item>;
const Result = Type.Object({ value: Type.Integer(), batch: Type.Integer() });
type Result = Static<typeof Result>;

/** A value that keeps its batch running until the test opens the gate. */
const GATE = -1;

/** Batches whose runs wait for the test. */
class Batches extends App {
  static override terminationGracePeriodSeconds = 1;

  /** Inputs that have arrived, whether running or queued. */
  arrived = 0;
  readonly batches: number[][] = [];
  readonly signals: AbortSignal[] = [];
  #open: () => void = () => {};

  @endpoint("/", {
    input: Item,
    output: Result,
    batch: { maxSize: 64, cost: () => 1 },
    maxQueue: { count: 400 },
  })
  async run(inputs: Item[], { signal, requests }: BatchContext): Promise<(Result | Error)[]> {
    assert.equal(requests.length, inputs.length);
    await this.#note(inputs, signal);
    if (inputs.some(({ value }) => value === 1000)) throw new AppException("all fail", 409);
    if (inputs.some(({ value }) => value === 2000)) return [];
    return inputs.map(({ value }) =>
      value === 17 ? new AppException("not 17", 418) : { value, batch: inputs.length },
    );
  }

  @endpoint("/isolated", { input: Item, output: Result, batch: { maxSize: 64, isolateErrors: true } })
  async isolated(inputs: Item[], { signal }: BatchContext): Promise<Result[]> {
    await this.#note(inputs, signal);
    if (inputs.some(({ value }) => value === 17)) throw new AppException("not 17", 418);
    return inputs.map(({ value }) => ({ value, batch: inputs.length }));
  }

  @endpoint("/late", { input: Item, timeoutMs: 150, batch: { maxSize: 4 } })
  async late(inputs: Item[], { signal }: BatchContext): Promise<number[]> {
    await this.#note(inputs, signal);
    return inputs.map(({ value }) => value);
  }

  async #note(inputs: Item[], signal: AbortSignal): Promise<void> {
    this.batches.push(inputs.map(({ value }) => value));
    this.signals.push(signal);
    if (inputs[0]?.value === GATE) await new Promise<void>((resolve) => (this.#open = resolve));
  }

  open(): void {
    this.#open();
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

/** Sends one request that keeps the executor busy, then others that queue behind it. */
async function hold(
  server: TestServer<Batches>,
  path: string,
  values: readonly number[],
  signalOf: (index: number) => AbortSignal | undefined = () => undefined,
): Promise<{ gate: Promise<Response>; rest: Promise<Response>[] }> {
  const { app } = server;
  let arrived = 0;
  server.server.server.on("request", (request) => request.on("end", () => arrived++));
  const gate = server.post(path, { value: GATE });
  await until(() => app.batches.length === 1);
  const rest = values.map((value, index) => {
    const signal = signalOf(index);
    return fetch(server.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ value }),
      ...(signal === undefined ? {} : { signal }),
    });
  });
  for (const each of rest) each.catch(() => {});
  await until(() => arrived >= values.length);
  await new Promise(setImmediate);
  return { gate, rest };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test("64 callers in one batch, one item fails: 63 responses of 200 and one error", async () => {
  await using server = await startTestServer(new Batches());
  const { gate, rest } = await hold(server, "/", range(64));
  server.app.open();
  await gate;
  const answers = await Promise.all(rest);
  assert.deepEqual(
    server.app.batches.map((batch) => batch.length),
    [1, 64],
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 63);
  assert.equal(answers[17]?.status, 418);
  assert.deepEqual(await answers[17]?.json(), { detail: "not 17" });
  assert.deepEqual(await answers[63]?.json(), { value: 63, batch: 64 });
});

test("of 200 queued calls 150 disconnect: the handler sees the other 50", async () => {
  await using server = await startTestServer(new Batches());
  const leaving = new AbortController();
  const { gate, rest } = await hold(server, "/", range(200), (index) =>
    index % 4 === 0 ? undefined : leaving.signal,
  );
  leaving.abort();
  // The server notices when the closed connections reach it.
  while ((await connectionsOf(server)) > 51) await new Promise(setImmediate);
  server.app.open();
  await gate;
  const answers = await Promise.all(rest.filter((_, index) => index % 4 === 0));
  assert.ok(answers.every(({ status }) => status === 200));
  const seen = server.app.batches.slice(1).flat();
  assert.deepEqual(
    seen,
    range(200).filter((value) => value % 4 === 0),
  );
});

function connectionsOf(server: TestServer<Batches>): Promise<number> {
  return new Promise((resolve) => server.server.server.getConnections((_error, count) => resolve(count)));
}

test("an error fails the whole batch and is logged once", async () => {
  const logs = captureLogs();
  await using server = await startTestServer(new Batches(), { logger: logs.logger });
  const { gate, rest } = await hold(server, "/", [1, 2, 1000]);
  server.app.open();
  await gate;
  assert.deepEqual(
    (await Promise.all(rest)).map(({ status }) => status),
    [409, 409, 409],
  );
});

test("too few results are an error with the method, the expected count and the actual count", async () => {
  const logs = captureLogs();
  await using server = await startTestServer(new Batches(), { logger: logs.logger });
  const { gate, rest } = await hold(server, "/", [1, 2000]);
  server.app.open();
  await gate;
  for (const answer of await Promise.all(rest)) {
    assert.equal(answer.status, 500);
    assert.deepEqual(await answer.json(), {
      detail: "run() returned 0 results for 2 inputs; return one result for each, in order.",
    });
  }
  assert.equal(logs.lines.filter(({ level }) => level >= 50).length, 1);
});

test("isolateErrors: a batch that throws is run again in halves until the faulty input fails alone", async () => {
  await using server = await startTestServer(new Batches());
  const { gate, rest } = await hold(server, "/isolated", range(32));
  server.app.open();
  await gate;
  const answers = await Promise.all(rest);
  assert.equal(answers.filter(({ status }) => status === 200).length, 31);
  assert.equal(answers[17]?.status, 418);
  assert.ok(server.app.batches.length <= 2 + 2 * Math.log2(32));
});

test("a running batch is aborted when its last caller disconnects, and frees its executor when it ends", async () => {
  await using server = await startTestServer(new Batches());
  const leaving = new AbortController();
  const first = fetch(`${server.url}/`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ value: GATE }),
    signal: leaving.signal,
  });
  first.catch(() => {});
  await until(() => server.app.batches.length === 1);
  const [signal] = server.app.signals;
  assert.equal(signal?.aborted, false);
  leaving.abort();
  await until(() => signal?.aborted === true);
  const next = server.post("/", { value: 5 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.app.batches.length, 1);
  server.app.open();
  assert.equal((await next).status, 200);
});

test("the time limit starts on arrival: 504 for queued and running calls, whatever the handler does", async () => {
  await using server = await startTestServer(new Batches());
  const { gate, rest } = await hold(server, "/late", [1]);
  const running = await gate;
  assert.equal(running.status, 504);
  assert.deepEqual(await running.json(), { detail: "The request took longer than 150 ms." });
  const waiting = (await rest[0]) as Response;
  assert.equal(waiting.status, 504);
  assert.deepEqual(await waiting.json(), { detail: "The request waited 150 ms without being started." });
  assert.equal(waiting.headers.get("x-fal-request-timeout-type"), null);
  server.app.open();
  assert.equal(server.app.batches.length, 1);
});

/** One call at a time, and a queue of two. */
class Narrow extends App {
  running = 0;
  readonly order: number[] = [];
  #opens: (() => void)[] = [];

  @endpoint("/", { input: Item, maxConcurrency: 1, maxQueue: 2 })
  async run({ value }: Item): Promise<number> {
    this.order.push(value);
    await this.#turn();
    return value;
  }

  @endpoint("/busy", {
    input: Item,
    maxConcurrency: 1,
    maxQueue: { count: 100, bytes: 1_000 },
    overloadStatus: 503,
  })
  async busy({ value }: Item): Promise<number> {
    await this.#turn();
    return value;
  }

  @endpoint("/stream", { maxConcurrency: 1, stream: true, timeoutMs: 5_000 })
  async *stream(ctx: RequestContext): AsyncGenerator<number> {
    yield this.running;
    await this.#turn(ctx.signal);
    yield this.running;
  }

  async #turn(signal?: AbortSignal): Promise<void> {
    this.running++;
    await new Promise<void>((resolve) => {
      this.#opens.push(resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
    this.running--;
  }

  open(): void {
    for (const open of this.#opens.splice(0)) open();
  }
}

test("a full queue refuses immediately, with Retry-After, and queued calls are served in order", async () => {
  await using server = await startTestServer(new Narrow());
  const first = server.post("/", { value: 0 });
  await until(() => server.app.running === 1);
  const waiting = [server.post("/", { value: 1 })];
  await new Promise((resolve) => setTimeout(resolve, 50));
  waiting.push(server.post("/", { value: 2 }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const refused = await server.post("/", { value: 3 });
  assert.equal(refused.status, 429);
  assert.match(refused.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
  assert.deepEqual(await refused.json(), { detail: "Too many requests wait already; try again later." });
  for (let turn = 0; turn < 3; turn++) {
    await until(() => server.app.running === 1);
    server.app.open();
    await until(() => server.app.running === 0 || server.app.order.length > turn + 1);
  }
  assert.deepEqual(
    (await Promise.all([first, ...waiting])).map(({ status }) => status),
    [200, 200, 200],
  );
  assert.deepEqual(server.app.order, [0, 1, 2]);
});

test("a body that exceeds the queue is refused before it is read, with the endpoint's own status", async () => {
  await using server = await startTestServer(new Narrow());
  const first = server.post("/busy", { value: 0 });
  await until(() => server.app.running === 1);
  // A body that is announced and never sent: only a response that does not wait for it can arrive.
  const headers = { "content-type": "application/json", "content-length": "2000" };
  const request = http.request(`${server.url}/busy`, { method: "POST", headers });
  request.flushHeaders();
  const [answer] = (await once(request, "response")) as [http.IncomingMessage];
  assert.equal(answer.statusCode, 503);
  assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/);
  request.destroy();
  server.app.open();
  await first;
});

test("low priority is queued behind normal priority", async () => {
  await using server = await startTestServer(new Narrow());
  const first = server.post("/", { value: 0 });
  await until(() => server.app.running === 1);
  const low = server.post("/", { value: 1 }, { "x-fal-queue-priority": "low" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const normal = server.post("/", { value: 2 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (let turn = 0; turn < 3; turn++) {
    await until(() => server.app.order.length === turn + 1);
    server.app.open();
  }
  await Promise.all([first, low, normal]);
  assert.deepEqual(server.app.order, [0, 2, 1]);
});

test("x-fal-request-timeout: 504 of type user when it expires in the queue; a run that has started continues", async () => {
  await using server = await startTestServer(new Narrow());
  const first = server.post("/", { value: 0 }, { "x-fal-request-timeout": "0.05" });
  await until(() => server.app.running === 1);
  const second = await server.post("/", { value: 1 }, { "x-fal-request-timeout": "0.1" });
  assert.equal(second.status, 504);
  assert.equal(second.headers.get("x-fal-request-timeout-type"), "user");
  server.app.open();
  assert.equal((await first).status, 200);
  assert.deepEqual(server.app.order, [0]);
});

test("a stream occupies its slot until it has ended; others are queued", async () => {
  await using server = await startTestServer(new Narrow());
  const first = await server.post("/stream");
  await until(() => server.app.running === 1);
  const second = server.post("/stream");
  const early = await Promise.race([
    second.then(() => "began"),
    new Promise((r) => setTimeout(r, 60, "waits")),
  ]);
  assert.equal(early, "waits");
  server.app.open();
  assert.match(await first.text(), /data: 0\n\ndata: 0\n\n/);
  const answer = await second;
  await until(() => server.app.running === 1);
  server.app.open();
  assert.match(await answer.text(), /data: 0\n\n/);
});

/** Two endpoints that share one slot. */
class Shared extends App {
  static override maxMultiplexing = 1;
  running = 0;
  most = 0;

  @endpoint("/one")
  async one(): Promise<void> {
    await this.#work();
  }

  @endpoint("/two")
  async two(): Promise<void> {
    await this.#work();
  }

  async #work(): Promise<void> {
    this.most = Math.max(this.most, ++this.running);
    await new Promise(setImmediate);
    this.running--;
  }
}

test("maxMultiplexing limits the calls of all endpoints together", async () => {
  await using server = await startTestServer(new Shared());
  const answers = await Promise.all(range(40).map((index) => server.post(index % 2 === 0 ? "/one" : "/two")));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(server.app.most, 1);
});

test("a forced stop drops queued calls without running them, and aborts running ones", async () => {
  const app = new Batches();
  const stop = new AbortController();
  let url = "";
  const { logger } = captureLogs();
  const outcome = runServable(app, {
    port: 0,
    metricsPort: false,
    handleSignals: false,
    signal: stop.signal,
    logger,
    onListening: (addresses) => (url = addresses.url),
  });
  await until(() => url !== "");
  const post = (value: number): Promise<unknown> =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ value }),
    }).catch(() => "aborted");
  const running = post(GATE);
  await until(() => app.batches.length === 1);
  const waiting = [1, 2, 3].map(post);
  await new Promise((resolve) => setTimeout(resolve, 100));
  stop.abort();
  await until(() => app.signals[0]?.aborted === true);
  app.open();
  assert.deepEqual(await outcome, { exitCode: 1 });
  await Promise.all([running, ...waiting]);
  assert.deepEqual(app.batches, [[GATE]]);
});

test("x-fal-request-timeout: values too large for a timer never expire, and invalid numbers set no limit", async () => {
  await using server = await startTestServer(new Narrow());
  const endless = ["9999999", "2147483.648", "1e15", "1e400", "9".repeat(300)];
  const none = ["", "0", "-1", "abc", "NaN", "Infinity", "0x10", "1,5", "1 2", "-9999999"];
  const first = server.post("/busy", { value: 0 });
  await until(() => server.app.running === 1);
  for (const timeout of [...endless, ...none]) {
    const leave = new AbortController();
    const second = fetch(`${server.url}/busy`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-fal-request-timeout": timeout },
      body: '{"value":1}',
      signal: leave.signal,
    });
    // A call that expires at once would be answered well before one that is sent after it.
    const third = await server.post("/busy", { value: 3 }, { "x-fal-request-timeout": "0.05" });
    assert.equal(third.status, 504);
    const early = await Promise.race([second, Promise.resolve("still waits")]);
    assert.equal(early, "still waits", timeout);
    leave.abort();
    await assert.rejects(second);
  }
  const late = await server.post("/busy", { value: 3 }, { "x-fal-request-timeout": " +.05e0 " });
  assert.deepEqual([late.status, late.headers.get("x-fal-request-timeout-type")], [504, "user"]);
  server.app.open();
  assert.equal((await first).status, 200);
});
