import assert from "node:assert/strict";
import { test } from "node:test";
import { agoText } from "../../../src/cli/amount-texts.ts";
import { bytesText } from "../../../src/output/byte-amount.ts";
import { timeSpan } from "../../../src/cli/option-values.ts";

test("a duration is a number with a unit", () => {
  assert.deepEqual(
    ["90m", "12h", "1.5d", "4w"].map(timeSpan),
    [5_400_000, 43_200_000, 129_600_000, 2_419_200_000],
  );
  for (const text of ["", "30", "d", "-1d", "1y", "1 d"])
    assert.throws(() => timeSpan(text), /number with m, h, d or w/);
});

test("a past time is shown in its largest unit", () => {
  const now = new Date(10 * 7 * 86_400_000);
  const before = (ms: number): string => agoText(new Date(now.getTime() - ms), now);
  assert.deepEqual([0, 59_999, 60_000, 3_600_000, 2 * 86_400_000, 6 * 7 * 86_400_000].map(before), [
    "just now",
    "just now",
    "1 minute ago",
    "1 hour ago",
    "2 days ago",
    "6 weeks ago",
  ]);
});

test("bytes are shown in the largest unit in which the number is at least one", () => {
  assert.deepEqual([0, 1, 999, 1000, 12_345, 288_000_000, 1.5e12].map(bytesText), [
    "0 B",
    "1 B",
    "999 B",
    "1.0 kB",
    "12.3 kB",
    "288 MB",
    "1.5 TB",
  ]);
});
