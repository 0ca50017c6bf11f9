import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { InputValidationError, OutputValidationError } from "../../src/errors.ts";
import { createSerializer } from "../../src/server/http/serializer.ts";
import { composedSchemas, composedValues } from "../helpers/composed-schemas.ts";
import { compileInput } from "../helpers/issues.ts";
import { knownPart, type Fits } from "../helpers/known-fields.ts";

const RUNS = { numRuns: 150, includeErrorInReport: true };

const fits: Fits = (schema, value) => compileInput(schema).fits(value);

test("inputs and outputs keep exactly the fields that an applicable schema knows, with defaults filled in", () => {
  let fitting = 0;
  let dropping = 0;
  fc.assert(
    fc.property(composedSchemas, composedValues, (schema, value) => {
      const compiled = compileInput(schema);
      if (!compiled.fits(value)) return;
      fitting++;
      const expected = knownPart(schema, value, fits);
      if (JSON.stringify(expected) !== JSON.stringify(value)) dropping++;
      const serialize = createSerializer(compiled, "run");
      if (compiled.fits(expected)) {
        assert.deepEqual(JSON.parse(serialize(value)), expected, "what goes out");
        assert.deepEqual(compiled.accept(structuredClone(value)), expected, "what comes in");
      } else {
        // One schema's default may be invalid for another schema.
        assert.throws(() => serialize(value), OutputValidationError);
        assert.throws(() => compiled.accept(structuredClone(value)), InputValidationError);
      }
    }),
    RUNS,
  );
  assert.ok(fitting > RUNS.numRuns / 2, `only ${fitting} values fit: little was tried`);
  assert.ok(dropping > fitting / 2, `only ${dropping} values had something to drop or to fill in`);
});
