/**
 * Functions that fail, block or load something first on a platform, for the tests. They have a module of their own,
 * since the whole module is sent to the platform.
 * @module
 */
import { existsSync } from "node:fs";
import { fn } from "../../src/index.ts";
import { failDeep } from "../fixtures/functions/failing-library.ts";
import { host } from "./serverless-functions.ts";

if (process.env["FAIL_LOADING"] !== undefined) throw new RangeError("not while loading");

export const failsLoading = fn({ host, env: { FAIL_LOADING: "yes" } }, () => "loaded");

export const failsInSetup = fn(
  {
    host,
    setupFunction: (): string => {
      throw new RangeError("no model");
    },
  },
  (model) => model,
);

export const neverReady = fn(
  { host, startupTimeout: 0.5, setupFunction: () => new Promise(() => {}) },
  () => 1,
);

class TwoFaults extends Error {
  readonly first = new Error("in a field");
}

/** Prints, and fails with an error that contains errors in every possible property. */
export const failManyTimes = fn({ host }, () => {
  console.log("before it fails");
  let deep: unknown;
  try {
    failDeep();
  } catch (error) {
    deep = error;
  }
  throw new AggregateError([deep, new TwoFaults("in a list")], "all of them");
});

/** @param note blocks its process until this file exists */
export const block = fn({ host }, (note: string) => {
  console.log("blocking");
  while (!existsSync(note)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  return "done";
});

export const needsPackage = fn({ host }, async () => import("fastest-levenshtein"));
