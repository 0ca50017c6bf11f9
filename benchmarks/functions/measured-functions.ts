import { fn } from "servable";

/** Does nothing: the duration of a call is the overhead. */
export const empty = fn({}, () => {});

/** Returns its argument. */
export const same = fn({ maxConcurrency: 1 }, (bytes: Uint8Array) => bytes);

/** Returns the memory of its process, in bytes. */
export const residentMemory = fn({ maxConcurrency: 1 }, () => process.memoryUsage.rss());
