import { fn } from "servable";

/** Does nothing: a call of it is all overhead. */
export const empty = fn({}, () => {});

/** Gives back what it is given. */
export const same = fn({ maxConcurrency: 1 }, (bytes: Uint8Array) => bytes);

/** How much memory its process has, in bytes. */
export const residentMemory = fn({ maxConcurrency: 1 }, () => process.memoryUsage.rss());
