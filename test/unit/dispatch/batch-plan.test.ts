import assert from "node:assert/strict";
import { test } from "node:test";
import { planBatch, type BatchPlan, type PlanConditions } from "../../../src/dispatch/batch-plan.ts";
import { Job, type JobRequest } from "../../../src/dispatch/job.ts";
import { ServiceModel } from "../../../src/dispatch/service-model.ts";
import { JobQueue } from "../../../src/dispatch/job-queue.ts";

/** Runs take 20 ms and 1 more for each unit. */
const learned = new ServiceModel();
for (let run = 0; run < 200; run++) learned.learn(1 + (run % 60), 21 + (run % 60));

type Plan = Partial<JobRequest<string>> & { readonly retried?: boolean };

/** Cuts a line of jobs a, b, c, …, at 0 on the clock. */
function cut(plans: readonly Plan[], conditions: Partial<PlanConditions> = {}): BatchPlan<string> {
  const line = new JobQueue<string>();
  plans.forEach(({ retried = false, ...plan }, index) => {
    const job = new Job({ value: String.fromCharCode(97 + index), ...plan }, 0);
    job.retried = retried;
    line.add(job);
  });
  const limits = { maxSize: 8, maxCost: Infinity };
  const usual = { limits, model: learned, now: 0, answerMs: 0, costRate: 0, nextFreeAt: () => Infinity };
  return planBatch(line, { ...usual, ...conditions });
}

/** What a cut takes, sheds and says, in short. */
const told = ({ take, shed, reason }: BatchPlan<string>): string => {
  const names = (jobs: BatchPlan<string>["take"]): string => jobs.map(({ value }) => value).join("");
  return `${names(take)}/${names(shed)}/${reason}`;
};

const limits = { maxSize: 3, maxCost: 5 };

test("drained: all that wait, and their cost", () => {
  const all = cut([{}, { cost: 2 }, { cost: 0.5 }]);
  assert.equal(told(all), "abc//drained");
  assert.equal(all.cost, 3.5);
});

test("size: no more than maxSize", () => {
  assert.equal(told(cut([{}, {}, {}, {}], { limits })), "abc//size");
});

test("cost: up to the budget, in order: what would fit does not pass what does not", () => {
  assert.equal(told(cut([{ cost: 3 }, { cost: 2 }, { cost: 1 }], { limits })), "ab//cost");
  assert.equal(told(cut([{ cost: 3 }, { cost: 3 }, { cost: 1 }], { limits })), "a//cost");
});

test("an item that costs more than the budget goes by itself", () => {
  assert.equal(told(cut([{ cost: 9 }, { cost: 0 }], { limits })), "a//cost");
  assert.equal(told(cut([{ cost: 9 }], { limits })), "a//drained");
});

test("group: that of the first, wherever in the line; the others keep their places", () => {
  assert.equal(told(cut([{ group: "x" }, { group: "y" }, { group: "x" }, {}])), "ac//group");
  // Groups are told apart by identity, as keys of a Map would be.
  assert.equal(told(cut([{ group: 1 }, { group: "1" }])), "a//group");
});

test("low priority fills what room normal work of the same group leaves", () => {
  assert.equal(told(cut([{ priority: "low" }, {}, {}], { limits })), "bca//drained");
  assert.equal(told(cut([{ priority: "low" }, {}, {}, {}], { limits })), "bcd//size");
});

test("retry: a second chance is alone and first", () => {
  assert.equal(told(cut([{}, { retried: true }, { retried: true }])), "b//retry");
});

test("deadline: no larger than lets the first deadline be kept, if the next batch can keep those left", () => {
  assert.equal(told(cut([{ finishBy: 22.5 }, {}, {}, {}])), "ab//deadline");
  const left = { finishBy: 60 };
  assert.equal(told(cut([{ finishBy: 22.5 }, left, left, left])), "ab//deadline");
});

test("runs that scatter leave more room before a deadline", () => {
  const model = new ServiceModel();
  for (let run = 0; run < 400; run++) {
    const cost = 1 + (run % 60);
    model.learn(cost, (20 + cost) * (run % 3 === 0 ? 1.3 : 0.85));
  }
  const plans = [{ finishBy: 28 }, {}, {}, {}, {}, {}];
  assert.equal(cut(plans).take.length, 6);
  const { take } = cut(plans, { model });
  assert.ok(take.length < 5, `${take.length} although runs scatter by ${model.scatter}`);
});

test("the time until answers are out counts as well", () => {
  assert.equal(told(cut([{ finishBy: 23.5 }, {}, {}, {}], { answerMs: 1.2 })), "ab//deadline");
  assert.equal(told(cut([{ finishBy: 22 }], { answerMs: 1.2 })), "/a/drained");
});

test("if the next batch could not keep them, those are let down whose deadlines make the batch small", () => {
  const left = { finishBy: 40 };
  assert.equal(told(cut([{ finishBy: 21.5 }, left, left, left])), "bcd/a/deadline");
});

test("another executor that is free soon is a next batch", () => {
  const left = { finishBy: 40 };
  assert.equal(told(cut([{ finishBy: 21.5 }, left, left, left], { nextFreeAt: () => 2 })), "a//deadline");
});

test("the next batch is reckoned with what will have joined it", () => {
  const left = { finishBy: 60 };
  const plans = [{ finishBy: 21.5 }, left, left];
  assert.equal(told(cut(plans)), "a//deadline");
  assert.equal(
    told(cut(plans, { limits: { maxSize: 64, maxCost: Infinity }, costRate: 3 })),
    "bc/a/deadline",
  );
});

test("who has no deadline is never shed for one who has, nor overtaken by one", () => {
  assert.equal(told(cut([{ cost: 7 }, { finishBy: 26 }, { finishBy: 27 }, {}])), "a/bc/deadline");
});

test("what could not even be answered alone is shed, as is what is past its time to start", () => {
  assert.equal(told(cut([{ finishBy: 20.5 }, {}])), "b/a/drained");
  assert.equal(told(cut([{ startBy: 0 }, { startBy: 1 }])), "b/a/drained");
  assert.equal(told(cut([{ finishBy: 20.5 }])), "/a/drained");
});

test("while nothing is known of runs, deadlines stop nobody but those that have passed", () => {
  const model = new ServiceModel();
  assert.equal(told(cut([{ finishBy: 0.1 }, { finishBy: 0.1 }, { finishBy: 0 }], { model })), "ab/c/drained");
});

test("a cut changes nothing in the line", () => {
  const line = new JobQueue<string>();
  for (const value of "abc") line.add(new Job({ value }, 0));
  const conditions = { limits, model: learned, now: 0, answerMs: 0, costRate: 0, nextFreeAt: () => Infinity };
  planBatch(line, conditions);
  assert.equal(line.length, 3);
});
