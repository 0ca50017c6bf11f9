import assert from "node:assert/strict";
import { test } from "node:test";
import { CallerLimits } from "../../../../src/controller/gateway/caller-limits.ts";
import type { GatewayError } from "../../../../src/controller/gateway/gateway-error.ts";

const NONE = { waitingPerApp: 1, waiting: 1, runningPerKey: 0, requestsPerMinutePerKey: 0 };

function retryAfter(work: () => void): string | undefined {
  try {
    work();
  } catch (error) {
    assert.equal((error as GatewayError).status, 429);
    return (error as GatewayError).headers["retry-after"];
  }
  return undefined;
}

test("a key has no more requests at a time than its limit, and others are not affected", () => {
  const limits = new CallerLimits({ ...NONE, runningPerKey: 2 });
  const [first] = [limits.begin("a"), limits.begin("a")];
  assert.throws(() => limits.begin("a"), /The key a has 2 requests at a time, its limit/);
  limits.begin("b")?.();
  first?.();
  limits.begin("a");
  assert.equal(
    retryAfter(() => limits.begin("a")),
    "1",
  );
});

test("a key begins no more requests in a minute than its limit, and learns when the next minute begins", () => {
  let now = 1_000;
  const limits = new CallerLimits({ ...NONE, requestsPerMinutePerKey: 2 }, () => now);
  limits.begin("a")?.();
  now += 20_000;
  limits.begin("a")?.();
  assert.equal(
    retryAfter(() => limits.begin("a")),
    "40",
  );
  now += 40_000;
  limits.begin("a")?.();
});

test("without a limit, and without a key, nothing is refused", () => {
  const limits = new CallerLimits(NONE);
  for (let count = 0; count < 1_000; count++) limits.begin("a");
  const strict = new CallerLimits({ ...NONE, runningPerKey: 1, requestsPerMinutePerKey: 1 });
  for (let count = 0; count < 1_000; count++) strict.begin(undefined);
});
