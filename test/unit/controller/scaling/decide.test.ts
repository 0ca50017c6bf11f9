import assert from "node:assert/strict";
import { test } from "node:test";
import { decide } from "../../../../src/controller/scaling/decide.ts";
import { EMPTY_HISTORY, learn, type History } from "../../../../src/controller/scaling/history.ts";
import {
  DEFAULT_SETTINGS,
  type Decision,
  type Demand,
  type Runner,
  type ScalingSettings,
} from "../../../../src/controller/scaling/snapshot.ts";

const NOTHING: Demand = { at: 100, running: 0, waiting: 0, overdue: 0, oldestWait: 0, load: 0 };
const WAITING: Demand = { ...NOTHING, waiting: 1, overdue: 1, oldestWait: 0.4, load: 1 };
/** A start takes 4 s. */
const HISTORY = learn(EMPTY_HISTORY, { kind: "ready", at: 4, startedAt: 0 });

interface Case {
  readonly settings?: Partial<ScalingSettings>;
  readonly runners?: readonly Runner[];
  readonly demand?: Demand | undefined;
  readonly history?: History;
}

function decided({ settings = {}, runners = [], demand = NOTHING, history = HISTORY }: Case): Decision {
  return decide({
    now: 100,
    settings: { ...DEFAULT_SETTINGS, maxConcurrency: 10, ...settings },
    runners,
    demand,
    history,
  });
}

function runner(id: string, state: Runner["state"], values: Partial<Runner> = {}): Runner {
  return { id, state, startedAt: 50, requests: 0, idleSince: 60, ...values };
}

function crashed(history: History, at: number): History {
  return learn(history, { kind: "crashed", at, startedAt: at - 1, readyAt: null });
}

test("a waiting request's decision names its wait, the runners, and how far the start is", () => {
  const { reason, start } = decided({
    demand: WAITING,
    runners: [runner("a", "starting", { startedAt: 97.9 })],
  });
  assert.equal(reason, "1 wanted: 1 request waits 0.4 s, 0 ready, 1 starting (2.1 s of 4.0 s usual)");
  assert.equal(start, 0);
});

test("a runner that is kept is explained by the time since it was needed, and by its hold", () => {
  const load = { kind: "load" as const, since: 97, at: 98, highest: 1, lowest: 1, present: true, slots: 1 };
  const { reason, stop } = decided({ history: learn(HISTORY, load), runners: [runner("a", "ready")] });
  assert.equal(reason, "1 wanted: 1 runner needed until 2 s ago, kept 4 s");
  assert.deepEqual(stop, []);
});

test("an idle runner is stopped with its idle time as the reason; keepAlive is the shortest one", () => {
  const runners = [runner("new", "ready", { idleSince: 90 }), runner("old", "ready", { idleSince: 58 })];
  assert.deepEqual(decided({ runners }).stop, [
    { runner: "old", reason: "idle for 42 s; 2 ready, 0 wanted" },
    { runner: "new", reason: "idle for 10 s; 2 ready, 0 wanted" },
  ]);
  const kept = decided({ runners, settings: { keepAlive: 30 } }).stop.map((stop) => stop.runner);
  assert.deepEqual(kept, ["old"]);
});

test("buffers, minConcurrency and maxConcurrency are named where they change the target", () => {
  assert.match(decided({ settings: { minConcurrency: 2 } }).reason, /^2 wanted: .*; minConcurrency is 2$/);
  const demand = { ...WAITING, waiting: 4, overdue: 4, load: 4 };
  assert.match(
    decided({ demand, settings: { maxConcurrency: 3 } }).reason,
    /^3 wanted: .*; maxConcurrency is 3, 4 would be needed$/,
  );
  const buffered = decided({ demand, settings: { concurrencyBuffer: 1, concurrencyBufferPerc: 50 } });
  assert.equal(buffered.target, 6);
  assert.match(buffered.reason, /; 2 more by concurrencyBufferPerc of 50$/);
  assert.match(
    decided({ settings: { concurrencyBuffer: 1 } }).reason,
    /^1 wanted: .*; 1 more by concurrencyBuffer$/,
  );
});

test("a request starts no runner before scalingDelay, and the reason says so", () => {
  const early = decided({ demand: { ...WAITING, overdue: 0 }, settings: { scalingDelay: 5 } });
  assert.equal(early.start, 0);
  assert.match(early.reason, /^0 wanted: 1 request waits 0\.4 s, less than scalingDelay of 5 s/);
  assert.equal(decided({ demand: WAITING, settings: { scalingDelay: 0.3 } }).start, 1);
});

test("maxMultiplexing divides the load; a batching app's measured slots replace it where they are more", () => {
  const demand = { ...WAITING, waiting: 8, overdue: 8, load: 8 };
  assert.equal(decided({ demand, settings: { maxMultiplexing: 4 } }).start, 2);
  const settings = { ...DEFAULT_SETTINGS, maxConcurrency: 10 };
  assert.equal(
    decide({ now: 100, settings, measuredSlots: 8, runners: [], demand, history: HISTORY }).start,
    1,
  );
});

test("a request that waits longer than a start while none is under way starts one more runner", () => {
  const busy = [runner("a", "ready", { requests: 1 })];
  const demand = { ...WAITING, running: 1, load: 0, oldestWait: 5 };
  assert.equal(decided({ demand, runners: busy }).start, 1);
  assert.equal(decided({ demand: { ...demand, oldestWait: 3 }, runners: busy }).start, 0);
});

test("after a crash no runner starts for 30 s, then one at a time; each wave waits 30 s longer, up to 600 s", () => {
  const demand = { ...WAITING, waiting: 3, overdue: 3, load: 3 };
  const once = decided({ demand, history: crashed(HISTORY, 88) });
  assert.equal(once.start, 0);
  assert.match(once.reason, /; back-off after 1 crash: the next start is in 18 s$/);
  const over = decided({ demand, history: crashed(HISTORY, 69) });
  assert.equal(over.start, 1);
  assert.match(over.reason, /; back-off after 1 crash: one start at a time until a runner is ready$/);

  let history = HISTORY;
  const waits: number[] = [];
  for (let at = 1_000; at < 40_000; at += 1_000) {
    history = crashed(history, at);
    waits.push((history.crashes.until ?? 0) - at);
  }
  assert.deepEqual(waits.slice(0, 3), [30, 60, 90]);
  assert.equal(Math.max(...waits), 600);
  assert.equal(learn(history, { kind: "ready", at: 50_000, startedAt: 49_000 }).crashes.waves, 0);
});

test("runners of one wave that crash together are one crash; a crash after a minute of work and a lack of capacity are none", () => {
  const first = crashed(HISTORY, 100);
  const same = learn(first, { kind: "crashed", at: 101, startedAt: 99, readyAt: null });
  assert.equal(same.crashes.waves, 1);
  const worked = learn(HISTORY, { kind: "crashed", at: 100, startedAt: 0, readyAt: 4 });
  assert.equal(worked.crashes.waves, 0);
  assert.equal(learn(HISTORY, { kind: "no-capacity" }), HISTORY);
});

test("the documented rule counts requests, keeps idle runners for keepAlive, and never cancels a start", () => {
  const settings = { scaling: "documented" as const };
  const demand = { ...NOTHING, running: 2, waiting: 1, overdue: 1 };
  const decision = decided({ settings, demand });
  assert.equal(decision.reason, "3 wanted: 3 requests run or wait, 1 on a runner");
  const runners = [runner("a", "ready", { idleSince: 41 }), runner("b", "starting")];
  assert.deepEqual(decided({ settings, runners }).stop, []);
  assert.equal(decided({ settings: { ...settings, keepAlive: 59 }, runners }).stop.length, 1);
});
