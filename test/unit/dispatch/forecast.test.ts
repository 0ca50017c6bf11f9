import assert from "node:assert/strict";
import { test } from "node:test";
import { forecast, type Forecast, type Outlook } from "../../../src/dispatch/forecast.ts";
import { ServiceModel } from "../../../src/dispatch/service-model.ts";

/** Runs take 20 ms and 1 ms more for each unit of cost. */
const model = new ServiceModel();
for (let run = 0; run < 200; run++) model.learn(1 + (run % 60), 21 + (run % 60));

const limits = { maxSize: 10, maxCost: Infinity };

/** At time 1,000, with executors that are free at these times. */
function predict(
  outlook: Partial<Outlook> & { freeTimes?: number[] },
  limitMs = Infinity,
  cost = 1,
): Pick<Forecast, "start" | "finish"> {
  const { freeTimes = [1_000], ...rest } = outlook;
  const usual: Outlook = {
    now: 1_000,
    executors: { capacity: freeTimes.length, freeAt: (index) => freeTimes[index] ?? Infinity },
    ahead: { count: 0, cost: 0 },
    firstFinishBy: Infinity,
    rate: 0,
    unitCost: 1,
  };
  const { start, finish } = forecast({ ...usual, ...rest }, cost, limits, model, limitMs);
  return { start: Math.round(start), finish: Math.round(finish) };
}

const ahead = (count: number): Outlook["ahead"] => ({ count, cost: count });

test("with an empty queue a call starts when an executor is free, and takes what it costs", () => {
  assert.deepEqual(predict({}), { start: 1_000, finish: 1_021 });
  assert.deepEqual(predict({ freeTimes: [1_040] }), { start: 1_040, finish: 1_061 });
  assert.deepEqual(predict({}, Infinity, 5), { start: 1_000, finish: 1_025 });
});

test("a call joins the batch of those ahead while there is room", () => {
  assert.deepEqual(predict({ ahead: ahead(9) }), { start: 1_000, finish: 1_030 });
  assert.deepEqual(predict({ ahead: ahead(10) }), { start: 1_030, finish: 1_051 });
  assert.deepEqual(predict({ ahead: ahead(25) }), { start: 1_060, finish: 1_086 });
});

test("if a deadline makes the next batch small, the call starts in a later batch", () => {
  assert.deepEqual(predict({ ahead: ahead(4), firstFinishBy: 1_023.1 }), { start: 1_023, finish: 1_045 });
});

test("with several executors, the forecast uses the one that will run the call", () => {
  const freeTimes = [1_005, 1_010, 1_020];
  assert.equal(predict({ freeTimes }).start, 1_005);
  assert.equal(predict({ freeTimes, ahead: ahead(10) }).start, 1_010);
  assert.equal(predict({ freeTimes, ahead: ahead(20) }).start, 1_020);
  assert.equal(predict({ freeTimes, ahead: ahead(30) }).start, 1_035);
});

test("with unlimited executors a call starts immediately", () => {
  const start = predict({ executors: { capacity: Infinity, freeAt: () => 1_000 }, ahead: ahead(500) }).start;
  assert.equal(start, 1_000);
});

test("without any executor a call is accepted, and its start is estimated as one second away", () => {
  assert.deepEqual(predict({ freeTimes: [] }, 50), { start: 2_000, finish: 1_000 });
});

test("under load the forecast includes the calls that will join the batch before it starts", () => {
  const alone = predict({ freeTimes: [1_020] }, 100);
  const crowded = predict({ freeTimes: [1_020], rate: 0.2 }, 100);
  assert.equal(alone.finish, 1_041);
  assert.equal(crowded.finish, 1_045);
  // Never more than a batch can hold.
  assert.equal(predict({ freeTimes: [1_020], rate: 100 }, 100).finish, 1_050);
});

test("without a time limit later calls are ignored: only the start time matters", () => {
  assert.equal(predict({ freeTimes: [1_020], rate: 0.2 }).finish, 1_041);
});
