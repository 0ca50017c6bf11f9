import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RequestContext } from "../../../src/context.ts";
import { RequestCancelledException } from "../../../src/errors.ts";
import { dropped, END, gate, openSession, settle } from "../../helpers/realtime-session.ts";

type Inputs = AsyncIterable<{ readonly n: number }>;
const MODES = ["unary", "server_streaming", "client_streaming", "bidi"] as const;
type Mode = (typeof MODES)[number];

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
before(() => process.on("unhandledRejection", note));
after(async () => {
  await settle();
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});

/** A session whose handler takes one input and then works until the gate opens, however the session ends. */
function openWork(mode: Mode) {
  const work = gate();
  const seen = { started: 0, returned: 0, signal: undefined as AbortSignal | undefined, ended: false };
  const begin = (context: RequestContext): void => {
    seen.started++;
    seen.signal = context.signal;
  };
  async function* stream(inputs: Inputs | undefined): AsyncGenerator<object> {
    try {
      yield { item: 1 };
      await work.promise;
      yield { item: 2 };
      if (inputs !== undefined) {
        for await (const _ of inputs) yield { more: 1 };
        seen.ended = true;
      }
    } finally {
      seen.returned++;
    }
  }
  const handlers: Record<Mode, (input: never, context: RequestContext) => unknown> = {
    unary: async (_input, context) => {
      begin(context);
      await work.promise;
      return { item: 1 };
    },
    server_streaming: (_input, context) => (begin(context), stream(undefined)),
    client_streaming: async (inputs: Inputs, context) => {
      begin(context);
      let count = 0;
      for await (const _ of inputs) {
        count++;
        await work.promise;
      }
      seen.ended = true;
      return { count };
    },
    bidi: (inputs: Inputs, context) => (begin(context), stream(inputs)),
  };
  return { ...openSession({ route: { mode }, handler: handlers[mode] }), seen, work };
}

for (const mode of MODES) {
  test(`${mode}: a close frame before any input is answered with 1000`, async () => {
    const { session, pipe, clock, work } = openWork(mode);
    work.open();
    session.closing();
    await session.finished;
    assert.equal(pipe.closedWith, 1000);
    assert.equal(clock.pending, 0);
  });

  test(`${mode}: a connection lost before any input releases the session`, async () => {
    const { session, pipe, clock, lose } = openWork(mode);
    lose();
    assert.equal(await session.finished, "gone");
    assert.deepEqual(pipe.sent.slice(1), []);
    assert.equal(pipe.closedWith, undefined);
    assert.equal(clock.pending, 0);
  });

  test(`${mode}: a stop before any input closes with 1012`, async () => {
    const { session, pipe, work } = openWork(mode);
    work.open();
    session.stop();
    assert.equal(await session.finished, "stopped");
    assert.equal(pipe.closedWith, 1012);
    assert.deepEqual(
      pipe.sent.filter((message) => "type" in (message as object)),
      [],
    );
  });

  test(`${mode}: a connection lost during a run aborts the signal, returns the iterator and ends the session`, async () => {
    const { session, input, pipe, clock, lose, seen, work } = openWork(mode);
    input({ n: 1 }, { n: 2 });
    await settle();
    const sent = pipe.frames.length;
    lose();
    assert.equal(await session.finished, "gone");
    assert.equal(seen.started, 1);
    assert.equal(seen.signal?.aborted, true);
    assert.ok(seen.signal?.reason instanceof RequestCancelledException);
    assert.equal(clock.pending, 0);
    work.open();
    await settle();
    assert.equal(seen.returned, mode === "server_streaming" || mode === "bidi" ? 1 : 0);
    assert.equal(pipe.frames.length, sent);
    assert.equal(pipe.closedWith, undefined);
  });

  test(`${mode}: a connection lost while a reader is slow ends the session as well`, async () => {
    const { session, input, pipe, lose, seen, work } = openWork(mode);
    pipe.capacity = 1;
    input({ n: 1 }, { n: 2 });
    await settle();
    work.open();
    if (mode === "client_streaming") session.closing();
    await settle();
    lose();
    assert.equal(await session.finished, "gone");
    await settle();
    assert.equal(seen.returned, mode === "server_streaming" || mode === "bidi" ? 1 : 0);
    assert.equal(pipe.closedWith, undefined);
  });

  test(`${mode}: a handler's failure after the connection was lost is ignored`, async () => {
    const fail = gate();
    const handler = async (): Promise<never> => {
      await fail.promise;
      throw new Error("too late");
    };
    const { session, input, lose, logged } = openSession({ route: { mode }, handler });
    input({ n: 1 });
    await settle();
    lose();
    assert.equal(await session.finished, "gone");
    fail.open();
    await settle();
    assert.deepEqual(logged, []);
  });

  test(`${mode}: if the server aborts the session, the signal has the reason and the session ends`, async () => {
    const { session, input, clock, seen } = openWork(mode);
    input({ n: 1 });
    await settle();
    const reason = new Error("cut off");
    session.abort(reason);
    assert.equal(await session.finished, "stopped");
    assert.equal(seen.signal?.reason, reason);
    assert.equal(clock.pending, 0);
  });
}

for (const mode of ["unary", "server_streaming"] as const) {
  test(`${mode}: a close frame during a run aborts the handler's signal and is answered with 1000 immediately`, async () => {
    const { session, input, pipe, seen, work } = openWork(mode);
    input({ n: 1 });
    await settle();
    session.closing();
    assert.equal(await session.finished, "closed");
    assert.equal(seen.signal?.aborted, true);
    assert.equal(pipe.closedWith, 1000);
    work.open();
    await settle();
    assert.equal(seen.returned, mode === "unary" ? 0 : 1);
  });
}

test("client streaming: a close frame ends the inputs; queued inputs are read, the output is sent, then end", async () => {
  const { session, input, pipe, seen, work } = openWork("client_streaming");
  input({ n: 1 }, { n: 2 }, { n: 3 });
  await settle();
  session.closing();
  work.open();
  assert.equal(await session.finished, "finished");
  assert.equal(seen.ended, true);
  assert.deepEqual(pipe.sent, [{ count: 3 }, END]);
  assert.equal(pipe.closedWith, 1000);
});

test("bidi: a close frame ends the inputs; all outputs are sent", async () => {
  const { session, input, pipe, seen, work } = openWork("bidi");
  input({ n: 1 }, { n: 2 });
  await settle();
  session.closing();
  assert.equal(seen.signal?.aborted, false);
  work.open();
  assert.equal(await session.finished, "finished");
  assert.deepEqual(pipe.sent, [{ item: 1 }, { item: 2 }, { more: 1 }, { more: 1 }, END]);
  assert.equal(pipe.closedWith, 1000);
  assert.equal(seen.returned, 1);
});

test("unary: a stop finishes the current run, reports queued and later inputs as dropped, then closes with 1012", async () => {
  const { session, input, pipe, counts, work, seen } = openWork("unary");
  input({ n: 1 }, { n: 2 }, { n: 3 });
  await settle();
  session.stop();
  assert.equal(seen.signal?.aborted, false);
  input({ n: 4 });
  await settle();
  assert.deepEqual(pipe.sent, [dropped(1)]);
  work.open();
  assert.equal(await session.finished, "stopped");
  assert.deepEqual(pipe.sent, [dropped(1), { item: 1 }, dropped(2)]);
  assert.equal(pipe.closedWith, 1012);
  assert.deepEqual(counts, { in: 4, out: 1, dropped: 3 });
});

test("server streaming: a stop lets the stream finish: end, then 1000", async () => {
  const { session, input, pipe, work } = openWork("server_streaming");
  input({ n: 1 });
  await settle();
  session.stop();
  work.open();
  assert.equal(await session.finished, "finished");
  assert.deepEqual(pipe.sent, [{ item: 1 }, { item: 2 }, END]);
  assert.equal(pipe.closedWith, 1000);
});

for (const [mode, outputs] of [
  ["client_streaming", [{ count: 1 }]],
  ["bidi", [{ item: 1 }, { item: 2 }]],
] as const) {
  test(`${mode}: a stop ends the inputs; the outputs for the inputs already read are sent, then 1012`, async () => {
    const { session, input, pipe, seen, work } = openWork(mode);
    input({ n: 1 }, { n: 2 }, { n: 3 });
    await settle();
    session.stop();
    work.open();
    assert.equal(await session.finished, "stopped");
    assert.equal(seen.ended, true);
    assert.deepEqual(pipe.sent, [...outputs, dropped(mode === "bidi" ? 3 : 2)]);
    assert.equal(pipe.closedWith, 1012);
  });
}

test("two consecutive pings without an answer end the session; any frame or pong is an answer", async () => {
  const { session, input, pipe, clock, seen, work } = openWork("unary");
  work.open();
  clock.advance(59_999);
  assert.equal(pipe.pings, 1);
  input({ n: 1 });
  await pipe.sentCount(1);
  clock.advance(30_001); // the second and third ping
  session.pong();
  clock.advance(60_000);
  assert.equal(pipe.pings, 5);
  assert.equal(pipe.terminated, false);
  clock.advance(30_000);
  assert.equal(pipe.terminated, true);
  assert.equal(await session.finished, "gone");
  assert.equal(seen.signal?.aborted, true);
  assert.equal(clock.pending, 0);
});

test("after the end nothing is sent any more, whatever events follow", async () => {
  const { session, input, pipe, clock } = openWork("unary");
  session.stop();
  await session.finished;
  const sent = pipe.frames.length;
  input({ n: 1 });
  session.closing();
  session.stop();
  session.abort(new Error("late"));
  session.disconnected();
  session.pong();
  clock.advance(1_000_000);
  await settle();
  assert.equal(pipe.frames.length, sent);
  assert.equal(pipe.closedWith, 1012);
  assert.equal(pipe.terminated, false);
});
