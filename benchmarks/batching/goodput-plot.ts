import { median } from "../lib/statistics.ts";
import { idealGoodput, servableRate } from "./bounds.ts";
import type { RuleName } from "./configuration.ts";
import type { Measurements } from "./measurements.ts";
import { drawPlot, type Series } from "../lib/plot.ts";
import type { Shape } from "./shape.ts";

/** The name and the colour of a rule. */
export const LABELS: Readonly<Record<RuleName, { readonly name: string; readonly color: string }>> = {
  ours: { name: "servable", color: "#2563eb" },
  "greedy-shedding": { name: "greedy, shedding", color: "#16a34a" },
  greedy: { name: "greedy", color: "#d97706" },
  "window-pulled": { name: "10 ms window, pulled", color: "#9333ea" },
  "window-early": { name: "10 ms window, early", color: "#dc2626" },
};

/** Measures goodput under rising load for each rule, and draws it beside the theoretical limit. */
export async function plotGoodput(
  measurements: Measurements,
  shape: Shape,
  rules: readonly RuleName[],
  loads: readonly number[],
  onRule: (rule: RuleName) => void,
): Promise<string> {
  const bound = servableRate(shape);
  const rates = loads.map((load) => load * bound);
  const series: Series[] = [];
  for (const rule of rules) {
    onRule(rule);
    const points: [number, number][] = [[0, 0]];
    for (const rate of rates) {
      const outcomes = await measurements.openLoop({ rule, shape }, rate);
      points.push([rate, median(outcomes.map(({ goodput }) => goodput))]);
    }
    series.push({ ...LABELS[rule], points, dots: true });
  }
  return drawPlot({
    title: `${shape.name}: a batch of n takes ${shape.baseMs} + ${shape.perItemMs}·n ms, n ≤ ${shape.maxSize}, deadline ${shape.deadlineMs} ms`,
    xLabel: "requests per second, Poisson",
    yLabel: "answers in time per second",
    series: [idealSeries(shape, Math.max(...rates)), ...series],
    mark: { x: bound, label: `λ* = ${Math.round(bound)}/s` },
  });
}

function idealSeries(shape: Shape, highest: number): Series {
  const points = Array.from({ length: 201 }, (_, index): [number, number] => {
    const rate = (index / 200) * highest;
    return [rate, idealGoodput(shape, rate)];
  });
  return { name: "ideal: min(λ, G(λ))", color: "#0f172a", dashed: true, points };
}
