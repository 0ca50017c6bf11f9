// A program that calls a function once: prints how long that call takes, in milliseconds.
import { fn } from "servable";

export const empty = fn({}, () => {});

const started = performance.now();
await empty();
console.log(performance.now() - started);
