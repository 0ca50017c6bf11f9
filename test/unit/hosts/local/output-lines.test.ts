import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { END_OF_RUN, OUT_OF_MEMORY } from "../../../../src/functions/runner/protocol.ts";
import { OutputLines } from "../../../../src/hosts/local/output-lines.ts";

/** The reported events, in order: lines as texts, ends of runs as numbers, memory as bigints. */
type OutputEvent = string | number | bigint;

/** Writes bytes in chunks that end at the given offsets. */
function eventsOf(bytes: Buffer, ...ends: readonly number[]): OutputEvent[] {
  const events: OutputEvent[] = [];
  const lines = new OutputLines({
    onLine: (line) => events.push(line),
    onEndOfRun: (id) => events.push(id),
    onOutOfMemory: (count) => events.push(BigInt(count)),
  });
  let start = 0;
  for (const end of [
    ...ends.filter((offset) => offset <= bytes.length).sort((a, b) => a - b),
    bytes.length,
  ]) {
    lines.write(bytes.subarray(start, end));
    start = end;
  }
  lines.end();
  return events;
}

const mark = (id: number): string => `${END_OF_RUN}${id}\n`;

describe("output is split", () => {
  const cases: [title: string, text: string, expected: OutputEvent[]][] = [
    ["into lines, with either end", "a\nb\r\nc\rd\n", ["a", "b", "c\rd"]],
    ["into lines of which some are empty", "\n\na\n\n", ["", "", "a", ""]],
    ["with what is left at the end as a line of its own", "a\nb", ["a", "b"]],
    ["into nothing where there is nothing", "", []],
    ["at the end of a run, which is no line", `a\n${mark(7)}b\n`, ["a", 7, "b"]],
    ["at the end of a run that ended within a line", `a${mark(7)}`, ["a", 7]],
    ["at the ends of two runs", `${mark(7)}${mark(8)}`, [7, 8]],
    ["at a process's last words of its memory", `a\n${OUT_OF_MEMORY}123456\n`, ["a", 123_456n]],
    ["at no mark that is none", "\u0000servable:other:1\n", ["\u0000servable:other:1"]],
    ["at no mark without a number", `${END_OF_RUN}x\n${END_OF_RUN}\n`, [`${END_OF_RUN}x`, END_OF_RUN]],
    ["at the mark behind what looks like one", `\u0000servable:${mark(3)}`, ["\u0000servable:", 3]],
  ];
  for (const [title, text, expected] of cases) {
    test(title, () => assert.deepEqual(eventsOf(Buffer.from(text)), expected));
  }

  test("where a line gets too long, without losing any of it", () => {
    const long = "x".repeat(150_000);
    const lines = eventsOf(Buffer.from(`${long}\n`), 50_000, 100_000);
    assert.deepEqual(lines, ["x".repeat(100_000), "x".repeat(50_000)]);
  });

  test("at the end-of-run mark behind an overlong line, even if the mark arrives in two chunks", () => {
    const text = `${"x".repeat(70_000)}${mark(12)}`;
    for (let offset = 70_000; offset < text.length; offset++) {
      const events = eventsOf(Buffer.from(text), 10, offset);
      assert.equal(events.at(-1), 12, `split at ${offset}`);
      assert.equal(events.slice(0, -1).join(""), "x".repeat(70_000));
    }
  });
});

test("the reported events do not depend on how the bytes are divided into chunks", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }).map((text) => text.replaceAll(/[\n\r\u0000]/g, "")),
    fc.constantFrom("\n", "\r\n", "😀", "é", "\ufeff", "\u0000"),
    fc.nat({ max: 999 }).map(mark),
    fc.nat({ max: 999 }).map((bytes) => `${OUT_OF_MEMORY}${bytes}\n`),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 40 }),
      (pieces, ends) => {
        const bytes = Buffer.from(pieces.join(""));
        assert.deepEqual(eventsOf(bytes, ...ends), eventsOf(bytes));
        const everyByte = Array.from({ length: bytes.length }, (_, index) => index);
        assert.deepEqual(eventsOf(bytes, ...everyByte), eventsOf(bytes));
        const ids = pieces.filter((text) => text.startsWith(END_OF_RUN)).length;
        assert.equal(eventsOf(bytes).filter((event) => typeof event === "number").length, ids);
      },
    ),
  );
});
