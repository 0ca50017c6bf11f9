import { plan } from "../decide.ts";
import { EMPTY_HISTORY, learn, serviceSeconds, type History } from "../history.ts";
import { DEFAULT_SETTINGS, type ScalingSettings } from "../snapshot.ts";
import type { Orders, Scaler, View } from "./simulator.ts";
import type { SimulatedRunner } from "./runner-pool.ts";

/** The platform's own rule in the simulation. */
export class RuleScaler implements Scaler {
  readonly #settings: ScalingSettings;
  #history: History;

  /** @param history with which the simulation begins. Default: an app that has never run */
  constructor(settings: Partial<ScalingSettings>, history: History = EMPTY_HISTORY) {
    this.#settings = { ...DEFAULT_SETTINGS, ...settings };
    this.#history = history;
  }

  decide({ now, isSecond, runners, meter }: View): Orders {
    const { scalingDelay, maxMultiplexing } = this.#settings;
    if (isSecond) {
      for (const observation of meter.read(now, maxMultiplexing))
        this.#history = learn(this.#history, observation);
      meter.expect(serviceSeconds(this.#history));
    }
    const demand = meter.demand(now, scalingDelay);
    const { start, stop } = plan({ now, settings: this.#settings, runners, demand, history: this.#history });
    return { start, stop: stop.map(({ id }) => id) };
  }

  ready({ startedAt }: SimulatedRunner, at: number): void {
    this.#history = learn(this.#history, { kind: "ready", at, startedAt });
  }
}
