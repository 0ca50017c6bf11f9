import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { findSyntaxFault } from "../../src/server/bodies/json-syntax.ts";

/** Pieces of valid and of invalid JSON. */
const PIECES = [
  ..."{}[]:,\"\\-+.eE0129 \n\t\r\u0000u/tfnx'é😀\ud800",
  "true",
  "null",
  "\\u00e9",
  "\\ud83d",
  "1e5",
];

interface Edit {
  readonly at: number;
  readonly drop: number;
  readonly insert: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(200),
  drop: fc.nat(3),
  insert: fc.oneof(fc.constant(""), fc.constantFrom(...PIECES)),
});

function mutate(text: string, edits: readonly Edit[]): string {
  return edits.reduce((now, { at, drop, insert }) => {
    const offset = now.length === 0 ? 0 : at % (now.length + 1);
    return now.slice(0, offset) + insert + now.slice(offset + drop);
  }, text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function check(text: string): void {
  const fault = findSyntaxFault(text);
  assert.equal(fault === undefined, isJson(text), JSON.stringify(text));
  if (fault === undefined) return;
  assert.ok(Number.isInteger(fault.offset) && fault.offset >= 0 && fault.offset <= [...text].length);
}

test("a fault is found exactly when JSON.parse throws: mutated JSON", () => {
  fc.assert(
    fc.property(
      fc.json({ maxDepth: 4 }),
      fc.constantFrom(0, 1, 2),
      fc.array(edit, { maxLength: 4 }),
      (text, space, edits) =>
        check(mutate(space === 0 ? text : JSON.stringify(JSON.parse(text), null, space), edits)),
    ),
    { numRuns: 3000 },
  );
});

test("a fault is found exactly when JSON.parse throws: random pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }), (pieces) => check(pieces.join(""))),
    { numRuns: 5000 },
  );
});
