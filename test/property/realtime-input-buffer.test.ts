import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { InputBuffer, type InputEnd } from "../../src/realtime/input-buffer.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

/** A model of the buffer that follows its description, regardless of speed. */
interface Model {
  waiting: { size: number; id: number }[];
  end: InputEnd | undefined;
  refusing: boolean;
  full: boolean;
  dropped: number;
  lastInputAt: number;
  now: number;
  next: number;
}

interface Real {
  readonly buffer: InputBuffer;
  readonly clock: FakeClock;
  readonly seen: { dropped: number; full: boolean };
}

type Limits = { keep: number | undefined; maxCount: number; maxBytes: number; idleMs: number | undefined };
type Command = fc.Command<Model, Real>;

const limits: fc.Arbitrary<Limits> = fc.record({
  keep: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  maxCount: fc.integer({ min: 1, max: 8 }),
  maxBytes: fc.integer({ min: 10, max: 200 }),
  idleMs: fc.constantFrom(undefined, 100),
});

function bytesOf({ waiting }: Model): number {
  return waiting.reduce((sum, { size }) => sum + size, 0);
}

function remove(model: Model, { maxCount, maxBytes }: Limits): number | undefined {
  const first = model.waiting.shift();
  if (model.full && model.waiting.length <= maxCount / 2 && bytesOf(model) <= maxBytes / 2)
    model.full = false;
  return first?.id;
}

/** A distinguishable frame: its first four bytes are its number. */
function frameOf(id: number, size: number): Buffer {
  const frame = Buffer.alloc(size);
  frame.writeUInt32BE(id);
  return frame;
}

function compare(model: Model, { buffer, seen }: Real): void {
  assert.equal(buffer.length, model.waiting.length);
  assert.equal(buffer.ended, model.end);
  assert.deepEqual(seen, { dropped: model.dropped, full: model.full });
}

function command(name: string, run: (model: Model, real: Real) => void): Command {
  return {
    check: () => true,
    run(model, real) {
      run(model, real);
      compare(model, real);
    },
    toString: () => name,
  };
}

function commandsFor(given: Limits): fc.Arbitrary<Iterable<Command>> {
  const push = (size: number): Command =>
    command(`push(${size})`, (model, real) => {
      const id = model.next++;
      real.buffer.push(frameOf(id, size));
      if (model.end === "closed" || model.end === "gone") return;
      if (model.end !== undefined || model.refusing) {
        model.dropped++;
        return;
      }
      model.lastInputAt = model.now;
      model.waiting.push({ size, id });
      while (given.keep !== undefined && model.waiting.length > given.keep) {
        remove(model, given);
        model.dropped++;
      }
      if (model.waiting.length >= given.maxCount || bytesOf(model) >= given.maxBytes) model.full = true;
    });
  const poll = command("poll", (model, real) => {
    const next = real.buffer.poll();
    const got = typeof next === "object" ? (next.frame as Buffer).readUInt32BE() : next;
    if (model.end === "gone" || model.end === "stopped") return assert.equal(got, model.end);
    const id = remove(model, given);
    if (id !== undefined) return assert.equal(got, id);
    if (
      model.end === undefined &&
      given.idleMs !== undefined &&
      model.now - model.lastInputAt >= given.idleMs
    ) {
      model.end = "idle";
    }
    assert.equal(got, model.end);
  });
  const end = (reason: InputEnd): Command =>
    command(`end(${reason})`, (model, real) => {
      real.buffer.end(reason);
      if (model.end === undefined || reason === "gone") model.end = reason;
    });
  const refuse = command("refuse", (model, real) => {
    real.buffer.refuse();
    model.refusing = true;
    while (remove(model, given) !== undefined) model.dropped++;
  });
  const advance = (ms: number): Command =>
    command(`advance(${ms})`, (model, { clock }) => {
      clock.advance(ms);
      model.now += ms;
    });
  return fc.commands(
    [
      ...Array.from({ length: 6 }, () => fc.integer({ min: 4, max: 80 }).map(push)),
      ...Array.from({ length: 4 }, () => fc.constant(poll)),
      fc.integer({ min: 1, max: 120 }).map(advance),
      fc.constantFrom<InputEnd>("closed", "stopped", "gone").map(end),
      fc.constant(refuse),
    ],
    { maxCommands: 60 },
  );
}

test("the buffer holds, drops, pauses and ends exactly as its model does", () => {
  fc.assert(
    fc.property(
      limits.chain((given) => fc.tuple(fc.constant(given), commandsFor(given))),
      ([given, commands]) => {
        fc.modelRun(() => {
          const clock = new FakeClock();
          const seen = { dropped: 0, full: false };
          const events = {
            onDropped: () => void seen.dropped++,
            onFull: () => void (seen.full = true),
            onRoom: () => void (seen.full = false),
          };
          const model: Model = {
            waiting: [],
            end: undefined,
            refusing: false,
            full: false,
            dropped: 0,
            lastInputAt: 0,
            now: 0,
            next: 0,
          };
          return { model, real: { buffer: new InputBuffer(given, events, clock), clock, seen } };
        }, commands);
      },
    ),
    { numRuns: 2000 },
  );
});
