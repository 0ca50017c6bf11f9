import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import * as fc from "fast-check";
import { Check } from "typebox/schema";
import { MAX_ANSWER_BYTES } from "../../src/answers.ts";
import { DefinitionError } from "../../src/errors.ts";
import type { SchemaNode } from "../../src/routes/schema-walk.ts";
import { canonicalSchema } from "../../src/server/validation/canonical.ts";
import { Checker } from "../../src/server/validation/checker.ts";
import { Discriminators } from "../../src/server/validation/discriminators.ts";
import { IssueFinder } from "../../src/server/validation/issue-finder.ts";
import { Validator, type CompiledSchema } from "../../src/server/validation/validator.ts";
import { BASE_STEPS, STEPS_PER_SIZE, WorkBudget, sizeOf } from "../../src/server/validation/work-budget.ts";
import { anyJson, anyJsonSchema } from "../helpers/json-schemas.ts";

const RUNS = { numRuns: 400 };

/**
 * Two independent validators, given the schema as it was written. Each has bugs of its own, Ajv with `unevaluated…`
 * keywords and with `contains`; the result is undefined where they disagree.
 */
function plainly(schema: SchemaNode): (value: unknown) => boolean | undefined {
  const ajv = new Ajv2020({ strict: false, strictNumbers: true, logger: false, validateSchema: false });
  addFormats.default(ajv);
  ajv.opts.unevaluated = JSON.stringify(schema).includes('"unevaluated');
  let fits: (value: unknown) => boolean;
  try {
    fits = ajv.compile(schema);
  } catch (error) {
    if (error instanceof ReferenceError) return () => undefined;
    throw error;
  }
  return (value) => {
    const expected = fits(value);
    return Check(schema, value) === expected ? expected : undefined;
  };
}

/** The compiled schema; undefined if no validator can evaluate it: a reference cycle that never descends into the value. */
function compiled(schema: SchemaNode): CompiledSchema | undefined {
  try {
    return new Validator().compile(schema, "the input of run()");
  } catch (error) {
    assert.ok(error instanceof DefinitionError, String(error));
    assert.match(error.message, /is above|leads back to itself/);
    return undefined;
  }
}

function checkerOf(schema: SchemaNode): { fits: (value: unknown) => boolean; issueFinder: IssueFinder } {
  const canonical = canonicalSchema(schema);
  const discriminators = new Discriminators(canonical.definitions);
  const checker = new Checker(canonical.definitions, discriminators);
  return {
    fits: (value) => checker.fits(canonical.root, value, WorkBudget.unlimited()),
    issueFinder: new IssueFinder(canonical, checker, discriminators),
  };
}

test("every keyword has its 2020-12 meaning, for the check and for the issues it reports", () => {
  let tried = 0;
  let fitting = 0;
  fc.assert(
    fc.property(anyJsonSchema, fc.array(anyJson, { minLength: 6, maxLength: 6 }), (schema, values) => {
      const ours = compiled(schema);
      if (ours === undefined) return;
      const plain = plainly(schema);
      const checker = checkerOf(schema);
      for (const value of values) {
        const expected = plain(value);
        if (expected === undefined) continue;
        tried++;
        if (expected) fitting++;
        assert.equal(ours.fits(value), expected, "the judge");
        assert.equal(checker.fits(value), expected, "the checker");
        if (expected) continue;
        const issues = checker.issueFinder.find(value, ["body"]);
        assert.notEqual(issues[0]?.msg, "Value does not fit the schema", "a reason is found");
      }
    }),
    RUNS,
  );
  assert.ok(tried > RUNS.numRuns * 4, `only ${tried} values were tried`);
  assert.ok(fitting > RUNS.numRuns, `only ${fitting} of them fit`);
});

/** Bodies designed to give large error responses or repeated checks of the same value. */
const hostile: fc.Arbitrary<unknown> = fc.oneof(
  anyJson,
  fc.tuple(anyJson, fc.integer({ min: 1, max: 400 })).map(([inner, depth]) => {
    let value = inner;
    for (let level = 0; level < depth; level++) value = level % 7 === 0 ? [value] : { a: value };
    return value;
  }),
  fc
    .tuple(anyJson, fc.integer({ min: 1, max: 3000 }))
    .map(([item, count]) => Array.from({ length: count }, () => item)),
  fc
    .tuple(anyJson, fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2000 }))
    .map(([item, count, length]) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, index) => [
          `${"k\u0001é"[index % 3]}`.repeat(length) + index,
          item,
        ]),
      ),
    ),
  fc
    .integer({ min: 1, max: 100_000 })
    .map((length) => ({ a: "\u0001".repeat(length), b: { a: "x".repeat(length) } })),
);

test("a refusal has at most 64 KiB, and its steps are proportional to the body", () => {
  let refused = 0;
  fc.assert(
    fc.property(anyJsonSchema, hostile, (schema, value) => {
      if (compiled(schema) === undefined) return;
      const { fits, issueFinder } = checkerOf(schema);
      if (fits(value)) return;
      refused++;
      const work = WorkBudget.proportionalTo(value);
      assert.equal(work.limit, BASE_STEPS + STEPS_PER_SIZE * sizeOf(value));
      const issues = issueFinder.find(value, ["body"], work);
      assert.ok(issues.length > 0);
      assert.ok(Buffer.byteLength(JSON.stringify({ detail: issues })) <= MAX_ANSWER_BYTES);
      // A string or list is compared in one step of its size, which may exceed the limit by that size.
      assert.ok(work.steps <= work.limit + sizeOf(value) + 1, `${work.steps} of ${work.limit} steps`);
    }),
    { numRuns: 300 },
  );
  assert.ok(refused > 30, `only ${refused} were refused`);
});
