// Prints the latencies of calls to a running process, beside those of a bare echo: node warm-calls.js ROUNDS CALLS
import { EchoProcess } from "./echo-process.ts";
import { empty } from "./measured-functions.ts";
import { takeTurns } from "./turns.ts";

/** Calls of each before the first round: by then the code of both sides is compiled. */
const WARM_UP = 1000;

const [, , rounds, calls] = process.argv.map(Number);
await using echo = new EchoProcess();
const rivals = [() => empty(), () => echo.call()] as const;
await takeTurns(...rivals, 1, WARM_UP);
console.log(JSON.stringify(await takeTurns(...rivals, rounds ?? 0, calls ?? 0)));
