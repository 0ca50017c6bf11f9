/** Each run's weight in what is learned falls by this factor with every later one: about the last 30 count. */
const FORGETTING = 0.97;
/** The scatter around the line is an average over so many runs at most, the last ones weighing most. */
const SCATTER_RUNS = 20;
/** What is taken for the scatter until some runs have shown it, as a relative variance, and how many runs that counts for. */
const FIRST_VARIANCE = 0.01;
const FIRST_RUNS = 2;
/**
 * The costs have changed when two runs, one after the other, are off the line on one side: by three standard
 * deviations, but by no less and no more than this, as a logarithm.
 */
const LEAST_CHANGE = 0.3;
const SURE_CHANGE = 0.7;
/** Costs that differ by less than this, relative to their mean and squared, say nothing of the slope: it stays. */
const DOUBT = 1e-3;

/**
 * What a run costs: `s = fixed + perUnit · cost` milliseconds, learned from the runs so far by least squares with
 * exponential forgetting. Runs count by the inverse square of the time expected of them, since a long one scatters
 * more than a short one. While all runs are alike, nothing is learned of how a time is made up, and the slope stays
 * what it was.
 */
export class ServiceModel {
  #fixed = 0;
  #perUnit = 0;
  /** Sums over the runs so far: of their weights, and weighted of costs, times, and products. */
  #sums = NOTHING;
  #runs = 0;
  #variance = FIRST_VARIANCE;
  /** Runs since the costs have last changed. */
  #runsAlike = 0;
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
    if (this.#runs === 1) {
      // Before a second cost was seen, the split is a guess: half of it fixed.
      this.#perUnit = cost > 0 ? time / 2 / cost : 0;
      this.#fixed = time - this.#perUnit * cost;
    }
    const ratio = time / this.#expected(cost);
    if (this.#hasChanged(Math.log(ratio))) {
      // Both parts have most likely changed alike: learns anew from the old line, scaled.
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
   * Whether two runs in a row were far off, and on the same side. In logarithms, since costs that fall to a third are
   * no less of a change than costs that triple.
   */
  #hasChanged(ratio: number): boolean {
    const limit = Math.min(Math.max(LEAST_CHANGE, 3 * this.scatter), SURE_CHANGE);
    const side = Math.abs(ratio) > limit ? Math.sign(ratio) : 0;
    const again = side !== 0 && side === this.#surprise;
    this.#surprise = again ? 0 : side;
    return again;
  }

  /** The line through the runs; as far as their costs are alike, with the slope it had. */
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
    // A single outlier must not pass for scatter.
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
  // What took several times as long as expected was held up by something else, and counts for less.
  const weight = 1 / (Math.max(expected, time) * expected);
  return {
    weight: FORGETTING * sums.weight + weight,
    cost: FORGETTING * sums.cost + weight * cost,
    time: FORGETTING * sums.time + weight * time,
    costCost: FORGETTING * sums.costCost + weight * cost * cost,
    costTime: FORGETTING * sums.costTime + weight * cost * time,
  };
}
