/**
 * How near the batcher comes to what is possible, and how near the rules of others come.
 *
 * A batch of n takes `a + b·n` milliseconds on threads that sleep as long, so that the bounds of `batching/bounds.ts`
 * hold exactly. Server and load generator are processes of their own, compiled as in production; each run has a fresh
 * server. In open loop requests follow a Poisson schedule that is fixed before the first is sent, and a latency counts
 * from the time a request was due, so that a server that is slow to answer can't slow its own load. Goodput is what is
 * answered with 200 within the deadline of that time.
 *
 * The server knows of the deadline, but in closed loop, where throughput alone is asked for. A rate counts as held
 * when 99 % are answered in time in one of two runs, and low load is measured twice when it misses. A run in which the machine was too busy with other things, so
 * that requests were sent or batches ended late, is repeated; how many had to be counted nevertheless is told.
 *
 * With `--quick` a row is ok from 0.9 of its target on; the target shown is the whole one. What misses is measured
 * again, up to eight times in all. What then misses in a run for which the machine had no time, or on a machine on which
 * a batcher without a rule is slow as well, is reported but not judged.
 * @module
 */
import { writeFile } from "node:fs/promises";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { information, type Row } from "./lib/row.ts";
import { RULES } from "./batching/configuration.ts";
import { Goals } from "./batching/goals.ts";
import { plotGoodput } from "./batching/goodput-plot.ts";
import { Harness } from "./batching/harness.ts";
import { Measurements, type Plan } from "./batching/measurements.ts";
import { measureRivals } from "./batching/rival-rows.ts";
import { S1 } from "./batching/shape.ts";

const QUICK: Plan = {
  warmUpMs: 1_300,
  measuredMs: 1_800,
  judgedRequests: 1_000,
  repetitions: 1,
  phaseMs: 3_500,
  tolerance: 0.9,
  chances: 8,
};
const FULL: Plan = {
  warmUpMs: 1_500,
  measuredMs: 3_500,
  judgedRequests: 3_000,
  repetitions: 3,
  phaseMs: 8_000,
  tolerance: 1,
  chances: 0,
};

/** For the plot, in λ*. */
const QUICK_LOADS = [0.25, 0.5, 0.8, 1, 1.5, 2, 3];
const FULL_LOADS = [0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 2.5, 3];

await runBenchmark({
  name: "batch",
  summary:
    "Goodput, capacity and latency of the batcher beside the theoretical limits and the rules of others.",
  quickDuration: "less than 3 minutes; 0.9 of a target will do",
  plot: "also measure goodput against load and draw it to FILE, with the rivals' and the ideal",
  measure: async ({ quick, svg }) => {
    progress("compiling the package and the servers");
    await using harness = await Harness.create(quick ? 10_000 : 240_000);
    const plan = quick ? QUICK : FULL;
    const goals = new Goals(harness, plan);
    const rows: Row[] = [...(await goals.measure(quick)), ...(await measureRivals(harness, plan, quick))];
    if (svg !== undefined) {
      const measurements = new Measurements(harness, { ...plan, repetitions: 1 });
      const drawing = await plotGoodput(measurements, S1, RULES, quick ? QUICK_LOADS : FULL_LOADS, (rule) =>
        progress(`plot: ${rule}`),
      );
      await writeFile(svg, drawing);
    }
    const share = harness.noisyRuns / harness.runs;
    return [
      ...rows,
      information("runs counted though the machine was busy", share, "ratio"),
      information("figures not judged, since it was", goals.unjudged, "rows"),
    ];
  },
});
