// Prints the durations of the parts of a process's first call, one after the other: node cold-parts.js
import { EchoProcess } from "./echo-process.ts";
import { empty } from "./measured-functions.ts";

/** Durations in milliseconds. */
export interface ColdParts {
  /** Bundling the function's code into one file. */
  readonly bundle: number;
  /** The rest of the call: finding the environment, starting the process, calling. */
  readonly rest: number;
  /** A process that only echoes: from its start to its first response. */
  readonly bareFork: number;
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

let echo: EchoProcess | undefined;
const bareFork = await timeOf(() => (echo = new EchoProcess()).call());
await echo?.[Symbol.asyncDispose]();
const parts: ColdParts = {
  bundle: await timeOf(() => empty.bundle()),
  rest: await timeOf(() => empty()),
  bareFork,
};
console.log(JSON.stringify(parts));
