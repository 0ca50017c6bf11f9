import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { after, before, test } from "node:test";
import * as fc from "fast-check";
import type { RealtimeMode } from "../../src/routes/signature.ts";
import { openSession, settle } from "../helpers/realtime-session.ts";

interface Numbered {
  readonly n: number;
}

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
before(() => process.on("unhandledRejection", note));
after(async () => {
  await settle();
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});

/** Events of a session, in any order. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("inputs" as const), count: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("work" as const), count: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 4, arbitrary: fc.constant({ do: "turn" as const }) },
  { weight: 3, arbitrary: fc.constant({ do: "read" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 2000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("close", "stop", "abort", "lose", "bad").map((how) => ({ do: how })),
  },
);
type Made<A> = A extends fc.Arbitrary<infer Value> ? Value : never;
type Step = Made<typeof step>;

const setup = fc.record({
  mode: fc.constantFrom<RealtimeMode>("unary", "server_streaming", "client_streaming", "bidi"),
  buffering: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  maxBatchSize: fc.constantFrom(1, 1, 4),
  sessionTimeoutMs: fc.constantFrom(undefined, 1500),
  capacity: fc.constantFrom(1, 3, Infinity),
  maxWaitingInputs: fc.constantFrom(1, 5, 1024),
  emitTimings: fc.boolean(),
});
type Setup = Made<typeof setup>;

/** Handlers that wait for the schedule before each result, and return the numbers of their inputs. */
function handlersOf(work: () => Promise<void>): Record<RealtimeMode, (input: never) => unknown> {
  return {
    unary: async (input: Numbered | Numbered[]) => {
      await work();
      return input;
    },
    server_streaming: async function* ({ n }: Numbered) {
      for (let item = n; item < n + 5; item++) {
        await work();
        yield { n: item };
      }
    },
    client_streaming: async (inputs: AsyncIterable<Numbered>) => {
      let last = -1;
      for await (const { n } of inputs) {
        assert.ok(n > last, "inputs in order");
        last = n;
      }
      await work();
      return { n: last };
    },
    bidi: async function* (inputs: AsyncIterable<Numbered>) {
      for await (const input of inputs) {
        await work();
        yield input;
      }
    },
  };
}

test("in any order of events, each input is answered once and in order, drops are reported, and the session ends", async () => {
  await fc.assert(
    fc.asyncProperty(setup, fc.array(step, { maxLength: 40 }), async (given, steps) => {
      await play(given, steps);
    }),
    { numRuns: 600 },
  );
});

async function play(given: Setup, steps: readonly Step[]): Promise<void> {
  const { mode, maxBatchSize, capacity, maxWaitingInputs, ...route } = given;
  const waiting: (() => void)[] = [];
  let released = false;
  const work = (): Promise<void> =>
    released ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve));
  const opened = openSession({
    route: { ...route, mode, maxBatchSize: mode === "unary" ? maxBatchSize : 1 },
    limits: { maxWaitingInputs },
    handler: handlersOf(work)[mode],
  });
  const { session, pipe, clock, counts, input } = opened;
  pipe.capacity = capacity;
  let finished: string | undefined;
  void session.finished.then((end) => (finished = end));
  const happened = new Set<string>();
  let next = 0;
  const isOpen = (): boolean => !pipe.ended && !happened.has("close") && !happened.has("lose");

  for (const now of steps) {
    happened.add(now.do);
    if (now.do === "inputs" && "count" in now && isOpen()) {
      // A paused sender sends nothing new.
      for (let index = 0; index < now.count && !pipe.paused; index++) input({ n: next++ });
    } else if (now.do === "bad" && isOpen()) session.receive(new Uint8Array([0xc1]));
    else if (now.do === "work" && "count" in now) for (const go of waiting.splice(0, now.count)) go();
    else if (now.do === "turn") await setImmediate();
    else if (now.do === "read") pipe.read();
    else if (now.do === "time" && "ms" in now) clock.advance(now.ms);
    else if (now.do === "close" && !pipe.ended) session.closing();
    else if (now.do === "stop") session.stop();
    else if (now.do === "abort") session.abort(new Error("cut off"));
    else if (now.do === "lose") opened.lose();
  }

  if (!happened.has("lose")) session.stop();
  released = true;
  for (let turn = 0; turn < 200 && finished === undefined; turn++) {
    for (const go of waiting.splice(0)) go();
    pipe.read();
    await setImmediate();
  }
  assert.notEqual(finished, undefined, "the session never ended");
  assert.equal(clock.pending, 0, "a timer is left");
  assert.equal(pipe.closedWith !== undefined, finished !== "gone");

  const sentAtTheEnd = pipe.frames.length;
  clock.advance(100_000);
  session.stop();
  session.disconnected();
  await settle();
  assert.equal(pipe.frames.length, sentAtTheEnd, "something was sent after the end");

  const answered = pipe.sent
    .filter((message): message is Numbered => "n" in (message as object))
    .map(({ n }) => n);
  assert.ok(
    answered.every((n, index) => index === 0 || n > (answered[index - 1] as number)),
    `out of order: ${answered.join()}`,
  );
  assert.equal(answered.length, counts.out);
  if (mode !== "server_streaming") assert.ok(answered.every((n) => n < next));

  const reported = pipe.sent
    .filter((message) => (message as { action?: string }).action === "dropped")
    .reduce((sum: number, message) => sum + (message as { count: number }).count, 0);
  // Without a stream of inputs, nothing is sent after the caller's close frame, even if a stop came before it.
  const endsAtClose = mode === "unary" || mode === "server_streaming";
  const wasCut = happened.has("abort") || (endsAtClose && happened.has("close"));
  const wasAborted = wasCut || finished === "gone" || finished === "closed";
  if (!wasAborted) assert.equal(reported, counts.dropped, "every dropped input is reported");
  const eachAnswered = mode === "unary" || mode === "bidi";
  if (!wasAborted && finished !== "failed" && eachAnswered) {
    assert.equal(counts.in, counts.out + counts.dropped, "an input was lost silently");
  }
}
