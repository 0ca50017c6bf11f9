/**
 * A program that waits for a function in a container, and is killed while it waits.
 * @module
 */
import { processNumber } from "./container-functions.ts";

const { logs } = processNumber.spawn(true);
for await (const { message } of logs) console.log(message);
