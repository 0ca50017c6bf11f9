import assert from "node:assert/strict";
import { test } from "node:test";
import { App, AppException, realtime, type BatchContext, type RequestContext } from "servable";
import { connectTestSocket, startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";

const Input = Type.Object({ value: Type.Integer() });
type Input = Static<typeof Input>;
const Output = Type.Object({ sum: Type.Integer(), batch: Type.Integer() });
type Output = Static<typeof Output>;
const SCHEMAS = { input: Input, output: Output };

/** Adds up the messages of each session; sessions share batches. */
class Sums extends App {
  readonly batches: number[] = [];
  /** By session. */
  readonly sums = new Map<RequestContext, number>();
  #open: (() => void) | undefined;

  @realtime("/sum", { ...SCHEMAS, batch: "shared", maxBatchSize: 32, emitTimings: true })
  async sum(inputs: Input[], { requests }: BatchContext): Promise<(Output | Error)[]> {
    this.batches.push(inputs.length);
    assert.equal(new Set(requests).size, requests.length, "one message of a session at a time");
    if (inputs[0]?.value === 1_000) await new Promise<void>((resolve) => (this.#open = resolve));
    return inputs.map(({ value }, index) => {
      if (value < 0) return new AppException(`no ${value}`, 400);
      const session = requests[index] as RequestContext;
      const sum = (this.sums.get(session) ?? 0) + value;
      this.sums.set(session, sum);
      return { sum, batch: inputs.length };
    });
  }

  open(): void {
    this.#open?.();
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

test("messages of all sockets form one batch; each socket gets its own responses, in order", async () => {
  await using server = await startTestServer(new Sums());
  const clients = await Promise.all(
    Array.from({ length: 9 }, () => connectTestSocket(`${server.url}/sum`, SCHEMAS)),
  );
  const [gate, ...rest] = clients as [(typeof clients)[0], ...typeof clients];
  gate.send({ value: 1_000 });
  await until(() => server.app.batches.length === 1);
  for (const [index, client] of rest.entries())
    for (const value of [1, 10, 100]) client.send({ value: value * (index + 1) });
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.app.open();
  for (const [index, client] of rest.entries()) {
    for (const sum of [1, 11, 111]) assert.equal((await client.next()).sum, sum * (index + 1));
  }
  assert.equal(server.app.batches[1], 8);
  assert.ok(server.app.batches.length <= 8, JSON.stringify(server.app.batches));
  await until(() => gate.control.length === 1);
  const [timings] = rest[0]?.control ?? [];
  assert.equal(timings?.action, "timings");
  assert.equal(timings?.batch_size, 8);
  assert.ok((timings?.queue ?? 0) > 0.05);
  await Promise.all(clients.map((client) => client.close()));
});

test("one session's error ends only that session; others in its batch continue", async () => {
  await using server = await startTestServer(new Sums());
  const [gate, bad, good] = await Promise.all(
    [1, 2, 3].map(() => connectTestSocket(`${server.url}/sum`, SCHEMAS)),
  );
  gate?.send({ value: 1_000 });
  await until(() => server.app.batches.length === 1);
  bad?.send({ value: -5 });
  good?.send({ value: 5 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.app.open();
  assert.equal((await good?.next())?.batch, 2);
  await bad?.closed;
  assert.equal(bad?.control.at(-1)?.reason, "no -5");
  good?.send({ value: 6 });
  assert.equal((await good?.next())?.sum, 11);
});

test("a message whose socket has closed is not run", async () => {
  await using server = await startTestServer(new Sums());
  const [gate, leaves, stays] = await Promise.all(
    [1, 2, 3].map(() => connectTestSocket(`${server.url}/sum`, SCHEMAS)),
  );
  gate?.send({ value: 1_000 });
  await until(() => server.app.batches.length === 1);
  leaves?.send({ value: 1 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  leaves?.socket.terminate();
  stays?.send({ value: 2 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.app.open();
  assert.deepEqual(await stays?.next(), { sum: 2, batch: 1 });
});
