/** The range in which a highest rate is searched. */
export interface SearchOptions {
  /** Assumed to hold; checked only if no rate above it holds. */
  readonly from: number;
  /** Assumed not to hold; never checked. */
  readonly to: number;
  /** How often the range is halved. */
  readonly steps: number;
  /** Checks whether a rate holds. */
  holds(rate: number): Promise<boolean>;
}

/** The highest rate that was checked and holds, found by halving the range; 0 if none does. */
export async function highestRate({ from, to, steps, holds }: SearchOptions): Promise<number> {
  let low = from;
  let high = to;
  for (let step = 0; step < steps; step++) {
    const middle = (low + high) / 2;
    if (await holds(middle)) low = middle;
    else high = middle;
  }
  if (low > from || (await holds(from))) return low;
  return 0;
}

/** The highest of some rates that holds; 0 if none does. */
export async function firstThatHolds(
  rates: readonly number[],
  holds: (rate: number) => Promise<boolean>,
): Promise<number> {
  for (const rate of rates) if (await holds(rate)) return rate;
  return 0;
}
