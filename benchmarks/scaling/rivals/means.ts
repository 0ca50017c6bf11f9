import type { View } from "../../../src/controller/scaling/simulation/simulator.ts";

/** The mean number of requests over the last seconds, as autoscalers scrape it: since the app was last without runners. */
export class RecentMean {
  readonly #length: number;
  #seconds: number[] = [];
  #last = -Infinity;

  /** @param length the most seconds that are kept */
  constructor(length: number) {
    this.#length = length;
  }

  /** Notes a second. After a time without seconds the app slept, and the means begin anew. */
  note({ now, meanPresent }: View): void {
    if (now - this.#last > 1.5) this.#seconds = [];
    this.#last = now;
    this.#seconds.push(meanPresent);
    if (this.#seconds.length > this.#length) this.#seconds.shift();
  }

  /** The mean over the last `seconds`, or fewer if there are not as many. */
  over(seconds: number): number {
    const values = this.#seconds.slice(-seconds);
    return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  }
}

/** The highest value of the last seconds. */
export class RecentMaximum {
  readonly #seconds: number;
  #values: { readonly at: number; readonly value: number }[] = [];

  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  /** Notes a value, and returns the highest one. */
  note(at: number, value: number): number {
    this.#values = this.#values.filter((each) => each.value > value && each.at >= at - this.#seconds);
    this.#values.push({ at, value });
    return this.#values[0]?.value ?? value;
  }
}

/** The number of runners that are ready or starting. */
export function countOf({ runners }: View): number {
  return runners.filter(({ state }) => state !== "draining").length;
}

/** The number of ready runners. */
export function readyOf({ runners }: View): number {
  return runners.filter(({ state }) => state === "ready").length;
}

/** Rounds up, but not for an error of floating point. */
export function roundUp(value: number): number {
  return Math.ceil(value - 1e-9);
}
