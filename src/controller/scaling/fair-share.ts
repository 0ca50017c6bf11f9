/** An app's part in the sharing of a capacity. */
export interface Claimant {
  readonly app: string;
  /** Its weight in comparison with others, above 0. */
  readonly weight: number;
  /** The room of one runner, in the unit of the capacity. */
  readonly size: number;
}

/**
 * Adds runners to what each app has until its limit, or until the capacity is used: max-min by weight. The next runner always
 * goes to the app with the least room for its weight.
 * @param granted the runners of each app, in the order of `apps`; they are not taken back
 * @param limits the most runners of each app
 */
export function fillByWeight(
  apps: readonly Claimant[],
  granted: readonly number[],
  limits: readonly number[],
  capacity: number,
): number[] {
  const shares = [...granted];
  const used = apps.reduce((sum, { size }, index) => sum + size * (shares[index] ?? 0), 0);
  let free = capacity - used;
  for (;;) {
    let next = -1;
    let least = Infinity;
    for (const [index, { size, weight }] of apps.entries()) {
      const share = shares[index] ?? 0;
      if (share >= (limits[index] ?? 0) || size > free) continue;
      const level = (share * size) / weight;
      if (level < least) [next, least] = [index, level];
    }
    const app = apps[next];
    if (app === undefined) return shares;
    shares[next] = (shares[next] ?? 0) + 1;
    free -= app.size;
  }
}
