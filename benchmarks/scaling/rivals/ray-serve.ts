import type { Orders, Scaler, View } from "../../../src/controller/scaling/simulation/simulator.ts";
import { countOf, RecentMean, roundUp } from "./means.ts";

/** The settings of Ray Serve's autoscaling. Defaults are Ray's, except that it may scale to zero. */
export interface RayServeOptions {
  /** The target of requests on a replica, as a share of its slots. Default: 2 requests, whatever the slots. */
  readonly targetShare?: number;
  readonly upscaleDelaySeconds?: number;
  readonly downscaleDelaySeconds?: number;
  readonly lookBackSeconds?: number;
}

const TARGET_REQUESTS = 2;

/** Ray Serve: the mean of requests ÷ the target of a replica, once it has asked for the same direction for a delay. */
export class RayServe implements Scaler {
  readonly #perRunner: number;
  readonly #upscaleDelaySeconds: number;
  readonly #downscaleDelaySeconds: number;
  readonly #lookBackSeconds: number;
  readonly #present: RecentMean;
  #secondsUp = 0;
  #secondsDown = 0;

  constructor(slots: number, options: RayServeOptions = {}) {
    const {
      targetShare,
      upscaleDelaySeconds = 30,
      downscaleDelaySeconds = 600,
      lookBackSeconds = 30,
    } = options;
    this.#perRunner = targetShare === undefined ? TARGET_REQUESTS : targetShare * slots;
    this.#upscaleDelaySeconds = upscaleDelaySeconds;
    this.#downscaleDelaySeconds = downscaleDelaySeconds;
    this.#lookBackSeconds = lookBackSeconds;
    this.#present = new RecentMean(lookBackSeconds);
  }

  decide(view: View): Orders {
    const have = countOf(view);
    if (!view.isSecond) return { start: have === 0 ? 1 : 0 };
    this.#present.note(view);
    const wanted = roundUp(this.#present.over(this.#lookBackSeconds) / this.#perRunner);
    this.#secondsUp = wanted > have ? this.#secondsUp + 1 : 0;
    this.#secondsDown = wanted < have ? this.#secondsDown + 1 : 0;
    if (wanted > have && (this.#secondsUp >= this.#upscaleDelaySeconds || have === 0)) {
      this.#secondsUp = 0;
      return { start: wanted - have };
    }
    if (this.#secondsDown >= this.#downscaleDelaySeconds) {
      this.#secondsDown = 0;
      const isLast = wanted === 0 && view.waiting > 0;
      return { drain: have - (isLast ? 1 : wanted) };
    }
    return { start: view.waiting > 0 && have === 0 ? 1 : 0 };
  }
}
