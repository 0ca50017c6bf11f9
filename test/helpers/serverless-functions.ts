/**
 * Functions that run on a platform, for the tests. They have a module of their own, since the whole module is sent.
 * @module
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { currentRun, FalServerlessHost, fn } from "../../src/index.ts";

/** The log lines that the host received, for tests to read. */
export const lines: string[] = [];

export const host = new FalServerlessHost({
  onLog: ({ message, source, level }) => lines.push(`${source} ${level} ${message}`),
});

export const echo = fn({ host }, (value: unknown) => value);

export const describeSurroundings = fn({ host, env: { GIVEN: "value" } }, () => ({
  pid: process.pid,
  parent: process.ppid,
  environment: { ...process.env },
  module: import.meta.url,
}));

export const print = fn({ host }, (count: number) => {
  for (let line = 1; line <= count; line++) console.log(`out ${line}`);
  console.error("err");
  return count;
});

export class OwnError extends RangeError {
  readonly hint = "less";
}

export const fail = fn({ host }, (): never => {
  throw new OwnError("too far", { cause: new TypeError("the cause") });
});

/** @param note a file that is written when the caller has disconnected */
export const waitForAbort = fn({ host }, async (note?: string) => {
  console.log("started");
  await once(currentRun().signal, "abort");
  if (note !== undefined) writeFileSync(note, "asked to stop");
});

export const exit = fn({ host }, (code: number): never => process.exit(code));

export const stream = fn({ host }, () => new ReadableStream());

export const withSetup = fn(
  { host, setupFunction: () => ({ made: () => "in setup" }) },
  ({ made }, what: string) => `${what} made ${made()}`,
);

export const spin = fn({ host, requestTimeout: 0.5 }, () => {
  for (;;);
});

export const withPackage = fn({ host, requirements: ["fastest-levenshtein@1.0.16"] }, async () => {
  const { distance } = await import("fastest-levenshtein");
  return distance("servable", "variable");
});

export const missing = fn({ host }, async () => {
  const name = "a-package-nobody-requires";
  return import(name) as Promise<unknown>;
});

export const nested = fn({ host }, () => echo("inside"));

/** Uses more memory than its machine type has. */
export const hog = fn({ host, machineType: "XS" }, async () => {
  const held: Buffer[] = [];
  for (;;) {
    if (held.length < 30) held.push(Buffer.alloc(50_000_000, 1));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});
