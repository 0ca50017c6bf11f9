import assert from "node:assert/strict";
import { test } from "node:test";
import { DefinitionError } from "../../../src/errors.ts";
import { resolveInputLimits } from "../../../src/routes/input-limits.ts";
import { resolveServerOptions } from "../../../src/server/definition.ts";
import { thrownBy } from "../../helpers/thrown.ts";

test("invalid limits of routes and servers are rejected by name", () => {
  const wrong: readonly [name: string, values: readonly unknown[]][] = [
    ["maxDepth", [0, -1, 1.5, 513, Infinity, NaN, "5", null]],
    ["maxValues", [0, -1, 1.5, NaN, "5", null]],
    ["bodyLimitBytes", [0, -1, NaN, Infinity, "5"]],
    ["maxFrameBytes", [0, -1, NaN, Infinity, "5"]],
    ["maxBytesInFlight", [0, -1, 1.5, NaN, Infinity, "5"]],
  ];
  for (const [name, values] of wrong) {
    for (const value of values) {
      if (name !== "maxBytesInFlight") {
        const error = thrownBy(() => resolveInputLimits("@endpoint on run()", { [name]: value }));
        assert.ok(error instanceof DefinitionError && error.code === "ROUTE_OPTION_INVALID", name);
        assert.match(error.message, new RegExp(`^@endpoint on run\\(\\): ${name} must be `));
      }
      const error = thrownBy(() => resolveServerOptions({ [name]: value }));
      assert.ok(
        error instanceof DefinitionError && error.code === "SETTING_INVALID",
        `${name} ${String(value)}`,
      );
      assert.match(error.message, new RegExp(`^${name} must be `));
    }
  }
});

test("a route without own limits has none; if some are set, the others come from the server", () => {
  assert.equal(resolveInputLimits("@endpoint on run()", {}), undefined);
  assert.deepEqual(resolveInputLimits("@endpoint on run()", { maxDepth: 512, bodyLimitBytes: 1 }), {
    maxDepth: 512,
    maxValues: undefined,
    maxBytes: 1,
  });
  assert.deepEqual(resolveServerOptions().values, { maxDepth: 256, maxValues: 1_000_000 });
});

test("maxBytesInFlight grows with larger body and frame limits, unless it is set itself", () => {
  const usual = resolveServerOptions().maxBytesInFlight;
  assert.equal(resolveServerOptions({ bodyLimitBytes: 1_000 }).maxBytesInFlight, usual);
  assert.equal(resolveServerOptions({ bodyLimitBytes: usual + 5 }).maxBytesInFlight, usual + 5);
  assert.equal(resolveServerOptions({ maxFrameBytes: usual + 5 }).maxBytesInFlight, usual + 5);
  assert.equal(resolveServerOptions({ bodyLimitBytes: 1_000, maxBytesInFlight: 10 }).maxBytesInFlight, 10);
});
