import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrivalRate } from "../../../src/dispatch/arrival-rate.ts";

test("before the first arrival the rate is 0", () => {
  assert.equal(new ArrivalRate(500).at(100), 0);
});

test("the rate of a steady stream is accurate after a fraction of the memory time, and stays accurate", () => {
  const rate = new ArrivalRate(500);
  for (let now = 0; now <= 5_000; now++) {
    rate.count(now);
    if (now >= 100) assert.ok(Math.abs(rate.at(now) - 1) < 0.05, `${rate.at(now)} at ${now}`);
  }
});

test("a sudden burst does not give an infinite rate", () => {
  const rate = new ArrivalRate(500);
  for (let count = 0; count < 10; count++) rate.count(1_000);
  assert.ok(rate.at(1_000) < 1, String(rate.at(1_000)));
});

test("old arrivals are forgotten; newer ones weigh more", () => {
  const rate = new ArrivalRate(500);
  for (let now = 0; now < 2_000; now++) rate.count(now);
  assert.ok(rate.at(2_500) < 0.4);
  assert.ok(rate.at(10_000) < 1e-6);
  for (let now = 10_000; now < 12_000; now += 2) rate.count(now);
  assert.ok(Math.abs(rate.at(12_000) - 0.5) < 0.02);
});
