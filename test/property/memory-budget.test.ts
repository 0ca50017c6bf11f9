import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "servable/testing";
import { MemoryBudget, type ArrivingBody } from "../../src/server/bodies/memory-budget.ts";

const step = fc.oneof(
  fc.record({ do: fc.constant("expect" as const), bytes: fc.nat(400) }),
  fc.record({ do: fc.constant("came" as const), which: fc.nat(20), bytes: fc.nat(300) }),
  fc.record({ do: fc.constant("end" as const), which: fc.nat(20) }),
  fc.record({ do: fc.constant("take" as const), bytes: fc.nat(400) }),
  fc.record({ do: fc.constant("free" as const), which: fc.nat(20) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(3_000) }),
);

test("in any order of arrivals, stalls and ends, the budget is never exceeded, and all memory is freed in the end", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const clock = new FakeClock();
      const budget = new MemoryBudget(1_000, clock);
      const bodies = new Set<ArrivingBody>();
      const taken: number[] = [];
      const pick = <T>(all: Iterable<T>, which: number): T | undefined => {
        const list = [...all];
        return list[which % Math.max(1, list.length)];
      };
      for (const item of steps) {
        if (item.do === "wait") clock.advance(item.ms);
        if (item.do === "take" && budget.take(item.bytes)) taken.push(item.bytes);
        if (item.do === "free") budget.free(taken.splice(item.which % Math.max(1, taken.length), 1)[0] ?? 0);
        if (item.do === "expect") {
          const body = budget.expect(item.bytes, () => bodies.delete(body as ArrivingBody));
          if (body !== undefined) bodies.add(body);
        }
        if (item.do === "came") {
          const body = pick(bodies, item.which);
          // A body without room is ended, as a server does.
          if (body?.came(item.bytes, item.bytes, clock.now()) === false) {
            body.end();
            bodies.delete(body);
          }
        }
        if (item.do === "end") {
          const body = pick(bodies, item.which);
          body?.end();
          if (body !== undefined) bodies.delete(body);
        }
        const held = [...bodies].reduce((sum, body) => sum + body.held, 0);
        assert.equal(budget.held, held + taken.reduce((sum, bytes) => sum + bytes, 0));
        assert.ok(budget.held <= budget.maxBytes);
      }
      for (const body of bodies) body.end();
      for (const bytes of taken) budget.free(bytes);
      assert.equal(budget.held, 0);
    }),
    { numRuns: 1_000 },
  );
});
