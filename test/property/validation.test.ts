import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv, type ValidateFunction } from "ajv";
import * as fc from "fast-check";
import { InputValidationError, type ValidationIssue } from "../../src/errors.ts";
import { isSchemaNode, mapSubschemas, type SchemaNode } from "../../src/routes/schema-walk.ts";
import { Validator, type CompiledSchema } from "../../src/server/validation/validator.ts";
import { anySchema, anyValue, valueFor } from "../helpers/arbitraries.ts";

const ajv = new Ajv({ strict: false, logger: false });
const validator = new Validator();
const compileInput = (schema: object): CompiledSchema => validator.compile(schema, "the input of run()");

/** Our rule, expressed for an independent validator: a field with a default may be missing. */
function relaxed(node: SchemaNode): SchemaNode {
  const copy = mapSubschemas(node, relaxed);
  const { properties, required } = node;
  if (!Array.isArray(required) || !isSchemaNode(properties)) return copy;
  const hasDefault = (key: string): boolean => "default" in (properties[key] as object);
  return { ...copy, required: required.filter((key: string) => !hasDefault(key)) };
}

const plainly = (schema: object): ValidateFunction => ajv.compile(relaxed({ ...schema }));

/** A schema, and a value generated for it or independently of any schema. */
const cases = anySchema.chain((schema) =>
  fc.tuple(fc.constant(schema), fc.oneof(valueFor(schema), anyValue)),
);

/** Whether the issue's path is in the value, or is a missing key of an object in it. Branch names are not in the value. */
function leadsSomewhere(value: unknown, { loc, type }: ValidationIssue): boolean {
  let node = value;
  const keys = loc.slice(1);
  for (const [index, key] of keys.entries()) {
    if (typeof node === "object" && node !== null && Object.hasOwn(node, key)) {
      node = (node as Record<string | number, unknown>)[key];
    } else if (type === "missing" && index === keys.length - 1) {
      return typeof node === "object" && node !== null;
    } else if (typeof key === "number" || !BRANCH.test(key)) return false;
  }
  return true;
}

const BRANCH = /^(?:int|float|str|bool|dict|any|list|list\[.*\]|literal\[.*\])$/;

const RUNS = { numRuns: 500 };

test("a value that an independent validator accepts is accepted, also twice; any other is refused with path and reason", () => {
  let accepted = 0;
  fc.assert(
    fc.property(cases, ([schema, value]) => {
      if (value === undefined) return;
      const compiled = compileInput(schema);
      const fits = plainly(schema);
      const expected = fits(value);
      const before = structuredClone(value);
      try {
        const once = compiled.accept(value);
        accepted++;
        assert.ok(expected);
        assert.ok(fits(once), "filled and stripped, it still fits");
        const first = structuredClone(once);
        assert.deepEqual(compiled.accept(once), first, "accepting it again changes nothing");
      } catch (error) {
        if (!(error instanceof InputValidationError)) throw error;
        assert.ok(!expected, "a plain validator accepts it");
        assert.deepEqual(value, before, "a refused value is left alone");
        assert.ok(error.issues.length > 0);
        for (const issue of error.issues) {
          assert.ok(leadsSomewhere(value, issue), JSON.stringify(issue));
          assert.notEqual(issue.msg, "Value does not fit the schema");
        }
        JSON.stringify(error.issues);
      }
    }),
    RUNS,
  );
  assert.ok(accepted > RUNS.numRuns / 5, `only ${accepted} values were accepted: nothing was tried`);
});
