import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "../../../src/context.ts";
import { AppException, FieldException, InputValidationError } from "../../../src/errors.ts";
import { TIMEOUT, dropped, failure, gate, openSession, settle } from "../../helpers/realtime-session.ts";

interface Numbered {
  readonly n: number;
}

test("each input gets its output, in the order of arrival, one run at a time", async () => {
  let running = 0;
  const { input, pipe, counts } = openSession({
    handler: async ({ n }: Numbered) => {
      assert.equal(++running, 1);
      await settle();
      running--;
      return { n };
    },
  });
  input({ n: 1 }, { n: 2 });
  await pipe.sentCount(1);
  input({ n: 3 });
  await pipe.sentCount(3);
  assert.deepEqual(pipe.sent, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  assert.deepEqual(counts, { in: 3, out: 3, dropped: 0 });
});

test("a handler may return its output without a promise", async () => {
  const { input, pipe } = openSession({ handler: ({ n }: Numbered) => ({ twice: n * 2 }) });
  input({ n: 1 }, { n: 2 });
  await pipe.sentCount(2);
  assert.deepEqual(pipe.sent, [{ twice: 2 }, { twice: 4 }]);
});

test("the handler has the upgrade request's headers, its query, a signal and a log", async () => {
  let seen: RequestContext | undefined;
  const { input, pipe } = openSession({
    query: { a: "1" },
    handler: (_input: Numbered, context) => {
      seen = context;
      return {};
    },
  });
  input({ n: 1 });
  await pipe.sentCount(1);
  assert.equal(seen?.requestId, "r1");
  assert.deepEqual(seen?.query, { a: "1" });
  assert.equal(seen?.signal.aborted, false);
  assert.throws(() => seen?.setHeader("x-a", "1"), /no response headers/);
});

test("timings follow each result, in seconds, with the time in the queue and the batch size", async () => {
  const { input, pipe, clock } = openSession({
    route: { emitTimings: true },
    handler: async ({ n }: Numbered) => {
      clock.advance(n);
      return { n };
    },
  });
  input({ n: 250 }, { n: 1000 });
  await pipe.sentCount(4);
  assert.deepEqual(
    pipe.frames[1],
    '{"type":"x-fal-message","action":"timings","timing":0.25,"queue":0,"batch_size":1}',
  );
  assert.deepEqual(
    pipe.frames[3],
    '{"type":"x-fal-message","action":"timings","timing":1,"queue":0.25,"batch_size":1}',
  );
});

test("a session without inputs for sessionTimeout ends with TIMEOUT and 1000", async () => {
  const { session, input, pipe, clock } = openSession({
    route: { sessionTimeoutMs: 5000 },
    handler: ({ n }: Numbered) => ({ n }),
  });
  clock.advance(4999);
  input({ n: 1 });
  await pipe.sentCount(1);
  clock.advance(4999);
  await settle();
  assert.equal(pipe.closedWith, undefined);
  clock.advance(1);
  assert.equal(await session.finished, "idle");
  assert.deepEqual(pipe.sent, [{ n: 1 }, TIMEOUT]);
  assert.equal(pipe.closedWith, 1000);
  assert.equal(clock.pending, 0);
});

test("a session that times out during a run ends after the run's result was sent", async () => {
  const run = gate();
  const { session, input, pipe, clock } = openSession({
    route: { sessionTimeoutMs: 1000 },
    handler: async ({ n }: Numbered) => (await run.promise, { n }),
  });
  input({ n: 1 });
  await settle();
  clock.advance(10_000);
  await settle();
  assert.equal(pipe.closedWith, undefined);
  run.open();
  assert.equal(await session.finished, "idle");
  assert.deepEqual(pipe.sent, [{ n: 1 }, TIMEOUT]);
});

test("an input that arrives during a long run keeps the session open", async () => {
  const run = gate();
  const { session, input, pipe, clock } = openSession({
    route: { sessionTimeoutMs: 1000 },
    handler: async ({ n }: Numbered) => (await run.promise, { n }),
  });
  input({ n: 1 });
  await settle();
  clock.advance(5000);
  input({ n: 2 });
  clock.advance(900);
  run.open();
  await pipe.sentCount(2);
  await settle();
  assert.equal(pipe.closedWith, undefined);
  clock.advance(100);
  assert.equal(await session.finished, "idle");
  assert.deepEqual(pipe.sent, [{ n: 1 }, { n: 2 }, TIMEOUT]);
});

test("many inputs of a session with sessionTimeout share its timers", async () => {
  const { input, pipe, clock } = openSession({
    route: { sessionTimeoutMs: 1000 },
    handler: async ({ n }: Numbered) => ({ n }),
  });
  let timers = 0;
  const { after } = clock;
  clock.after = (...given) => {
    timers++;
    return after.apply(clock, given);
  };
  for (let n = 0; n < 100; n++) {
    clock.advance(99);
    input({ n });
    await pipe.sentCount(n + 1);
  }
  await settle();
  assert.ok(timers <= 20, `${timers} timers in 9.9 seconds`);
  assert.equal(pipe.closedWith, undefined);
});

test("without sessionTimeout a session may be idle forever, as long as pings are answered", async () => {
  const { session, pipe, clock } = openSession({ handler: () => ({}) });
  for (let day = 0; day < 1000; day++) {
    clock.advance(30_000);
    session.pong();
  }
  await settle();
  assert.equal(pipe.ended, false);
  assert.equal(pipe.pings, 1000);
});

for (const [what, output] of [
  ["nothing", undefined],
  ["null", null],
  ["a text", "text"],
  ["an array", [{ n: 1 }]],
  ["bytes", new Uint8Array(2)],
] as const) {
  test(`an output that is ${what} is not an object: the session fails`, async () => {
    const { session, input, pipe, logged } = openSession({ handler: async () => output });
    input({ n: 1 });
    assert.equal(await session.finished, "failed");
    assert.deepEqual(pipe.sent, [failure("Internal Server Error")]);
    assert.equal(pipe.closedWith, 1000);
    assert.match(logged.join(), /work\(\) must return objects/);
  });
}

for (const [what, error, reason, isLogged] of [
  ["an AppException", new AppException("No such voice.", 404), "No such voice.", false],
  ["a FieldException", new FieldException("voice", "is unknown"), "voice: is unknown", false],
  ["an unknown error", new Error("secret at /srv/app.ts:1"), "Internal Server Error", true],
  ["no error at all", undefined, "Internal Server Error", true],
] as const) {
  test(`a handler that throws ${what}: the caller gets "${reason}", then 1000`, async () => {
    for (const handler of [
      () => {
        throw error;
      },
      async () => {
        throw error;
      },
    ]) {
      const { session, input, pipe, logged, clock } = openSession({ handler });
      input({ n: 1 }, { n: 2 });
      assert.equal(await session.finished, "failed");
      assert.deepEqual(pipe.sent, [failure(reason)]);
      assert.equal(pipe.closedWith, 1000);
      assert.equal(logged.length, isLogged ? 1 : 0);
      assert.equal(clock.pending, 0);
    }
  });
}

test("an invalid input is reported with its field and the violated rule", async () => {
  const { session, input, pipe } = openSession({
    route: {
      accept: () => {
        throw new InputValidationError([{ type: "x", loc: ["body", "steps"], msg: "Input should be less" }]);
      },
    },
    handler: () => ({}),
  });
  input({ steps: 1000 });
  assert.equal(await session.finished, "failed");
  assert.deepEqual(pipe.sent, [failure("steps: Input should be less")]);
});

test("an unreadable frame is reported with the reason; a text frame is rejected where MessagePack is expected", async () => {
  const unreadable = openSession({ handler: () => ({}) });
  unreadable.session.receive(new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]));
  assert.equal(await unreadable.session.finished, "failed");
  assert.deepEqual(unreadable.pipe.sent, [failure("The message can't be read: the message is cut short")]);

  const text = openSession({ handler: () => ({}) });
  text.session.receive("{}");
  assert.equal(await text.session.finished, "failed");
  assert.deepEqual(text.pipe.sent, [
    failure("The message can't be read: text frames are not accepted here, send MessagePack"),
  ]);
});

test("a slow reader delays the next run until it has caught up", async () => {
  let runs = 0;
  const { input, pipe } = openSession({ handler: ({ n }: Numbered) => (runs++, { n }) });
  pipe.capacity = 2;
  input(...Array.from({ length: 5 }, (_, n) => ({ n })));
  await settle();
  assert.equal(runs, 2);
  pipe.read();
  await settle();
  assert.equal(runs, 4);
  pipe.read();
  await pipe.sentCount(5);
  assert.deepEqual(
    pipe.sent,
    Array.from({ length: 5 }, (_, n) => ({ n })),
  );
});

test("buffering keeps the newest inputs, drops older ones and reports how many", async () => {
  const run = gate();
  const { input, pipe, counts } = openSession({
    route: { buffering: 2 },
    handler: async ({ n }: Numbered) => (await run.promise, { n }),
  });
  input({ n: 1 });
  await settle();
  input({ n: 2 }, { n: 3 }, { n: 4 }, { n: 5 });
  await pipe.sentCount(1);
  assert.deepEqual(pipe.sent, [dropped(2)]);
  input({ n: 6 });
  await pipe.sentCount(2);
  run.open();
  await pipe.sentCount(5);
  assert.deepEqual(pipe.sent, [dropped(2), dropped(1), { n: 1 }, { n: 5 }, { n: 6 }]);
  assert.deepEqual(counts, { in: 6, out: 3, dropped: 3 });
});

test("dropped inputs are reported before the session ends, even if it ends in the same turn", async () => {
  const { session, input, pipe } = openSession({
    route: { buffering: 1 },
    handler: () => {
      throw new AppException("Enough.");
    },
  });
  input({ n: 1 }, { n: 2 }, { n: 3 });
  assert.equal(await session.finished, "failed");
  assert.deepEqual(pipe.sent, [dropped(2), failure("Enough.")]);
  await settle();
  assert.equal(pipe.sent.length, 2);
});

for (const [asked, kept] of [
  ["1", 1],
  ["60", 60],
  ["0", 3],
  ["61", 3],
  ["-1", 3],
  ["2.5", 3],
  ["", 3],
  ["many", 3],
] as const) {
  test(`max_buffering=${asked} on a route that buffers 3 keeps ${kept}`, async () => {
    const run = gate();
    const { input, pipe, counts } = openSession({
      route: { buffering: 3 },
      query: { max_buffering: asked },
      handler: async ({ n }: Numbered) => (await run.promise, { n }),
    });
    input({ n: 0 });
    await settle();
    input(...Array.from({ length: 70 }, (_, n) => ({ n })));
    await pipe.sentCount(1);
    run.open();
    await pipe.sentCount(kept + 2);
    assert.equal(counts.dropped, 70 - kept);
    assert.deepEqual(pipe.sent.at(-1), { n: 69 });
  });
}

test("without buffering nothing is dropped: the connection is paused at the limit and resumed at half of it", async () => {
  const gates = Array.from({ length: 20 }, () => gate());
  const { input, pipe, counts, clock } = openSession({
    limits: { maxWaitingInputs: 8 },
    handler: async ({ n }: Numbered) => (await gates[n]?.promise, { n }),
  });
  input({ n: 0 });
  await settle();
  input(...Array.from({ length: 7 }, (_, index) => ({ n: index + 1 })));
  assert.equal(pipe.paused, false);
  input({ n: 8 });
  assert.equal(pipe.paused, true);
  clock.advance(300_000); // a paused connection cannot receive a pong
  assert.equal(pipe.terminated, false);
  for (let n = 0; n < 4; n++) {
    assert.equal(pipe.paused, true);
    gates[n]?.open();
    await pipe.sentCount(n + 1);
    await settle();
  }
  assert.equal(pipe.paused, false);
  for (const each of gates) each.open();
  await pipe.sentCount(9);
  assert.deepEqual(
    pipe.sent,
    Array.from({ length: 9 }, (_, n) => ({ n })),
  );
  assert.equal(counts.dropped, 0);
});

test("a few large inputs pause the connection as well", async () => {
  const run = gate();
  const { input, pipe } = openSession({
    limits: { maxWaitingBytes: 10_000 },
    handler: async () => (await run.promise, {}),
  });
  input({});
  await settle();
  input({ audio: new Uint8Array(6000) });
  assert.equal(pipe.paused, false);
  input({ audio: new Uint8Array(6000) });
  assert.equal(pipe.paused, true);
  run.open();
  await pipe.sentCount(3);
  assert.equal(pipe.paused, false);
});
