import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fillByWeight } from "../../src/controller/scaling/fair-share.ts";
import { shareMachine, type Claim } from "../../src/controller/scaling/machine.ts";
import type { Runner } from "../../src/controller/scaling/snapshot.ts";

const NUMBERS = { running: 0, load: 0, slots: 1, startSeconds: 4, serviceSeconds: 1, ready: 0, starting: 0 };

const claim = fc
  .record({
    weight: fc.integer({ min: 1, max: 4 }),
    size: fc.integer({ min: 1, max: 3 }),
    busy: fc.nat(3),
    idle: fc.nat(3),
    starting: fc.nat(2),
    more: fc.nat(5),
    waiting: fc.nat(3),
    minConcurrency: fc.nat(2),
  })
  .map(({ weight, size, busy, idle, starting, more, waiting, minConcurrency }): Omit<Claim, "app"> => {
    const runners: Runner[] = [
      ...Array.from({ length: busy }, (_, index) => ({ ...runner(`busy${index}`), requests: 1 })),
      ...Array.from({ length: idle }, (_, index) => runner(`idle${index}`)),
      ...Array.from({ length: starting }, (_, index) => ({
        ...runner(`start${index}`),
        state: "starting" as const,
      })),
    ];
    const wants = waiting > 0 ? Math.max(1, more) : more;
    const target = Math.max(runners.length, wants);
    const numbers = { ...NUMBERS, waiting, wanted: target };
    const decision = {
      target,
      start: target - runners.length,
      stop: [],
      reason: `${target} wanted`,
      numbers,
    };
    return { weight, size, minConcurrency, runners, decision };
  });
const claims = fc
  .array(claim, { minLength: 1, maxLength: 6 })
  .map((list) => list.map((each, index): Claim => ({ ...each, app: `app${index}` })));

const shortage = (): string => "the machine is full";

function runner(id: string): Runner {
  return { id, state: "ready", startedAt: 0, requests: 0, idleSince: 10 };
}

function roomOf(list: readonly Claim[]): number {
  return list.reduce((sum, { size, runners }) => sum + size * runners.length, 0);
}

test("a machine with room for all changes no decision", () => {
  fc.assert(
    fc.property(claims, (list) => {
      const shared = shareMachine(list, { capacity: 1_000, maxStarting: 1_000, shortage });
      for (const { app, decision } of list) assert.deepEqual(shared.get(app), decision);
    }),
  );
});

test("starts fit into the free room, a busy runner is never stopped, and a start that is put off has a reason", () => {
  fc.assert(
    fc.property(claims, fc.nat(30), fc.integer({ min: 1, max: 5 }), (list, free, maxStarting) => {
      const capacity = roomOf(list) + free - 5;
      const shared = shareMachine(list, { capacity, maxStarting, shortage });
      let used = roomOf(list);
      for (const { app, size, runners, decision } of list) {
        const { start, stop, reason } = shared.get(app) ?? decision;
        used += size * start;
        for (const each of stop) assert.equal(runners.find(({ id }) => id === each.runner)?.requests, 0);
        if (start < decision.start) assert.match(reason, new RegExp(`; ${start} of \\d+ starts? now: `));
      }
      assert.ok(used <= Math.max(capacity, roomOf(list)));
    }),
  );
});

test("an app with waiting requests and no runner gets one if there is room, whatever the others start", () => {
  fc.assert(
    fc.property(claims, fc.integer({ min: 0, max: 3 }), (list, maxStarting) => {
      const stranded = list.filter(
        ({ runners, decision }) => runners.length === 0 && decision.numbers.waiting > 0,
      );
      const capacity = roomOf(list) + stranded.reduce((sum, { size }) => sum + size, 0);
      const shared = shareMachine(list, { capacity, maxStarting, shortage });
      for (const { app } of stranded) assert.ok((shared.get(app)?.start ?? 0) >= 1, app);
    }),
  );
});

test("an idle runner of another app is stopped for one with waiting requests on a full machine", () => {
  const idle: Claim = {
    app: "idle",
    weight: 1,
    size: 1,
    minConcurrency: 1,
    runners: [runner("a"), { ...runner("b"), idleSince: 5 }],
    decision: {
      target: 2,
      start: 0,
      stop: [],
      reason: "2 wanted",
      numbers: { ...NUMBERS, waiting: 0, wanted: 2 },
    },
  };
  const urgent: Claim = {
    ...idle,
    app: "urgent",
    minConcurrency: 0,
    runners: [],
    decision: {
      target: 1,
      start: 1,
      stop: [],
      reason: "1 wanted",
      numbers: { ...NUMBERS, waiting: 1, wanted: 1 },
    },
  };
  const shared = shareMachine([idle, urgent], { capacity: 2, maxStarting: 4, shortage });
  assert.deepEqual(
    shared.get("idle")?.stop.map(({ runner: id }) => id),
    ["b"],
  );
  assert.equal(shared.get("urgent")?.start, 0);
  const next = shareMachine([{ ...idle, runners: [runner("a")] }, urgent], {
    capacity: 2,
    maxStarting: 4,
    shortage,
  });
  assert.equal(next.get("urgent")?.start, 1);
});

test("shares are max-min by weight: none could get more without taking from one that has less for its weight", () => {
  const apps = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 5 }), limit: fc.nat(12) }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(apps, fc.nat(30), (list, capacity) => {
      const claimants = list.map(({ weight }, index) => ({ app: `${index}`, weight, size: 1 }));
      const limits = list.map(({ limit }) => limit);
      const shares = fillByWeight(
        claimants,
        limits.map(() => 0),
        limits,
        capacity,
      );
      const total = shares.reduce((sum, share) => sum + share, 0);
      assert.equal(
        total,
        Math.min(
          capacity,
          limits.reduce((sum, limit) => sum + limit, 0),
        ),
      );
      for (const [index, share] of shares.entries()) {
        if (share === limits[index]) continue;
        const level = share / (list[index]?.weight ?? 1);
        for (const [other, theirs] of shares.entries()) {
          assert.ok(theirs === 0 || (theirs - 1) / (list[other]?.weight ?? 1) <= level);
        }
      }
    }),
  );
});
