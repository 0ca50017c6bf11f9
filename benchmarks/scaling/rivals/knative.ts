import type { Orders, Scaler, View } from "../../../src/controller/scaling/simulation/simulator.ts";
import { countOf, readyOf, RecentMean, roundUp } from "./means.ts";

/** The settings of Knative's autoscaler. Defaults are Knative's. */
export interface KnativeOptions {
  /** The target share of a runner's slots. */
  readonly utilization?: number;
  readonly stableSeconds?: number;
  readonly panicSeconds?: number;
  /** Demand ÷ ready runners from which on it panics. */
  readonly panicThreshold?: number;
  /** The time without requests before the last runner is stopped. */
  readonly graceSeconds?: number;
}

const PERIOD_SECONDS = 2;
const MAX_UP_RATE = 1_000;
const MAX_DOWN_RATE = 2;

/** Knative's autoscaler (KPA): the mean concurrency of a stable and of a panic window ÷ the target of a runner. */
export class Knative implements Scaler {
  readonly #slots: number;
  readonly #options: Required<KnativeOptions>;
  readonly #present: RecentMean;
  #panicAt = -Infinity;
  #panicWanted = 0;
  #zeroSince: number | undefined;

  constructor(slots: number, options: KnativeOptions = {}) {
    this.#slots = slots;
    this.#options = {
      utilization: 0.7,
      stableSeconds: 60,
      panicSeconds: 6,
      panicThreshold: 2,
      graceSeconds: 30,
      ...options,
    };
    this.#present = new RecentMean(this.#options.stableSeconds);
  }

  decide(view: View): Orders {
    const have = countOf(view);
    if (!view.isSecond) return { start: have === 0 ? 1 : 0 };
    this.#present.note(view);
    if (Math.round(view.now) % PERIOD_SECONDS !== 0) return {};
    const wanted = this.#wanted(view);
    return wanted > have ? { start: wanted - have } : { drain: have - wanted };
  }

  #wanted(view: View): number {
    const { utilization, stableSeconds, panicSeconds, panicThreshold, graceSeconds } = this.#options;
    const { now } = view;
    const ready = Math.max(1, readyOf(view));
    const perRunner = utilization * this.#slots;
    const limit = (count: number): number =>
      Math.min(ready * MAX_UP_RATE, Math.max(Math.floor(ready / MAX_DOWN_RATE), count));
    const mean = this.#present.over(stableSeconds);
    const stable = limit(roundUp(mean / perRunner));
    const panic = roundUp(this.#present.over(panicSeconds) / perRunner);
    if (panic >= panicThreshold * ready) {
      if (now - this.#panicAt > stableSeconds) this.#panicWanted = 0;
      this.#panicAt = now;
    }
    let wanted = stable;
    if (now - this.#panicAt <= stableSeconds) {
      this.#panicWanted = wanted = Math.max(this.#panicWanted, limit(panic), stable);
    }
    if (view.running + view.waiting > 0) wanted = Math.max(1, wanted);
    if (wanted > 0 && mean > 0) {
      this.#zeroSince = undefined;
      return wanted;
    }
    this.#zeroSince ??= now;
    return now - this.#zeroSince >= graceSeconds ? 0 : 1;
  }
}
