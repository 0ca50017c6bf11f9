import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decide } from "../../src/controller/scaling/decide.ts";
import { EMPTY_HISTORY, learn, startSeconds, type History } from "../../src/controller/scaling/history.ts";
import { holdSeconds } from "../../src/controller/scaling/hold.ts";
import { RuleScaler } from "../../src/controller/scaling/simulation/rule-scaler.ts";
import { simulate, type Scaler } from "../../src/controller/scaling/simulation/simulator.ts";
import {
  DEFAULT_SETTINGS,
  type Decision,
  type ScalingSettings,
  type Snapshot,
} from "../../src/controller/scaling/snapshot.ts";
import { ScalingWorld, type Step } from "../helpers/scaling-world.ts";

const settings: fc.Arbitrary<ScalingSettings> = fc
  .record({
    scaling: fc.constantFrom(
      "balanced" as const,
      "eager" as const,
      "thrifty" as const,
      "documented" as const,
    ),
    keepAlive: fc.oneof(fc.constant("auto" as const), fc.nat(60)),
    minConcurrency: fc.nat(3),
    more: fc.nat(8),
    concurrencyBuffer: fc.nat(2),
    concurrencyBufferPerc: fc.constantFrom(0, 0, 20, 100),
    scalingDelay: fc.constantFrom(0, 0, 0, 3),
    maxMultiplexing: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ more, ...rest }) => ({ ...rest, maxConcurrency: rest.minConcurrency + more + 1 }));

const arrival: fc.Arbitrary<Step> = fc.record({
  do: fc.constant("arrive" as const),
  seconds: fc.integer({ min: 1, max: 9 }),
});
const wait: fc.Arbitrary<Step> = fc.record({
  do: fc.constant("wait" as const),
  seconds: fc.integer({ min: 1, max: 40 }),
});
const crashes: fc.Arbitrary<Step> = fc.record({ do: fc.constant("crashes" as const), on: fc.boolean() });
const silence: fc.Arbitrary<Step> = fc.record({ do: fc.constant("silence" as const), on: fc.boolean() });
const deploy: fc.Arbitrary<Step> = fc.record({ do: fc.constant("deploy" as const), settings });
const anything = fc.array(
  fc.oneof({ weight: 5, arbitrary: arrival }, { weight: 3, arbitrary: wait }, crashes, silence, deploy),
  { maxLength: 60 },
);
const usual = fc.array(fc.oneof(arrival, wait), { maxLength: 60 });
const startTime = fc.integer({ min: 1, max: 30 });

/** Checks each decision of random histories. */
function holds(steps: fc.Arbitrary<Step[]>, check: (snapshot: Snapshot, decision: Decision) => void): void {
  fc.assert(
    fc.property(settings, startTime, steps, (initial, seconds, list) => {
      const world = new ScalingWorld(initial, seconds, check);
      for (const step of list) world.take(step);
    }),
    { numRuns: 300 },
  );
}

function count(snapshot: Snapshot, ...states: string[]): number {
  return snapshot.runners.filter(({ state }) => states.includes(state)).length;
}

test("the target is within minConcurrency and maxConcurrency in any history, deploys, crashes and silence included", () => {
  holds(anything, ({ settings: { minConcurrency, maxConcurrency } }, { target }) => {
    assert.ok(target >= minConcurrency && target <= maxConcurrency, `${target}`);
  });
});

test("the same snapshot gives the same decision, and once its starts are under way, no more are started", () => {
  holds(anything, (snapshot, decision) => {
    const before = structuredClone(snapshot);
    assert.deepEqual(decide(structuredClone(snapshot)), decision);
    assert.deepEqual(snapshot, before);
    const started = Array.from({ length: decision.start }, (_, index) => ({
      id: `new${index}`,
      state: "starting" as const,
      startedAt: snapshot.now,
      requests: 0,
      idleSince: snapshot.now,
    }));
    const stopped = new Set(decision.stop.map(({ runner }) => runner));
    const runners = [...snapshot.runners.filter(({ id }) => !stopped.has(id)), ...started];
    assert.equal(decide({ ...snapshot, runners }).start, 0);
  });
});

test("a runner with a request or socket is never stopped, nor a start that a request waits for", () => {
  holds(anything, (snapshot, { stop }) => {
    for (const { runner: stopped } of stop) {
      const runner = snapshot.runners.find(({ id }) => id === stopped);
      assert.ok(runner !== undefined && runner.requests === 0 && runner.state !== "draining");
      if (runner.state === "starting") assert.equal(snapshot.demand?.waiting, 0);
    }
  });
});

test("while a request waits, a runner is ready or starting, unless crash back-off or scalingDelay forbid the start", () => {
  holds(anything, (snapshot, { start, stop }) => {
    const { demand, now, history } = snapshot;
    if (demand === undefined || now - demand.at > 5 || demand.overdue === 0) return;
    if (history.crashes.until !== null && now < history.crashes.until) return;
    assert.ok(count(snapshot, "ready", "starting") + start - stop.length >= 1);
  });
});

test("more demand never lowers the target", () => {
  const more = fc.record({ running: fc.nat(5), load: fc.nat(5), waiting: fc.nat(20), wait: fc.nat(40) });
  fc.assert(
    fc.property(settings, startTime, usual, more, (initial, seconds, steps, extra) => {
      const world = new ScalingWorld(initial, seconds);
      for (const step of steps) world.take(step);
      const snapshot = world.snapshot();
      const { demand } = snapshot;
      assert.ok(demand !== undefined);
      const higher = {
        ...demand,
        running: demand.running + extra.running,
        load: demand.load + extra.load,
        waiting: demand.waiting + extra.waiting,
        overdue: demand.overdue + extra.waiting,
        oldestWait: demand.oldestWait + (demand.waiting + extra.waiting > 0 ? extra.wait : 0),
      };
      assert.ok(decide({ ...snapshot, demand: higher }).target >= decide(snapshot).target);
    }),
    { numRuns: 500 },
  );
});

test("without demand, or with demand that is too old, nothing is stopped, and only minConcurrency starts runners", () => {
  holds(anything, (snapshot) => {
    const { now, settings: bounds, demand } = snapshot;
    const have = count(snapshot, "ready", "starting");
    for (const stale of [undefined, demand === undefined ? undefined : { ...demand, at: now - 6 }]) {
      const { start, stop, target } = decide({ ...snapshot, demand: stale });
      assert.deepEqual(stop, []);
      assert.ok(start <= Math.max(0, bounds.minConcurrency - have));
      assert.equal(target, Math.min(bounds.maxConcurrency, Math.max(bounds.minConcurrency, have)));
    }
  });
});

test("every decision and every stop says why, with numbers", () => {
  holds(anything, (snapshot, { target, reason, stop, numbers }) => {
    assert.match(reason, new RegExp(`^${target} wanted: .`));
    assert.ok(!/undefined|NaN|Infinity|null/.test(reason), reason);
    for (const each of stop) assert.match(each.reason, /\d/);
    assert.equal(numbers.ready, count(snapshot, "ready"));
    assert.ok(Object.values(numbers).every((number) => Number.isFinite(number)));
  });
});

test("zero is reached within the hold and two seconds after the last use, or the end of the last start", () => {
  fc.assert(
    fc.property(
      startTime,
      usual,
      fc.constantFrom("balanced", "eager", "thrifty"),
      (seconds, steps, scaling) => {
        const world = new ScalingWorld({ scaling, maxConcurrency: 6 }, seconds);
        for (const step of steps) world.take(step);
        let last = world.now;
        while (world.requests.length + world.starting > 0 && world.now < 5_000) {
          world.second();
          last = world.now;
        }
        const start = startSeconds(world.history);
        const holds = world.history.gaps.map((gaps) => holdSeconds(gaps, start, scaling));
        const idle = scaling === "eager" ? start : start / 4;
        const until = last + Math.max(idle, ...holds) + 2;
        while (world.now < until) world.second();
        assert.equal(world.runners.length, 0, `${world.now} ${last}`);
      },
    ),
    { numRuns: 300 },
  );
});

test("a crash loop has few starts an hour, and the first success ends the back-off", () => {
  fc.assert(
    fc.property(startTime, fc.integer({ min: 1, max: 8 }), (seconds, requests) => {
      const world = new ScalingWorld({ maxConcurrency: 8 }, seconds);
      world.take({ do: "crashes", on: true });
      for (let index = 0; index < requests; index++) world.arrive(5);
      world.take({ do: "wait", seconds: 3_600 });
      assert.ok(world.starts <= 8 + 15, `${world.starts} starts`);
      const before = world.starts;
      world.take({ do: "wait", seconds: 3_600 });
      assert.ok(world.starts - before <= 7, `${world.starts - before} starts in the second hour`);
      world.take({ do: "crashes", on: false });
      world.take({ do: "wait", seconds: 600 + seconds + 2 });
      assert.equal(world.history.crashes.waves, 0);
      world.take({ do: "wait", seconds: 120 + 6 * seconds });
      assert.equal(world.requests.length, 0);
    }),
    { numRuns: 30 },
  );
});

test("a constant load without noise starts and stops nothing after five start times", () => {
  const load = fc.record({
    gap: fc.double({ min: 0.05, max: 0.5, noNaN: true }),
    parallel: fc.integer({ min: 1, max: 6 }),
    part: fc.double({ min: 0.1, max: 0.9, noNaN: true }),
    seconds: fc.integer({ min: 2, max: 40 }),
    slots: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(load, ({ gap, parallel, part, seconds, slots }) => {
      const service = gap * (parallel + part);
      const end = 10 * seconds + 60;
      const arrivals = Float64Array.from({ length: Math.floor(end / gap) }, (_, index) => index * gap);
      const rule = new RuleScaler({ maxConcurrency: Infinity, maxMultiplexing: slots });
      const late: string[] = [];
      const scaler: Scaler = {
        decide(view) {
          const orders = rule.decide(view);
          const steps = (orders.start ?? 0) + (orders.stop ?? []).length;
          if (steps > 0 && view.now > 5 * Math.max(15, seconds) && view.now < end)
            late.push(`${view.now}: ${steps}`);
          return orders;
        },
        ready: (runner, now) => rule.ready(runner, now),
      };
      const workload = { name: "constant", arrivals, services: arrivals.map(() => service), end };
      simulate(workload, { scaler, slots, startSeconds: () => seconds });
      assert.deepEqual(late, []);
    }),
    { numRuns: 60 },
  );
});

test("a history that was stored as JSON gives the same decisions", () => {
  holds(anything, (snapshot, decision) => {
    const history = JSON.parse(JSON.stringify(snapshot.history)) as History;
    assert.deepEqual(decide({ ...snapshot, history }), decision);
  });
});

test("a scheduler that loses any one second decides later as if a level was needed one second earlier or later", () => {
  const loads = fc.array(fc.record({ level: fc.nat(4), seconds: fc.integer({ min: 1, max: 12 }) }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(loads, fc.nat(100), fc.boolean(), (list, lost, gatewaySurvives) => {
      const levels = list.flatMap(({ level, seconds }) => Array.from({ length: seconds }, () => level));
      // A use that only the lost gateway saw ended with it.
      fc.pre(gatewaySurvives || (levels[lost] ?? 0) <= (levels[lost - 1] ?? 0));
      let [whole, interrupted] = [EMPTY_HISTORY, EMPTY_HISTORY];
      const targets: number[][] = [[], []];
      let since = 0;
      for (const [index, level] of levels.entries()) {
        const at = index + 1;
        const seen = {
          kind: "load" as const,
          at,
          highest: level,
          lowest: level,
          present: level > 0,
          slots: 1,
        };
        whole = learn(whole, { ...seen, since: index });
        const before = levels[index - 1] ?? 0;
        const missed = index === lost + 1 && gatewaySurvives;
        const reading = { ...seen, highest: missed ? Math.max(before, level) : level };
        const from = index === lost + 1 && !gatewaySurvives ? index : since;
        if (index !== lost) {
          interrupted = learn(interrupted, { ...reading, since: from });
          since = at;
        }
        targets[0]?.push(targetOf(whole, at));
        targets[1]?.push(targetOf(interrupted, at));
      }
      const [all = [], some = []] = targets;
      for (const [index, target] of some.entries()) {
        if (index <= lost + 1) continue;
        const near = all.slice(Math.max(0, index - 2), index + 2);
        assert.ok(
          target >= Math.min(...near) && target <= Math.max(...near),
          `${index}: ${target} of ${near.join()}`,
        );
      }
    }),
    { numRuns: 500 },
  );
});

/** The target of an app without requests at this moment. */
function targetOf(history: History, now: number): number {
  const demand = { at: now, running: 0, waiting: 0, overdue: 0, oldestWait: 0, load: 0 };
  return decide({ now, settings: { ...DEFAULT_SETTINGS, maxConcurrency: 9 }, runners: [], demand, history })
    .target;
}
