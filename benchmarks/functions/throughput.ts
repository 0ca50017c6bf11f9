// Prints the number of calls per second that a number of workers answer: node throughput.js WORKERS CALLS
import { empty } from "./measured-functions.ts";

/** The number of running and waiting calls per worker, so that a free worker gets the next one at once. */
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
