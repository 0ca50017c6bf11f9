import assert from "node:assert/strict";
import { test } from "node:test";
import { isoOfMicros, LineCounts, logLine, microsOf } from "../../../../src/platform/runners/log-line.ts";

test("times are parsed to the microsecond, in the given time zone, otherwise in UTC", () => {
  const noon = Date.UTC(2026, 0, 31, 12) * 1_000;
  const times: [string, number][] = [
    ["2026-01-31T12:00:00Z", 0],
    ["2026-01-31T12:00:00", 0],
    ["2026-01-31 12:00:00.5", 500_000],
    ["2026-01-31T12:00:00.123456789z", 123_456],
    ["2026-01-31T14:00:00.000001+02:00", 1],
    ["2026-01-31T07:30:00-0430", 0],
  ];
  for (const [text, micros] of times) assert.equal(microsOf(text), noon + micros, text);
  for (const text of ["", "now", "2026-01-31", "2026-13-31T12:00:00Z", 5, null]) {
    assert.equal(microsOf(text), undefined, String(text));
  }
  assert.equal(isoOfMicros(noon + 42), "2026-01-31T12:00:00.000042Z");
  assert.equal(isoOfMicros(-1), "1969-12-31T23:59:59.999999Z");
});

test("a log line always has a time, a level and a message; values without a message are skipped", () => {
  const parsed = logLine({ timestamp: "2026-01-31T12:00:00.9996Z", level: "warning", message: "a\nb\r\n" });
  const expected = { timestamp: new Date("2026-01-31T12:00:00.999Z"), level: "WARNING", message: "a\nb" };
  assert.deepEqual(parsed?.log, expected);
  const before = Date.now();
  const bare = logLine({ timestamp: "yesterday", message: { a: 1 } });
  assert.deepEqual([bare?.log.level, bare?.log.message], ["INFO", '{"a":1}']);
  assert.ok((bare?.log.timestamp.getTime() ?? 0) >= before);
  for (const value of [null, "text", 1, [], {}]) assert.equal(logLine(value), undefined);
});

test("lines are counted by time, level and message", () => {
  const line = (message: string) => logLine({ timestamp: "2026-01-31T12:00:00Z", message });
  const [a, b] = [line("a"), line("b")];
  assert.ok(a !== undefined && b !== undefined);
  const counts = new LineCounts([a, a]);
  assert.deepEqual(
    [counts.take(b), counts.take(a), counts.take(a), counts.take(a)],
    [false, true, true, false],
  );
});
