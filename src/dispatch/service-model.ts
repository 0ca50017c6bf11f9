/** The weight of a run falls by this factor with each later run: about the last 30 runs count. */
const FORGETTING = 0.97;
/** The scatter around the line is averaged over at most this many runs, the newest weighing most. */
const SCATTER_RUNS = 20;
/** Initial scatter, as a relative variance, and the number of runs it weighs as much as. */
const FIRST_VARIANCE = 0.01;
const FIRST_RUNS = 2;
/**
 * The costs count as changed if two consecutive runs deviate from the line by three standard deviations in the same
 * direction. These are the lower and upper bounds of that threshold, as logarithms.
 */
const LEAST_CHANGE = 0.3;
const SURE_CHANGE = 0.7;
/** Regularisation: if the relative variance of costs is below this, the slope stays nearly unchanged. */
const DOUBT = 1e-3;

/**
 * Predicts the time of a run: `s = fixed + perUnit · cost` milliseconds, fitted to past runs by least squares with
 * exponential forgetting. Runs are weighted by the inverse square of their expected time, since long runs scatter more.
 * While all runs have the same cost, the split into both parts cannot be observed, and the slope stays unchanged.
 */
export class ServiceModel {
  #fixed = 0;
  #perUnit = 0;
  /** Weighted sums over the runs so far. */
  #sums = NOTHING;
  #runs = 0;
  #variance = FIRST_VARIANCE;
  /** Runs since the last change of costs. */
  #runsAlike = 0;
  #surprise = 0;

  /** Number of runs learned from. */
  get runs(): number {
    return this.#runs;
  }

  /** Fixed time of a run, in milliseconds. */
  get fixed(): number {
    return this.#fixed;
  }

  /** Time per unit of cost, in milliseconds. */
  get perUnit(): number {
    return this.#perUnit;
  }

  /** The standard deviation of a run's time, relative to its mean. */
  get scatter(): number {
    return Math.sqrt(this.#variance);
  }

  /** Mean time of a run of this cost, in milliseconds; 0 before the first run. */
  predict(cost: number): number {
    return this.#fixed + this.#perUnit * cost;
  }

  /** The mean time plus this many standard deviations, in milliseconds. */
  predictHigh(cost: number, deviations: number): number {
    return this.predict(cost) * (1 + deviations * this.scatter);
  }

  /** The largest cost for which {@link predictHigh} is at most `ms`. */
  costWithin(ms: number, deviations: number): number {
    const mean = ms / (1 + deviations * this.scatter);
    if (this.#perUnit <= 0) return mean >= this.#fixed ? Infinity : 0;
    return (mean - this.#fixed) / this.#perUnit;
  }

  /** Learns from a run. */
  learn(cost: number, ms: number): void {
    const time = Math.max(ms, 1e-3);
    this.#runs++;
    if (this.#runs === 1) {
      // One run does not show how its time divides into both parts: assume that half of it is fixed.
      this.#perUnit = cost > 0 ? time / 2 / cost : 0;
      this.#fixed = time - this.#perUnit * cost;
    }
    const ratio = time / this.#expected(cost);
    if (this.#hasChanged(Math.log(ratio))) {
      // Most likely both parts have changed by the same factor: scale the old line, and forget the earlier runs.
      this.#perUnit *= ratio;
      this.#sums = NOTHING;
      this.#variance = FIRST_VARIANCE;
      this.#runsAlike = 0;
    }
    this.#sums = withRun(this.#sums, cost, time, this.#expected(cost));
    this.#fit();
    this.#scatterBy((time - this.#expected(cost)) / this.#expected(cost));
  }

  #expected(cost: number): number {
    return Math.max(this.predict(cost), 1e-3);
  }

  /**
   * Whether two consecutive runs deviated strongly in the same direction. Takes the logarithm of the ratio, so that a
   * third of the predicted time deviates as much as three times that time.
   */
  #hasChanged(ratio: number): boolean {
    const limit = Math.min(Math.max(LEAST_CHANGE, 3 * this.scatter), SURE_CHANGE);
    const side = Math.abs(ratio) > limit ? Math.sign(ratio) : 0;
    const again = side !== 0 && side === this.#surprise;
    this.#surprise = again ? 0 : side;
    return again;
  }

  /** Fits the line to the runs. The more alike their costs, the closer the slope stays to its old value. */
  #fit(): void {
    const { weight, cost, time, costCost, costTime } = this.#sums;
    const meanCost = cost / weight;
    const meanTime = time / weight;
    const spread = Math.max(0, costCost / weight - meanCost * meanCost);
    const together = costTime / weight - meanCost * meanTime;
    const doubt = DOUBT * meanCost * meanCost;
    if (spread + doubt > 0) {
      const slope = (together + doubt * this.#perUnit) / (spread + doubt);
      this.#perUnit = Math.min(Math.max(slope, 0), meanTime / meanCost);
    }
    this.#fixed = Math.max(0, meanTime - this.#perUnit * meanCost);
  }

  #scatterBy(residual: number): void {
    // Bound outliers: a single one must not count as scatter.
    const bounded = Math.min(Math.abs(residual), 3 * this.scatter + 0.05, 1);
    const weight = 1 / Math.min(++this.#runsAlike + FIRST_RUNS, SCATTER_RUNS);
    this.#variance += weight * (bounded * bounded - this.#variance);
  }
}

/** Weighted sums over runs. */
interface Sums {
  readonly weight: number;
  readonly cost: number;
  readonly time: number;
  readonly costCost: number;
  readonly costTime: number;
}

const NOTHING: Sums = { weight: 0, cost: 0, time: 0, costCost: 0, costTime: 0 };

function withRun(sums: Sums, cost: number, time: number, expected: number): Sums {
  // A run that took much longer than expected was probably delayed by something else: it weighs less.
  const weight = 1 / (Math.max(expected, time) * expected);
  return {
    weight: FORGETTING * sums.weight + weight,
    cost: FORGETTING * sums.cost + weight * cost,
    time: FORGETTING * sums.time + weight * time,
    costCost: FORGETTING * sums.costCost + weight * cost * cost,
    costTime: FORGETTING * sums.costTime + weight * cost * time,
  };
}
