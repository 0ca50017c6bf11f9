import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { countValues, scanJson, TOO_DEEP, TOO_MANY } from "../../src/json/scan.ts";

const ALL = { maxDepth: Infinity, maxValues: Infinity };
const scan = (text: string, limits: { maxDepth?: number; maxValues?: number } = {}): number =>
  scanJson(Buffer.from(text), { ...ALL, ...limits });

/** The same numbers, taken from the parsed value. */
function measure(value: unknown): { values: number; depth: number } {
  if (typeof value !== "object" || value === null) return { values: 1, depth: 0 };
  const children = (Array.isArray(value) ? value : Object.values(value)).map(measure);
  const keys = Array.isArray(value) ? 0 : children.length;
  return {
    values: 1 + keys + children.reduce((sum, child) => sum + child.values, 0),
    depth: 1 + Math.max(0, ...children.map(({ depth }) => depth)),
  };
}

/** Strings that contain characters of JSON's structure. */
const tricky = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom('"', "\\", "[", "]", "{", "}", ",", ":", " ", "é", "😀", "x") }),
  fc.nat(200).map((length) => `${"x".repeat(length)}\\"[`),
  fc.nat(100).map((length) => "\\".repeat(length)),
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 8 },
    tricky,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(tricky, tie("value"), { maxKeys: 6 }),
  ),
})).value;

test("a scan counts exactly the values that parsing creates, with any strings and whitespace", () => {
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 1, "\t", " \n"), (value, space) => {
      const text = JSON.stringify(value, undefined, space);
      const { values, depth } = measure(JSON.parse(text));
      assert.equal(scan(text), values);
      assert.equal(scan(text, { maxValues: values, maxDepth: depth }), values);
      assert.equal(scan(text, { maxValues: values - 1 }), TOO_MANY);
      if (depth > 0) assert.equal(scan(text, { maxDepth: depth - 1 }), TOO_DEEP);
    }),
    { numRuns: 2_000 },
  );
});

test("JSON that passes a scan is within the limits; a scan accepts any bytes", () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc
      .string({ unit: fc.constantFrom(...'[]{},:"\\ 1atrue'.split("")), maxLength: 300 })
      .map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(
      noise,
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 30 }),
      (bytes, maxDepth, maxValues) => {
        const found = scanJson(bytes, { maxDepth, maxValues });
        assert.ok(found >= TOO_MANY && found <= maxValues, String(found));
        let value: unknown;
        try {
          value = JSON.parse(Buffer.from(bytes).toString());
        } catch {
          return;
        }
        const { values, depth } = measure(value);
        // Of equal keys only the last one is kept, but the scan counts each.
        if (found > 0) assert.ok(values <= maxValues && depth <= maxDepth);
      },
    ),
    { numRuns: 5_000 },
  );
});

test("counting a parsed value gives what a scan of its text gives", () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify(value);
      const parsed: unknown = JSON.parse(text);
      const { depth } = measure(parsed);
      assert.equal(countValues(parsed, depth), scan(text));
      if (depth > 0) assert.equal(countValues(parsed, depth - 1), TOO_DEEP);
    }),
    { numRuns: 2_000 },
  );
});
