import assert from "node:assert/strict";
import { test } from "node:test";
import { Job } from "../../../src/dispatch/job.ts";

test("only the first answer is used: later ones return false and release nothing twice", async () => {
  const job = new Job({ value: "a" }, 0);
  let freed = 0;
  job.onSettled(() => freed++);
  assert.equal(job.settled, false);
  assert.equal(job.reject(new Error("first")), true);
  assert.equal(job.settled, true);
  assert.equal(job.resolve("second"), false);
  assert.equal(job.reject(new Error("third")), false);
  assert.equal(freed, 1);
  await assert.rejects(job.answer, { message: "first" });
});

test("by default a job costs 1, arrives now, has normal priority and no time limit", () => {
  const { cost, arrivedAt, priority, bytes, lastStart } = new Job({ value: "a" }, 7);
  assert.deepEqual([cost, arrivedAt, priority, bytes, lastStart], [1, 7, "normal", 0, Infinity]);
});

test("the latest start is the earlier of the two limits", () => {
  assert.equal(new Job({ value: "a", startBy: 5, finishBy: 9 }, 0).lastStart, 5);
  assert.equal(new Job({ value: "a", startBy: 15, finishBy: 9 }, 0).lastStart, 9);
});
