import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import { AppException } from "../../../src/errors.ts";
import { dropped, END, failure, gate, openSession, settle, TIMEOUT } from "../../helpers/realtime-session.ts";

interface Numbered {
  readonly n: number;
}
type Inputs = AsyncIterable<Numbered>;

const SERVER = { mode: "server_streaming" } as const;
const CLIENT = { mode: "client_streaming" } as const;
const BIDI = { mode: "bidi" } as const;

async function* countTo({ n }: Numbered): AsyncGenerator<Numbered> {
  for (let item = 1; item <= n; item++) yield { n: item };
}

async function sum(inputs: Inputs): Promise<{ sum: number }> {
  let total = 0;
  for await (const { n } of inputs) total += n;
  return { sum: total };
}

async function* double(inputs: Inputs): AsyncGenerator<Numbered> {
  for await (const { n } of inputs) yield { n: n * 2 };
}

test("server streaming: the items for the first input are sent as they come, then end and 1000", async () => {
  const { session, input, pipe, clock } = openSession({ route: SERVER, handler: countTo });
  input({ n: 3 });
  assert.equal(await session.finished, "finished");
  assert.deepEqual(pipe.sent, [{ n: 1 }, { n: 2 }, { n: 3 }, END]);
  assert.equal(pipe.closedWith, 1000);
  assert.equal(clock.pending, 0);
});

test("server streaming: inputs after the first are reported as dropped, whether they come with it or later", async () => {
  const go = gate();
  const { session, input, pipe, counts } = openSession({
    route: SERVER,
    handler: async function* () {
      await go.promise;
      yield { done: 1 };
    },
  });
  input({ n: 1 }, { n: 2 }, { n: 3 });
  await pipe.sentCount(1);
  input({ n: 4 });
  await pipe.sentCount(2);
  go.open();
  await session.finished;
  assert.deepEqual(pipe.sent, [dropped(2), dropped(1), { done: 1 }, END]);
  assert.deepEqual(counts, { in: 4, out: 1, dropped: 3 });
});

test("server streaming: a silent client gets a TIMEOUT before the first input, but not during the stream", async () => {
  const silent = openSession({ route: { ...SERVER, sessionTimeoutMs: 1000 }, handler: countTo });
  silent.clock.advance(1000);
  assert.equal(await silent.session.finished, "idle");
  assert.deepEqual(silent.pipe.sent, [TIMEOUT]);

  const go = gate();
  const busy = openSession({
    route: { ...SERVER, sessionTimeoutMs: 1000 },
    handler: async function* () {
      await go.promise;
      yield {};
    },
  });
  busy.input({});
  await settle();
  busy.clock.advance(60_000);
  await settle();
  go.open();
  assert.equal(await busy.session.finished, "finished");
  assert.deepEqual(busy.pipe.sent, [{}, END]);
});

test("client streaming: inputs are read until the client is silent, then the output, end and 1000 are sent", async () => {
  const { session, input, pipe, clock } = openSession({
    route: { ...CLIENT, sessionTimeoutMs: 1000, emitTimings: true },
    handler: sum,
  });
  input({ n: 1 }, { n: 2 });
  await settle();
  clock.advance(999);
  input({ n: 3 });
  await settle();
  clock.advance(1000);
  assert.equal(await session.finished, "finished");
  assert.deepEqual(pipe.sent, [
    { sum: 6 },
    { type: "x-fal-message", action: "timings", timing: 1.999, queue: 0, batch_size: 3 },
    END,
  ]);
  assert.equal(pipe.closedWith, 1000);
});

test("client streaming: a handler may answer before reading all inputs; unread inputs are reported as dropped", async () => {
  const { session, input, pipe } = openSession({
    route: CLIENT,
    handler: async (inputs: Inputs) => {
      for await (const { n } of inputs) if (n === 2) return { found: n };
      return { found: 0 };
    },
  });
  input({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 });
  assert.equal(await session.finished, "finished");
  assert.deepEqual(pipe.sent, [{ found: 2 }, dropped(2), END]);
});

test("client streaming: inputs after the idle timeout are reported as dropped", async () => {
  const go = gate();
  const { session, input, pipe, clock } = openSession({
    route: { ...CLIENT, sessionTimeoutMs: 1000 },
    handler: async (inputs: Inputs) => {
      const total = await sum(inputs);
      await go.promise;
      return total;
    },
  });
  input({ n: 1 });
  await settle();
  clock.advance(1000);
  await settle();
  input({ n: 2 });
  go.open();
  await session.finished;
  assert.deepEqual(
    pipe.sent.filter((message) => "sum" in (message as object)),
    [{ sum: 1 }],
  );
  assert.equal(
    pipe.sent.filter((message) => JSON.stringify(message) === JSON.stringify(dropped(1))).length,
    1,
  );
});

test("bidi: outputs are sent while inputs still arrive", async () => {
  const { session, input, pipe } = openSession({ route: BIDI, handler: double });
  input({ n: 1 });
  await pipe.sentCount(1);
  input({ n: 2 }, { n: 3 });
  await pipe.sentCount(3);
  session.closing();
  assert.equal(await session.finished, "finished");
  assert.deepEqual(pipe.sent, [{ n: 2 }, { n: 4 }, { n: 6 }, END]);
  assert.equal(pipe.closedWith, 1000);
});

test("two loops over the same inputs share them, and both end", async () => {
  const { session, input, pipe } = openSession({
    route: CLIENT,
    handler: async (inputs: Inputs) => {
      const sums = await Promise.all([sum(inputs), sum(inputs)]);
      return { sum: sums[0].sum + sums[1].sum };
    },
  });
  await settle();
  input({ n: 1 });
  await settle();
  input({ n: 2 }, { n: 3 });
  await settle();
  session.closing();
  assert.equal(await session.finished, "finished");
  assert.deepEqual(pipe.sent[0], { sum: 6 });
});

for (const [mode, handler] of [
  ["client_streaming", sum],
  ["bidi", double],
] as const) {
  test(`${mode}: an unreadable input ends the session, even if the handler catches the error`, async () => {
    for (const swallow of [false, true]) {
      const { session, input, pipe, clock } = openSession({
        route: { mode },
        handler: swallow
          ? async (inputs: Inputs) => {
              await sum(inputs).catch(() => {});
              await new Promise(() => {}); // never resolves
            }
          : handler,
      });
      input({ n: 1 });
      await settle();
      session.receive(new Uint8Array([0xc1]));
      assert.equal(await session.finished, "failed");
      assert.deepEqual(pipe.sent.at(-1), failure("The message can't be read: the byte 0xc1 is never used"));
      assert.equal(pipe.closedWith, 1000);
      assert.equal(clock.pending, 0);
    }
  });
}

for (const mode of ["server_streaming", "bidi"] as const) {
  test(`${mode}: a result that is not iterable, or an item that is not an object, fails the session`, async () => {
    const none = openSession({ route: { mode }, handler: async () => ({ n: 1 }) });
    none.input({ n: 1 });
    assert.equal(await none.session.finished, "failed");
    assert.match(none.logged.join(), /work\(\) is a stream but returned no iterable/);

    let returned = false;
    const odd = openSession({
      route: { mode },
      handler: async function* () {
        try {
          yield { n: 1 };
          yield "two";
        } finally {
          returned = true;
        }
      },
    });
    odd.input({ n: 1 });
    assert.equal(await odd.session.finished, "failed");
    await settle();
    assert.deepEqual(odd.pipe.sent, [{ n: 1 }, failure("Internal Server Error")]);
    assert.equal(returned, true);
  });

  test(`${mode}: if a stream throws, the items before it are sent first, then the error`, async () => {
    const { session, input, pipe } = openSession({
      route: { mode },
      handler: async function* () {
        yield { n: 1 };
        throw new AppException("The voice broke.");
      },
    });
    input({ n: 1 });
    assert.equal(await session.finished, "failed");
    assert.deepEqual(pipe.sent, [{ n: 1 }, failure("The voice broke.")]);
    assert.equal(pipe.closedWith, 1000);
  });

  test(`${mode}: a slow reader pauses the producer, and order is kept`, async () => {
    let produced = 0;
    const { session, input, pipe } = openSession({
      route: { mode },
      handler: async function* () {
        while (produced < 10) yield { n: ++produced };
      },
    });
    pipe.capacity = 3;
    input({});
    await settle();
    assert.equal(produced, 3);
    while (!pipe.ended) {
      pipe.read();
      await settle();
    }
    assert.equal(await session.finished, "finished");
    const unread = mode === "bidi" ? [dropped(1)] : [];
    assert.deepEqual(pipe.sent, [
      ...Array.from({ length: 10 }, (_, index) => ({ n: index + 1 })),
      ...unread,
      END,
    ]);
  });

  test(`${mode}: a stream that never waits does not block other sessions`, async () => {
    let produced = 0;
    const { session, input, lose } = openSession({
      route: { mode },
      handler: function* () {
        while (produced < 100_000) yield { n: ++produced };
      },
    });
    input({});
    await setImmediate();
    await setImmediate();
    lose();
    assert.equal(await session.finished, "gone");
    assert.ok(produced < 10_000, `${produced} items before anybody else had a turn`);
  });
}

test("bidi: a long stream keeps no memory for each item", async () => {
  const items = 60_000;
  let held = 0;
  const { session, input, pipe } = openSession({
    route: BIDI,
    handler: async function* () {
      for (let n = 0; n < items; n++) {
        if (n === 2_000) held = heldBytes();
        yield {};
        pipe.sent.length = pipe.frames.length = 0;
      }
      held = heldBytes() - held;
    },
  });
  input({});
  await session.finished;
  assert.ok(held / items < 40, `${held / items} bytes an item`);
});

function heldBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
