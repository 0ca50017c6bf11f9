/** Each run's weight in what is learned falls by this factor with every later one: about the last 30 count. */
const FORGETTING = 0.97;
/** The same for the scatter around the line. */
const SCATTER_FORGETTING = 0.95;
/** Runs off the line by more than this, as a logarithm, one after the other and on one side: the costs have changed. */
const CHANGE = 0.3;
/**
 * The relative variance of a run that learning goes by. Not the one that was seen: while the line is wrong, that looks
 * like scatter, and the more wrong the line, the slower it would be put right.
 */
const NOISE = 0.01;
/** How sure of the line anybody can be before the first run, as a relative variance. */
const PRIOR_VARIANCE = 4;

/**
 * What a run costs: `s = fixed + perUnit · cost` milliseconds, learned from the runs so far by recursive least
 * squares with forgetting (Haykin, Adaptive Filter Theory, ch. 10). Residuals are taken relative to the
 * prediction, since a long run scatters more than a short one. While all runs are alike, the split into
 * fixed and per unit stays what it was, since nothing is learned of it.
 */
export class ServiceModel {
  #fixed = 0;
  #perUnit = 0;
  /** Covariance of the two, relative to the square of a prediction: [fixed², fixed·perUnit, perUnit²]. */
  #p00 = 0;
  #p01 = 0;
  #p11 = 0;
  #runs = 0;
  #variance = 0;
  #surprise = 0;

  /** How many runs it has learned from. */
  get runs(): number {
    return this.#runs;
  }

  /** Milliseconds that a run takes beside what its items cost. */
  get fixed(): number {
    return this.#fixed;
  }

  /** Milliseconds for one unit of cost. */
  get perUnit(): number {
    return this.#perUnit;
  }

  /** The standard deviation of a run's time, relative to its mean. */
  get scatter(): number {
    return Math.sqrt(this.#variance);
  }

  /** The mean time of a run, in milliseconds; 0 before the first. */
  predict(cost: number): number {
    return this.#fixed + this.#perUnit * cost;
  }

  /** A time that so many standard deviations of runs stay below. */
  predictHigh(cost: number, deviations: number): number {
    return this.predict(cost) * (1 + deviations * this.scatter);
  }

  /** The largest cost whose run takes no longer than `ms`, with the same caution. */
  costWithin(ms: number, deviations: number): number {
    const mean = ms / (1 + deviations * this.scatter);
    if (this.#perUnit <= 0) return mean >= this.#fixed ? Infinity : 0;
    return (mean - this.#fixed) / this.#perUnit;
  }

  /** Learns from a run. */
  learn(cost: number, ms: number): void {
    const time = Math.max(ms, 1e-3);
    this.#runs++;
    if (this.#runs === 1) return this.#start(cost, time);
    const predicted = Math.max(this.predict(cost), 1e-3);
    const residual = (time - predicted) / predicted;
    if (this.#hasChanged(Math.log(time / predicted))) return this.#restart(1 + residual, cost, time);
    this.#update(1 / predicted, cost / predicted, residual);
    // A single outlier must not pass for scatter.
    const bounded = Math.min(Math.abs(residual), 3 * this.scatter + 0.05, 1);
    this.#variance = SCATTER_FORGETTING * this.#variance + (1 - SCATTER_FORGETTING) * bounded * bounded;
  }

  /** Before a second cost was seen, the split is a guess: half of it fixed. */
  #start(cost: number, time: number): void {
    this.#fixed = time / 2;
    this.#perUnit = cost > 0 ? time / 2 / cost : 0;
    this.#doubt(cost, time);
  }

  #doubt(cost: number, time: number): void {
    this.#p00 = PRIOR_VARIANCE * time * time;
    this.#p11 = cost > 0 ? PRIOR_VARIANCE * (time / cost) ** 2 : 0;
    this.#p01 = 0;
  }

  /**
   * Whether two runs in a row were far off, and on the same side. In logarithms, since costs that fall to a third are
   * no less of a change than costs that triple.
   */
  #hasChanged(ratio: number): boolean {
    const side = Math.abs(ratio) > Math.max(CHANGE, 3 * this.scatter) ? Math.sign(ratio) : 0;
    const again = side !== 0 && side === this.#surprise;
    this.#surprise = again ? 0 : side;
    return again;
  }

  /** Both parts have most likely changed alike: learns anew from the old line, scaled. */
  #restart(scale: number, cost: number, time: number): void {
    this.#fixed *= scale;
    this.#perUnit *= scale;
    this.#doubt(cost, time);
  }

  /** One step of recursive least squares, with x = (u, v) and an error relative to the prediction. */
  #update(u: number, v: number, residual: number): void {
    const g0 = this.#p00 * u + this.#p01 * v;
    const g1 = this.#p01 * u + this.#p11 * v;
    const spread = u * g0 + v * g1;
    const gain = 1 / (FORGETTING * NOISE + spread);
    this.#fixed = Math.max(0, this.#fixed + g0 * gain * residual);
    this.#perUnit = Math.max(0, this.#perUnit + g1 * gain * residual);
    // What a run says nothing about must not be forgotten, or the doubt about it would grow without bound.
    const keep = spread > NOISE * 1e-3 ? FORGETTING : 1;
    this.#p00 = (this.#p00 - g0 * g0 * gain) / keep;
    this.#p01 = (this.#p01 - g0 * g1 * gain) / keep;
    this.#p11 = (this.#p11 - g1 * g1 * gain) / keep;
  }
}
