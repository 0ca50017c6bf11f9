/** One measured figure, as `--json` prints it. */
export interface Row {
  readonly name: string;
  readonly figure: number;
  /** What the figure counts, such as "ms" or "ratio". */
  readonly unit: string;
  /** The bound it is held to, such as "≥ 0.9"; null for a figure that only informs. */
  readonly target: string | null;
  /** Within the bound; true where there is none. */
  readonly ok: boolean;
}

/**
 * A figure that must reach a bound.
 * @param tolerance the share of the bound that will do in rough measurements; the whole by default.
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

/** The rows as a table for people: figure and target side by side. */
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

/** Four digits that mean something: more would only be noise. */
function rounded(figure: number): number {
  return Math.abs(figure) >= 1000 ? Math.round(figure) : Number(figure.toPrecision(4));
}
