import assert from "node:assert/strict";
import { test } from "node:test";
import { lineChoice, moment } from "../../../src/cli/option-values.ts";

test("a point in time is a duration before now, or a timestamp", () => {
  for (const [text, ms] of [
    ["now", 0],
    ["90s", 90_000],
    ["1.5s", 1_500],
    ["15m", 900_000],
    ["1d", 86_400_000],
  ] as const) {
    const time = moment(text).getTime();
    const passed = Date.now() - time;
    assert.ok(passed >= ms && passed < ms + 1_000, `${text}: ${passed}`);
  }
  assert.equal(moment("2026-01-31T12:00Z").getTime(), Date.UTC(2026, 0, 31, 12));
  for (const text of ["", "s", "-1s", "90", "2026-13-01", "soon"])
    assert.throws(() => moment(text), /span such as/);
});

test("a line count selects the newest lines, or with a plus the oldest ones", () => {
  assert.deepEqual(["20", "+20", "0"].map(lineChoice), [
    { lines: 20, oldest: false },
    { lines: 20, oldest: true },
    { lines: 0, oldest: false },
  ]);
  for (const text of ["", "+", "-1", "1.5", "all"]) assert.throws(() => lineChoice(text), /whole number/);
});
