import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { deriveAppName } from "../../src/servable/app-name.ts";

test("a derived name is always a valid app name, and derives to itself", () => {
  const identifier = fc.string({ unit: fc.constantFrom(..."abzABZ019_$éß漢"), maxLength: 20 });
  fc.assert(
    fc.property(fc.oneof(identifier, fc.string({ unit: "binary" })), (className) => {
      const name = deriveAppName(className);
      assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
      assert.equal(deriveAppName(name), name);
    }),
    { numRuns: 3000 },
  );
});
