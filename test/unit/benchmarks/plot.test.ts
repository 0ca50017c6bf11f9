import assert from "node:assert/strict";
import { test } from "node:test";
import { drawPlot, ticks } from "../../../benchmarks/lib/plot.ts";

test("axes run from 0 to a round value that is at least the maximum", () => {
  assert.deepEqual(ticks(720), [0, 100, 200, 300, 400, 500, 600, 700, 800]);
  assert.deepEqual(ticks(1800), [0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 1800]);
  assert.deepEqual(ticks(1), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
  assert.deepEqual(ticks(0), [0, 0.1]);
});

test("a plot draws each series, names it in the legend and labels its axes", () => {
  const svg = drawPlot({
    title: "n ≤ 64 & L < 100",
    xLabel: "load",
    yLabel: "goodput",
    series: [
      {
        name: "ideal",
        color: "#000000",
        dashed: true,
        points: [
          [0, 0],
          [10, 10],
        ],
      },
      {
        name: "ours",
        color: "#2563eb",
        dots: true,
        points: [
          [0, 0],
          [5, 4],
          [10, 9],
        ],
      },
    ],
    mark: { x: 6, label: "λ*" },
  });
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" /);
  assert.equal(svg.match(/<polyline /g)?.length, 2);
  assert.equal(svg.match(/<circle /g)?.length, 3);
  assert.match(svg, /n ≤ 64 &amp; L &lt; 100/);
  for (const text of ["load", "goodput", "ideal", "ours", "λ*"]) assert.ok(svg.includes(`>${text}</text>`));
});

test("the largest value lies inside the plot, the origin at the corner of the axes", () => {
  const svg = drawPlot({
    title: "t",
    xLabel: "x",
    yLabel: "y",
    series: [
      {
        name: "line",
        color: "#000000",
        points: [
          [0, 0],
          [1, 1],
        ],
      },
    ],
  });
  assert.match(svg, /<polyline points="76\.0,436\.0 640\.0,56\.0"/);
});
