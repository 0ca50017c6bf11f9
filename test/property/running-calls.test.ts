import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "servable/testing";
import { MemoryBudget } from "../../src/server/bodies/memory-budget.ts";
import { ServerState, type RunningCall } from "../../src/server/lifecycle/server-state.ts";
import { Sessions } from "../../src/server/sockets/sessions.ts";

test("in any order of starts and ends, each running call is aborted once by a forced stop, and no other", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (toggles) => {
      const state = new ServerState(new Sessions(1), new MemoryBudget(1, new FakeClock()));
      const aborted: number[] = [];
      const calls = Array.from({ length: 10 }, (_, id) => {
        const call: RunningCall = {
          isRunning: false,
          before: undefined,
          after: undefined,
          forceAbort() {
            aborted.push(id);
            state.running.delete(call);
          },
        };
        return call;
      });
      const running = new Set<number>();
      for (const id of toggles) {
        const call = calls[id] as RunningCall;
        if (running.has(id)) assert.ok(state.running.delete(call));
        else state.running.add(call);
        if (!running.delete(id)) running.add(id);
        assert.equal(call.isRunning, running.has(id));
      }
      for (const [id, call] of calls.entries()) {
        if (!running.has(id)) assert.equal(state.running.delete(call), false);
      }
      state.abortAll(new Error("stop"));
      assert.deepEqual(aborted.toSorted(), [...running].toSorted());
      assert.deepEqual(state.running.all(), []);
    }),
    { numRuns: 500 },
  );
});
