/** The median of a list of figures. @throws RangeError if the list is empty. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The interpolated quantile for a share between 0 and 1. @throws RangeError if the list is empty. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("No figures to take a quantile of.");
  const sorted = Float64Array.from(values).sort();
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? 0;
  const above = sorted[Math.ceil(position)] ?? 0;
  return below + (above - below) * (position - Math.floor(position));
}

/** The slope of the line that fits points best, by least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  let [up, across] = [0, 0];
  for (const [x, y] of points) {
    up += (x - meanX) * (y - meanY);
    across += (x - meanX) ** 2;
  }
  return across === 0 ? 0 : up / across;
}
