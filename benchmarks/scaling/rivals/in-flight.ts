import type { Orders, Scaler, View } from "../../../src/controller/scaling/simulation/simulator.ts";
import { countOf, roundUp } from "./means.ts";

/** The settings of the simplest rule. */
export interface InFlightOptions {
  /** The target share of a runner's slots. */
  readonly utilization?: number;
  /** The shortest idle time before a runner is stopped. */
  readonly keepSeconds?: number;
}

/** Each second: requests in flight ÷ the slots of a runner. */
export class InFlight implements Scaler {
  readonly #perRunner: number;
  readonly #keepSeconds: number;

  constructor(slots: number, { utilization = 1, keepSeconds = 0 }: InFlightOptions = {}) {
    this.#perRunner = utilization * slots;
    this.#keepSeconds = keepSeconds;
  }

  decide(view: View): Orders {
    if (!view.isSecond) return {};
    const wanted = roundUp((view.running + view.waiting) / this.#perRunner);
    const have = countOf(view);
    const stop = view.runners
      .filter(({ state, requests }) => state === "ready" && requests === 0)
      .filter(({ idleSince }) => view.now - idleSince >= this.#keepSeconds)
      .toSorted((a, b) => a.idleSince - b.idleSince)
      .slice(0, Math.max(0, have - wanted));
    return { start: wanted - have, stop: stop.map(({ id }) => id) };
  }
}
