import type { Orders, Scaler, View } from "../../../src/controller/scaling/simulation/simulator.ts";
import { countOf, RecentMaximum, RecentMean, roundUp } from "./means.ts";

/** The settings of Kubernetes' HorizontalPodAutoscaler. Defaults are Kubernetes'. */
export interface HpaOptions {
  /** The target share of a runner's slots. */
  readonly utilization?: number;
  /** The stabilization window for stops. */
  readonly downSeconds?: number;
}

const PERIOD_SECONDS = 15;
const TOLERANCE = 0.1;
const MAX_ADDED = 4;

/** Kubernetes' HPA over requests, with KEDA for the way from zero to one and back. */
export class Hpa implements Scaler {
  readonly #perRunner: number;
  readonly #downSeconds: number;
  readonly #present = new RecentMean(PERIOD_SECONDS);
  readonly #highest: RecentMaximum;

  constructor(slots: number, { utilization = 0.7, downSeconds = 300 }: HpaOptions = {}) {
    this.#perRunner = utilization * slots;
    this.#downSeconds = downSeconds;
    this.#highest = new RecentMaximum(downSeconds);
  }

  decide(view: View): Orders {
    const have = countOf(view);
    if (!view.isSecond) return { start: have === 0 ? 1 : 0 };
    this.#present.note(view);
    if (Math.round(view.now) % PERIOD_SECONDS !== 0) return {};
    const isUsed = view.running + view.waiting > 0;
    if (have === 0) return { start: isUsed ? 1 : 0 };
    const ratio = this.#present.over(PERIOD_SECONDS) / this.#perRunner / have;
    const proportional = Math.abs(ratio - 1) <= TOLERANCE ? have : roundUp(ratio * have);
    const limited = Math.min(proportional, Math.max(2 * have, have + MAX_ADDED));
    const wanted = isUsed || view.now - view.lastUse < this.#downSeconds ? Math.max(1, limited) : limited;
    const highest = this.#highest.note(view.now, wanted);
    return wanted > have ? { start: wanted - have } : { drain: Math.max(0, have - highest) };
  }
}
