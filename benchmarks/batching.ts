/**
 * The figures of the batcher and of other rules, compared with the theoretical limits.
 *
 * A batch of n takes `a + b·n` milliseconds on threads that sleep for this time, so that the bounds of `batching/bounds.ts`
 * hold exactly. Server and load generator are separate processes, compiled as in production; each run has a fresh
 * server. In open loop, requests follow a Poisson schedule that is fixed before the first is sent, and latency is measured
 * from the due time of a request, so that a slow server can't reduce its own load. Goodput is the rate of
 * responses with 200 within the deadline from that time.
 *
 * The server knows the deadline, except in closed loop, which measures only throughput, unless the row says so. A rate holds
 * if 99 % are answered in time in one of two runs; low load is measured twice if it misses. A run is repeated
 * if the machine was so busy with other programs that requests were sent late or batches ended late; the number of such
 * runs that had to be used is reported.
 *
 * With `--quick` a row is ok from 0.9 of its target on; the full target is shown. A row that misses is measured
 * again, up to eight times in total. If it still misses in a run for which the machine had no time, or on a machine that is
 * slow for a batcher without a rule as well, it is reported but not judged.
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

/** The loads of the plot, as multiples of λ*. */
const QUICK_LOADS = [0.25, 0.5, 0.8, 1, 1.5, 2, 3];
const FULL_LOADS = [0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 2.5, 3];

await runBenchmark({
  name: "batch",
  summary:
    "Goodput, capacity and latency of the batcher beside the theoretical limits and the rules of others.",
  quickDuration: "less than 4 minutes; 0.9 of a target will do",
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
