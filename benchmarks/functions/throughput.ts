// Prints how many calls a second so many workers answer: node throughput.js WORKERS CALLS
import { empty } from "./measured-functions.ts";

/** Calls under way or waiting for each worker: it finds the next one as soon as it is free. */
const WINDOW = 8;

const [, , workers = 1, calls = 0] = process.argv.map(Number);
const measured = empty.on({ maxConcurrency: workers });

async function callAll(count: number): Promise<void> {
  let started = 0;
  const caller = async (): Promise<void> => {
    while (started++ < count) await measured();
  };
  await Promise.all(Array.from({ length: workers * WINDOW }, caller));
}

await callAll(calls / 4); // starts the workers
const started = performance.now();
await callAll(calls);
console.log((calls / (performance.now() - started)) * 1000);
