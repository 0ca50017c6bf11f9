import assert from "node:assert/strict";
import { test } from "node:test";
import { planBatch, type BatchPlan, type PlanConditions } from "../../../src/dispatch/batch-plan.ts";
import { Job, type JobRequest } from "../../../src/dispatch/job.ts";
import { ServiceModel } from "../../../src/dispatch/service-model.ts";
import { JobQueue } from "../../../src/dispatch/job-queue.ts";

/** Runs take 20 ms and 1 ms more for each unit of cost. */
const learned = new ServiceModel();
for (let run = 0; run < 200; run++) learned.learn(1 + (run % 60), 21 + (run % 60));

type QueuedJob = Partial<JobRequest<string>> & { readonly retried?: boolean };

/** Plans a batch for queued jobs a, b, c, … at time 0. */
function planFor(jobs: readonly QueuedJob[], conditions: Partial<PlanConditions> = {}): BatchPlan<string> {
  const queue = new JobQueue<string>();
  jobs.forEach(({ retried = false, ...request }, index) => {
    const job = new Job({ value: String.fromCharCode(97 + index), ...request }, 0);
    job.retried = retried;
    queue.add(job);
  });
  const limits = { maxSize: 8, maxCost: Infinity };
  const usual = { limits, model: learned, now: 0, answerMs: 0, costRate: 0, nextFreeAt: () => Infinity };
  return planBatch(queue, { ...usual, ...conditions });
}

/** The jobs that a plan takes, those it sheds, and its reason, as short text. */
const summary = ({ take, shed, reason }: BatchPlan<string>): string => {
  const names = (jobs: BatchPlan<string>["take"]): string => jobs.map(({ value }) => value).join("");
  return `${names(take)}/${names(shed)}/${reason}`;
};

const limits = { maxSize: 3, maxCost: 5 };

test("drained: the batch takes all queued jobs and their total cost", () => {
  const all = planFor([{}, { cost: 2 }, { cost: 0.5 }]);
  assert.equal(summary(all), "abc//drained");
  assert.equal(all.cost, 3.5);
});

test("size: the batch has at most maxSize jobs", () => {
  assert.equal(summary(planFor([{}, {}, {}, {}], { limits })), "abc//size");
});

test("cost: jobs are taken in order up to the budget; a job that fits does not overtake one that does not", () => {
  assert.equal(summary(planFor([{ cost: 3 }, { cost: 2 }, { cost: 1 }], { limits })), "ab//cost");
  assert.equal(summary(planFor([{ cost: 3 }, { cost: 3 }, { cost: 1 }], { limits })), "a//cost");
});

test("an item that costs more than the budget runs alone", () => {
  assert.equal(summary(planFor([{ cost: 9 }, { cost: 0 }], { limits })), "a//cost");
  assert.equal(summary(planFor([{ cost: 9 }], { limits })), "a//drained");
});

test("group: the batch takes the first job's group from the whole queue; other jobs keep their positions", () => {
  assert.equal(summary(planFor([{ group: "x" }, { group: "y" }, { group: "x" }, {}])), "ac//group");
  // Groups are compared by identity, like the keys of a Map.
  assert.equal(summary(planFor([{ group: 1 }, { group: "1" }])), "a//group");
});

test("low-priority jobs fill the space that normal jobs of the same group leave", () => {
  assert.equal(summary(planFor([{ priority: "low" }, {}, {}], { limits })), "bca//drained");
  assert.equal(summary(planFor([{ priority: "low" }, {}, {}, {}], { limits })), "bcd//size");
});

test("retry: a retried job runs first and alone", () => {
  assert.equal(summary(planFor([{}, { retried: true }, { retried: true }])), "b//retry");
});

test("deadline: the batch is small enough for its first deadline, if the next batch can still serve the other jobs in time", () => {
  assert.equal(summary(planFor([{ finishBy: 22.5 }, {}, {}, {}])), "ab//deadline");
  const left = { finishBy: 60 };
  assert.equal(summary(planFor([{ finishBy: 22.5 }, left, left, left])), "ab//deadline");
});

test("if run times vary, the batch leaves more time before a deadline", () => {
  const model = new ServiceModel();
  for (let run = 0; run < 400; run++) {
    const cost = 1 + (run % 60);
    model.learn(cost, (20 + cost) * (run % 3 === 0 ? 1.3 : 0.85));
  }
  const jobs = [{ finishBy: 28 }, {}, {}, {}, {}, {}];
  assert.equal(planFor(jobs).take.length, 6);
  const { take } = planFor(jobs, { model });
  assert.ok(take.length < 5, `${take.length} although runs scatter by ${model.scatter}`);
});

test("the time until answers are sent is included", () => {
  assert.equal(summary(planFor([{ finishBy: 23.5 }, {}, {}, {}], { answerMs: 1.2 })), "ab//deadline");
  assert.equal(summary(planFor([{ finishBy: 22 }], { answerMs: 1.2 })), "/a/drained");
});

test("if the next batch would be too late for the others, the jobs whose deadlines make the batch small are shed", () => {
  const left = { finishBy: 40 };
  assert.equal(summary(planFor([{ finishBy: 21.5 }, left, left, left])), "bcd/a/deadline");
});

test("another executor that is free soon can run the next batch", () => {
  const left = { finishBy: 40 };
  assert.equal(
    summary(planFor([{ finishBy: 21.5 }, left, left, left], { nextFreeAt: () => 2 })),
    "a//deadline",
  );
});

test("the plan includes the jobs that will have joined the next batch", () => {
  const left = { finishBy: 60 };
  const jobs = [{ finishBy: 21.5 }, left, left];
  assert.equal(summary(planFor(jobs)), "a//deadline");
  assert.equal(
    summary(planFor(jobs, { limits: { maxSize: 64, maxCost: Infinity }, costRate: 3 })),
    "bc/a/deadline",
  );
});

test("a job without a deadline is never shed for one with a deadline, nor overtaken by it", () => {
  assert.equal(summary(planFor([{ cost: 7 }, { finishBy: 26 }, { finishBy: 27 }, {}])), "a/bc/deadline");
});

test("jobs that could not meet their deadline even alone are shed, as are those past their start limit", () => {
  assert.equal(summary(planFor([{ finishBy: 20.5 }, {}])), "b/a/drained");
  assert.equal(summary(planFor([{ startBy: 0 }, { startBy: 1 }])), "b/a/drained");
  assert.equal(summary(planFor([{ finishBy: 20.5 }])), "/a/drained");
});

test("before the first run is measured, only deadlines that have already passed cause shedding", () => {
  const model = new ServiceModel();
  assert.equal(
    summary(planFor([{ finishBy: 0.1 }, { finishBy: 0.1 }, { finishBy: 0 }], { model })),
    "ab/c/drained",
  );
});

test("planning a batch does not change the queue", () => {
  const queue = new JobQueue<string>();
  for (const value of "abc") queue.add(new Job({ value }, 0));
  const conditions = { limits, model: learned, now: 0, answerMs: 0, costRate: 0, nextFreeAt: () => Infinity };
  planBatch(queue, conditions);
  assert.equal(queue.length, 3);
});
