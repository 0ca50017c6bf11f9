/** One measured figure, as `--json` prints it. */
export interface Row {
  readonly name: string;
  readonly figure: number;
  /** The unit of the figure, such as "ms" or "ratio". */
  readonly unit: string;
  /** The target, such as "≥ 0.9"; null for a figure without one. */
  readonly target: string | null;
  /** Whether the figure meets its target; true without a target. */
  readonly ok: boolean;
}

/**
 * A figure that must reach a bound.
 * @param tolerance the share of the bound that is sufficient in rough measurements; by default 1.
 */
export function atLeast(name: string, figure: number, unit: string, bound: number, tolerance = 1): Row {
  return { name, figure: rounded(figure), unit, target: `≥ ${bound}`, ok: figure >= bound * tolerance };
}

/** A figure that must stay within a bound. @param tolerance as for {@link atLeast}. */
export function atMost(name: string, figure: number, unit: string, bound: number, tolerance = 1): Row {
  return { name, figure: rounded(figure), unit, target: `≤ ${bound}`, ok: figure <= bound / tolerance };
}

/** A figure without a bound. */
export function information(name: string, figure: number, unit: string): Row {
  return { name, figure: rounded(figure), unit, target: null, ok: true };
}

/** The rows as a readable table: figure and target side by side. */
export function formatTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    row.figure.toLocaleString("en", { maximumFractionDigits: 3 }),
    row.unit,
    row.target ?? "",
    row.target === null ? "" : row.ok ? "ok" : "MISSED",
  ]);
  const all = [["name", "figure", "unit", "target", ""], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all
    .map((line) =>
      line
        .map((cell, column) =>
          column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Four significant digits: more would be noise. */
function rounded(figure: number): number {
  return Math.abs(figure) >= 1000 ? Math.round(figure) : Number(figure.toPrecision(4));
}
