import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  MAX_ATTEMPTS,
  mayRepeat,
  pauseBeforeRetry,
  retryCondition,
} from "../../../../src/controller/queue/retry-rule.ts";

const ENDS: readonly (readonly [number, string | undefined, string | undefined])[] = [
  [200, undefined, undefined],
  [404, undefined, undefined],
  [422, undefined, undefined],
  [429, undefined, undefined],
  [499, undefined, undefined],
  [500, undefined, undefined],
  [502, undefined, undefined],
  [503, undefined, "server_error"],
  [504, undefined, "timeout"],
  [504, "request_timeout", "timeout"],
  [503, "runner_connection_refused", "connection_error"],
  [503, "runner_disconnected", "connection_error"],
  [502, "runner_incomplete_response", "connection_error"],
];
for (const [status, errorType, condition] of ENDS) {
  const end = errorType === undefined ? `the app's own ${status}` : `${status} ${errorType}`;
  test(`an attempt that ended with ${end} is ${condition === undefined ? "final" : `a ${condition}`}`, () => {
    assert.equal(retryCondition({ status, errorType }), condition);
  });
}

test("conditions that an app skips are final, and others are repeated as often as it says, ten attempts at most", () => {
  const conditions = ["timeout", "server_error", "connection_error"] as const;
  fc.assert(
    fc.property(
      fc.constantFrom(...conditions),
      fc.subarray([...conditions]),
      fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
      fc.integer({ min: 1, max: 12 }),
      (condition, skipRetryConditions, retries, attempt) => {
        const retryConfig = retries === undefined ? undefined : JSON.stringify({ [condition]: { retries } });
        const expected =
          !skipRetryConditions.includes(condition) &&
          attempt < MAX_ATTEMPTS &&
          (retries === undefined || attempt <= retries);
        assert.equal(mayRepeat(condition, attempt, { skipRetryConditions, retryConfig }), expected);
      },
    ),
  );
});

test("settings that are no JSON, or not those of retries, leave the default", () => {
  for (const retryConfig of ["{", "null", "5", '"x"', "[]", "{}"]) {
    assert.equal(mayRepeat("timeout", 1, { skipRetryConditions: [], retryConfig }), true, retryConfig);
  }
});

test("pauses grow up to 30 s, a quarter more or less", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempt, random) => {
        const middle = Math.min(30_000, 500 * 2 ** (attempt - 1));
        const pause = pauseBeforeRetry(attempt, () => random);
        assert.ok(pause >= middle * 0.75 - 1 && pause <= middle * 1.25 + 1, `${pause}`);
      },
    ),
  );
});
