import { drawPlot, type Series } from "../lib/plot.ts";
import { attainmentOf, costOf, type Outcome } from "./goals.ts";
import { RIVALS } from "./products.ts";
import type { StudyRow } from "./study.ts";

/** Draws each rule as a line through its tunings, from the cheapest to the dearest: up is better, and left is better. */
export function plotCost({ balanced, eager, thrifty, rivals }: Outcome): string {
  const series = RIVALS.map(({ name, color }): Series => {
    const rows = rivals.filter((rival) => rival.name === name).map((rival) => rival.rows);
    return { name, color, points: pointsOf(rows), dots: true };
  });
  return drawPlot({
    title: "Requests that begin within 1 s, against cost",
    xLabel: "runner-seconds ÷ those of the oracle, geometric mean",
    yLabel: "share of requests",
    origin: { x: 0, y: 0.4 },
    series: [
      { name: "servable", color: "#2563eb", points: pointsOf([thrifty, balanced, eager]), dots: true },
      ...series,
    ],
    mark: { x: 1, label: "oracle: all requests" },
  });
}

function pointsOf(tunings: readonly (readonly StudyRow[])[]): [number, number][] {
  return tunings
    .map((rows): [number, number] => [costOf(rows), attainmentOf(rows)])
    .toSorted(([a], [b]) => a - b);
}
