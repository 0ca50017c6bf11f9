import assert from "node:assert/strict";
import { test } from "node:test";
import { dropped, failure, gate, openSession, settle } from "../../helpers/realtime-session.ts";

interface Numbered {
  readonly n: number;
}

const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ n: from + index }));

/** A session whose first run waits for the gate; its batches are recorded. */
function openBatches(route: Parameters<typeof openSession>[0]["route"] = {}, answerEach = false) {
  const batches: number[][] = [];
  const first = gate();
  const opened = openSession({
    route: { maxBatchSize: 4, ...route },
    handler: async (inputs: Numbered[]) => {
      batches.push(inputs.map(({ n }) => n));
      if (batches.length === 1) await first.promise;
      return answerEach ? inputs : { size: inputs.length };
    },
  });
  return { ...opened, batches, go: () => first.open() };
}

test("the first input runs alone; ten queued inputs run as 4, 4, 2, each batch with one output", async () => {
  const { input, pipe, batches, go } = openBatches();
  input({ n: 0 });
  await settle();
  input(...numbers(1, 10));
  go();
  await pipe.sentCount(4);
  assert.deepEqual(batches, [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]);
  assert.deepEqual(pipe.sent, [{ size: 1 }, { size: 4 }, { size: 4 }, { size: 2 }]);
});

test("if a handler returns an array, each input's output is sent in order, each with its timings", async () => {
  const { input, pipe, go } = openBatches({ emitTimings: true }, true);
  input({ n: 0 });
  await settle();
  input(...numbers(1, 3));
  go();
  await pipe.sentCount(8);
  assert.deepEqual(
    pipe.sent.filter((_, index) => index % 2 === 0),
    numbers(0, 3),
  );
  const timings = pipe.sent.filter((_, index) => index % 2 === 1) as { batch_size: number }[];
  assert.deepEqual(
    timings.map((each) => each.batch_size),
    [1, 3, 3, 3],
  );
});

test("canBatch receives the first input, the next one and the current length; the first false ends the batch", async () => {
  const asked: unknown[] = [];
  const { input, pipe, batches, go } = openBatches({
    canBatch: (first, next, length) => {
      asked.push([(first as Numbered).n, (next as Numbered).n, length]);
      return (next as Numbered).n % 3 !== 0;
    },
  });
  input({ n: 0 });
  await settle();
  input(...numbers(1, 5));
  go();
  await pipe.sentCount(3);
  assert.deepEqual(batches, [[0], [1, 2], [3, 4, 5]]);
  assert.deepEqual(asked, [
    [1, 2, 1],
    [1, 3, 2],
    [3, 4, 1],
    [3, 5, 2],
  ]);
});

test("an invalid queued input fails only after the outputs of the inputs before it were sent", async () => {
  const { session, input, pipe, batches, go } = openBatches();
  input({ n: 0 });
  await settle();
  input(...numbers(1, 2));
  session.receive(new Uint8Array([0xc1]));
  input({ n: 4 });
  go();
  assert.equal(await session.finished, "failed");
  assert.deepEqual(batches, [[0], [1, 2]]);
  assert.deepEqual(pipe.sent, [
    { size: 1 },
    { size: 2 },
    failure("The message can't be read: the byte 0xc1 is never used"),
  ]);
});

for (const count of [0, 2, 4]) {
  test(`an array of ${count} outputs for a batch of three does not match its inputs: the session fails`, async () => {
    const first = gate();
    let runs = 0;
    const { session, input, pipe, logged } = openSession({
      route: { maxBatchSize: 4 },
      handler: async () => {
        if (++runs > 1) return Array.from({ length: count }, () => ({}));
        await first.promise;
        return { first: true };
      },
    });
    input({ n: 0 });
    await settle();
    input(...numbers(1, 3));
    first.open();
    assert.equal(await session.finished, "failed");
    assert.deepEqual(pipe.sent, [{ first: true }, failure("Internal Server Error")]);
    assert.match(logged.join(), new RegExp(`returned ${count} outputs for 3 inputs`));
  });
}

test("an output in the array that is not an object fails the session after the outputs before it", async () => {
  const { session, input, pipe } = openSession({
    route: { maxBatchSize: 2 },
    handler: async (inputs: Numbered[]) => inputs.map(({ n }) => (n === 2 ? "two" : { n })),
  });
  input({ n: 1 }, { n: 2 });
  assert.equal(await session.finished, "failed");
  assert.deepEqual(pipe.sent, [{ n: 1 }, failure("Internal Server Error")]);
});

test("after the connection is lost between outputs of a batch, neither results nor timings are sent", async () => {
  const { session, input, pipe, lose } = openSession({
    route: { maxBatchSize: 2, emitTimings: true },
    handler: async (inputs: Numbered[]) => inputs,
  });
  pipe.capacity = 1;
  input({ n: 1 }, { n: 2 });
  await settle();
  lose();
  assert.equal(await session.finished, "gone");
  assert.equal(pipe.sent.length, 2);
  assert.deepEqual(pipe.sent[0], { n: 1 });
});

test("a stop lets the running batch finish; queued inputs are reported as dropped", async () => {
  const { session, input, pipe, batches, go } = openBatches();
  input({ n: 0 });
  await settle();
  input(...numbers(1, 6));
  session.stop();
  input({ n: 7 });
  go();
  assert.equal(await session.finished, "stopped");
  assert.deepEqual(batches, [[0]]);
  assert.deepEqual(
    pipe.sent.filter((message) => !("action" in (message as object))),
    [{ size: 1 }],
  );
  const lost = pipe.sent.filter((message) => "action" in (message as object)) as { count: number }[];
  assert.equal(
    lost.reduce((sum, { count }) => sum + count, 0),
    7,
  );
  assert.deepEqual(lost.at(-1), dropped(lost.at(-1)?.count ?? 0));
  assert.equal(pipe.closedWith, 1012);
});
