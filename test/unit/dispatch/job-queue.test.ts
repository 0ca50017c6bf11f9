import assert from "node:assert/strict";
import { test } from "node:test";
import { Job, type JobRequest } from "../../../src/dispatch/job.ts";
import { JobQueue } from "../../../src/dispatch/job-queue.ts";

const job = (value: string, request: Partial<JobRequest<string>> = {}): Job<string> =>
  new Job({ value, ...request }, 0);
const order = (line: JobQueue<string>): string => [...line].map(({ value }) => value).join("");

test("jobs are served first come, first served: retried jobs first, low priority last", () => {
  const line = new JobQueue<string>();
  const again = job("z", { priority: "low" });
  again.retried = true;
  for (const each of [
    job("a"),
    job("x", { priority: "low" }),
    job("b"),
    again,
    job("y", { priority: "low" }),
  ]) {
    line.add(each);
  }
  assert.equal(order(line), "zabxy");
  assert.equal(line.first, again);
  assert.equal(line.length, 5);
});

test("a job removed from the middle takes its cost and bytes with it; a job that is not queued cannot be removed", () => {
  const line = new JobQueue<string>();
  const middle = job("b", { cost: 3, bytes: 10 });
  line.add(job("a", { cost: 1, bytes: 5 }));
  line.add(middle);
  line.add(job("c", { cost: 2, bytes: 1, priority: "low" }));
  assert.equal(line.bytes, 16);
  assert.deepEqual(line.ahead({ priority: "low" }), { count: 3, cost: 6 });
  assert.deepEqual(line.ahead({ priority: "normal" }), { count: 2, cost: 4 });
  assert.equal(line.remove(middle), true);
  assert.equal(line.remove(middle), false);
  assert.equal(line.bytes, 6);
  assert.deepEqual(line.ahead({ priority: "low" }), { count: 2, cost: 3 });
  assert.deepEqual(line.ahead({ priority: "normal" }), { count: 1, cost: 1 });
  assert.equal(order(line), "ac");
});

test("a retried job of low priority goes before normal jobs, and is counted ahead of them", () => {
  const line = new JobQueue<string>();
  const again = job("z", { priority: "low", cost: 4 });
  again.retried = true;
  line.add(again);
  assert.deepEqual(line.ahead({ priority: "normal" }), { count: 1, cost: 4 });
});

test("the oldest arrival covers all priorities; an empty queue has neither an oldest arrival nor a cost", () => {
  const line = new JobQueue<string>();
  assert.equal(line.oldestArrival, undefined);
  const jobs = [
    job("a", { arrivedAt: 5, cost: 0.1 }),
    job("b", { arrivedAt: 3, cost: 0.2, priority: "low" }),
  ];
  for (const each of jobs) line.add(each);
  assert.equal(line.oldestArrival, 3);
  for (const each of jobs) line.remove(each);
  assert.equal(line.oldestArrival, undefined);
  assert.deepEqual(line.ahead({ priority: "low" }), { count: 0, cost: 0 });
});

test("among retried jobs the oldest arrival is used, in whatever order they failed", () => {
  const line = new JobQueue<string>();
  for (const arrivedAt of [5, 3]) {
    const again = job("a", { arrivedAt });
    again.retried = true;
    line.add(again);
  }
  assert.equal(line.oldestArrival, 3);
});

test("jobs may be removed while iterating over the queue", () => {
  const line = new JobQueue<string>();
  for (const value of "abcd") line.add(job(value));
  const seen: string[] = [];
  for (const each of line) {
    seen.push(each.value);
    line.remove(each);
  }
  assert.deepEqual(seen, ["a", "b", "c", "d"]);
  assert.equal(line.length, 0);
});
