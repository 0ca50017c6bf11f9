/** Where a highest rate is looked for. */
export interface SearchOptions {
  /** Believed to hold; looked at only when nothing above does. */
  readonly from: number;
  /** Believed not to hold; never looked at. */
  readonly to: number;
  /** How often the range is halved. */
  readonly steps: number;
  /** Looks whether a rate holds. */
  holds(rate: number): Promise<boolean>;
}

/** The highest rate that was seen to hold, by halving the range; 0 when none was. */
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

/** The first of some rates, the highest first, that holds; 0 when none does. */
export async function firstThatHolds(
  rates: readonly number[],
  holds: (rate: number) => Promise<boolean>,
): Promise<number> {
  for (const rate of rates) if (await holds(rate)) return rate;
  return 0;
}
