import { idealGoodput } from "../batching/bounds.ts";
import { drawPlot, type Series } from "../lib/plot.ts";
import { S1 } from "../batching/shape.ts";
import { information, type Row } from "../lib/row.ts";
import { drawBarChart, formatFigure } from "./bar-chart.ts";
import type { Conditions } from "./conditions.ts";
import { isQuiet, MAX_FOREIGN_CPU, type Sample } from "./sample.ts";
import { linesOf, TABLES, type Line, type Table } from "./tables.ts";

/** The outcome of a run. */
export interface Outcome {
  readonly samples: readonly Sample[];
  /** The products that could not be measured: name and reason. */
  readonly failures: readonly string[];
  readonly conditions: Conditions;
  /** Whether noise is left in, since the figures only show that everything runs. */
  readonly quick: boolean;
}

const COLORS = ["#2563eb", "#dc2626", "#16a34a", "#d97706", "#9333ea", "#0891b2", "#be185d", "#4d7c0f"];

/** The rows of `--json`: one for each cell of each table. */
export function rowsOf(outcome: Outcome): Row[] {
  const samples = measuredIn(outcome);
  return TABLES.flatMap((table) =>
    linesOf(table, samples).flatMap((line) =>
      line.cells.flatMap((cell, index) => {
        const column = table.columns[index];
        if (cell === undefined || column === undefined) return [];
        const parameters = table.by.map((name) => ` at ${line.parameters[name] ?? 0} ${name}`).join("");
        return [
          information(`${table.title}: ${line.product}${parameters}: ${column.title}`, cell, column.unit),
        ];
      }),
    ),
  );
}

/** The files of the report: `report.md` and its plots, by name. */
export function reportFiles(outcome: Outcome): Map<string, string> {
  const files = new Map<string, string>();
  const samples = measuredIn(outcome);
  const parts = TABLES.flatMap((table) => {
    const lines = linesOf(table, samples);
    if (lines.length === 0) return [];
    const plot = plotOf(table, lines);
    const name = `${table.section}-${table.kind}.svg`;
    if (plot !== undefined) files.set(name, plot);
    return [
      `## ${table.title}`,
      table.note,
      markdownOf(table, lines),
      ...(plot === undefined ? [] : [`![${table.title}](${name})`]),
    ];
  });
  const text = ["# Servable and its peers", ...introductionOf(outcome), ...parts].join("\n\n");
  return files.set("report.md", `${text}\n`);
}

function measuredIn({ samples, quick }: Outcome): readonly Sample[] {
  return quick ? samples : samples.filter(isQuiet);
}

function introductionOf({ samples, failures, conditions, quick }: Outcome): string[] {
  const noisy = samples.filter((sample) => !isQuiet(sample));
  const names = [...new Set(noisy.map(({ section, product }) => `${section}: ${product}`))];
  const noise = `${noisy.length} of ${samples.length} measurements had a foreign CPU above ${MAX_FOREIGN_CPU} cores.`;
  const treatment = quick ? "They are included." : `They are left out: ${names.join("; ")}.`;
  return [
    ...(quick
      ? ["**Rough figures of `--quick`. They show that everything runs, and are not results.**"]
      : []),
    tableOf(
      ["condition", "value"],
      Object.entries(conditions).map(([name, value]) => [name, value]),
    ),
    noisy.length === 0
      ? `No measurement had a foreign CPU above ${MAX_FOREIGN_CPU} cores.`
      : `${noise} ${treatment}`,
    ...(failures.length === 0
      ? []
      : [`Not measured:\n\n${failures.map((text) => `- ${text.split("\n")[0] ?? ""}`).join("\n")}`]),
  ];
}

function markdownOf({ by, columns }: Table, lines: readonly Line[]): string {
  const titles = columns.map(({ title, unit }) => (title === unit ? title : `${title} (${unit})`));
  return tableOf(
    ["product", ...by, ...titles],
    lines.map(({ product, parameters, cells }) => [
      product,
      ...by.map((name) => String(parameters[name])),
      ...cells.map((cell) => (cell === undefined ? "–" : formatFigure(cell))),
    ]),
  );
}

function tableOf(titles: readonly string[], lines: readonly (readonly string[])[]): string {
  const separator = titles.map(() => "---");
  return [titles, separator, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function plotOf(table: Table, lines: readonly Line[]): string | undefined {
  if (table.section === "batching" && table.kind === "open") return plotGoodput(table, lines);
  const { chart, columns } = table;
  const index = columns.findIndex(({ title }) => title === chart?.column);
  const column = columns[index];
  if (chart === undefined || column === undefined) return undefined;
  const shown = lines.filter(({ parameters }) =>
    Object.entries(chart.only ?? {}).every(([name, value]) => parameters[name] === value),
  );
  if (shown.length === 0) return undefined;
  return drawBarChart({
    title: `${table.title}: ${column.title}`,
    unit: column.unit,
    bars: shown.flatMap(({ product, cells }) => {
      const value = cells[index];
      return value === undefined ? [] : [{ name: product, value }];
    }),
    highlighted: "servable",
  });
}

function plotGoodput({ title, columns }: Table, lines: readonly Line[]): string {
  const index = columns.findIndex((column) => column.title === "goodput");
  const products = [...new Set(lines.map(({ product }) => product))];
  const highest = Math.max(...lines.map(({ parameters }) => parameters["rate"] ?? 0));
  const ideal = Array.from({ length: 101 }, (_, step): [number, number] => {
    const rate = (step / 100) * highest;
    return [rate, idealGoodput(S1, rate)];
  });
  const series = products.map((name, number): Series => {
    const own = lines.filter(({ product }) => product === name);
    const points = own.map(({ parameters, cells }): [number, number] => [
      parameters["rate"] ?? 0,
      cells[index] ?? 0,
    ]);
    return { name, color: COLORS[number % COLORS.length] ?? "#334155", points, dots: true };
  });
  return drawPlot({
    ...{ title, xLabel: "requests per second, Poisson", yLabel: "answers within 100 ms per second" },
    series: [{ name: "ideal", color: "#0f172a", dashed: true, points: ideal }, ...series],
  });
}
