import assert from "node:assert/strict";
import { FalServerlessError, type ErrorCode } from "../../src/errors.ts";

/** The error that the action throws; fails if it throws nothing. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

/** Checks the code and the message of the error that the action throws. */
export function assertRefused(action: () => unknown, code: ErrorCode, message: RegExp | string): void {
  const error = thrownBy(action);
  assert.ok(error instanceof FalServerlessError, `not one of our errors: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  if (typeof message === "string") assert.equal(error.message, message);
  else assert.match(error.message, message);
}
