import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { END_OF_RUN, OUT_OF_MEMORY } from "../../../../src/functions/runner/protocol.ts";
import { OutputLines } from "../../../../src/hosts/local/output-lines.ts";

/** The reported events, in order: lines as texts, ends of runs as numbers, memory as bigints. */
type Told = string | number | bigint;

/** Writes bytes in chunks that end at the given offsets. */
function tell(bytes: Buffer, ...ends: readonly number[]): Told[] {
  const told: Told[] = [];
  const lines = new OutputLines({
    onLine: (line) => told.push(line),
    onEndOfRun: (id) => told.push(id),
    onOutOfMemory: (count) => told.push(BigInt(count)),
  });
  let start = 0;
  for (const end of [...ends.filter((place) => place <= bytes.length).sort((a, b) => a - b), bytes.length]) {
    lines.write(bytes.subarray(start, end));
    start = end;
  }
  lines.end();
  return told;
}

const mark = (id: number): string => `${END_OF_RUN}${id}\n`;

describe("output is split", () => {
  const cases: [title: string, text: string, told: Told[]][] = [
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
  for (const [title, text, told] of cases) {
    test(title, () => assert.deepEqual(tell(Buffer.from(text)), told));
  }

  test("where a line gets too long, without losing any of it", () => {
    const long = "x".repeat(150_000);
    const lines = tell(Buffer.from(`${long}\n`), 50_000, 100_000);
    assert.deepEqual(lines, ["x".repeat(100_000), "x".repeat(50_000)]);
  });

  test("at the end-of-run mark behind an overlong line, even if the mark arrives in two chunks", () => {
    const text = `${"x".repeat(70_000)}${mark(12)}`;
    for (let cut = 70_000; cut < text.length; cut++) {
      const told = tell(Buffer.from(text), 10, cut);
      assert.equal(told.at(-1), 12, `cut at ${cut}`);
      assert.equal(told.slice(0, -1).join(""), "x".repeat(70_000));
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
        assert.deepEqual(tell(bytes, ...ends), tell(bytes));
        const everyByte = Array.from({ length: bytes.length }, (_, index) => index);
        assert.deepEqual(tell(bytes, ...everyByte), tell(bytes));
        const ids = pieces.filter((text) => text.startsWith(END_OF_RUN)).length;
        assert.equal(tell(bytes).filter((told) => typeof told === "number").length, ids);
      },
    ),
  );
});
