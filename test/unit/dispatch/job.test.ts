import assert from "node:assert/strict";
import { test } from "node:test";
import { Job } from "../../../src/dispatch/job.ts";

test("the first answer counts: what comes later is told so, and frees nothing twice", async () => {
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

test("unless it says otherwise it costs 1, came now, has normal priority and all the time there is", () => {
  const { cost, arrivedAt, priority, bytes, lastStart } = new Job({ value: "a" }, 7);
  assert.deepEqual([cost, arrivedAt, priority, bytes, lastStart], [1, 7, "normal", 0, Infinity]);
});

test("the last moment to start is the sooner of its limits", () => {
  assert.equal(new Job({ value: "a", startBy: 5, finishBy: 9 }, 0).lastStart, 5);
  assert.equal(new Job({ value: "a", startBy: 15, finishBy: 9 }, 0).lastStart, 9);
});
