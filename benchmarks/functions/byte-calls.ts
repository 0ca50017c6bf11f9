// Prints how long a function takes to receive and return bytes, beside a bare echo: node byte-calls.js BYTES ROUNDS
import { EchoProcess } from "./echo-process.ts";
import { same } from "./measured-functions.ts";
import { takeTurns } from "./turns.ts";

const [, , size, rounds] = process.argv.map(Number);
const bytes = new Uint8Array(size ?? 0).fill(7);
await using echo = new EchoProcess();

function check(answer: unknown): void {
  if (answer instanceof Uint8Array && answer.byteLength === size && answer.at(-1) === 7) return;
  throw new Error("What came back is not what was sent.");
}

const rivals = [
  async () => check(await same(bytes)),
  async () => check(((await echo.call(bytes)) as readonly unknown[])[0]),
] as const;
await takeTurns(...rivals, 1, 1); // starts the worker
console.log(JSON.stringify(await takeTurns(...rivals, rounds ?? 0, 1)));
