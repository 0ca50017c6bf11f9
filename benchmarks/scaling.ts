/**
 * The rule of the autoscaler beside a clairvoyant oracle and the rules of others, in simulation.
 *
 * Six traces, three start times and one or eight requests on a runner give 36 rows. Cost is runner-seconds, starts included,
 * relative to those of an oracle that lets no request wait. All random numbers have fixed seeds, so that each run gives the
 * same figures on every machine.
 *
 * With `--quick` the trace "apps" has one of ten apps, rivals have their defaults, and some rules run on fewer traces.
 * @module
 */
import { writeFile } from "node:fs/promises";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { goalRows, type Outcome, type Tuned } from "./scaling/goals.ts";
import { plotCost } from "./scaling/plot.ts";
import { RIVALS, servable } from "./scaling/products.ts";
import { study, type ScalerFactory, type StudyRow } from "./scaling/study.ts";
import { createTraces, TRACES, type TracedApp, type TraceName } from "./scaling/traces.ts";

const SEED = 1;
/** Rivals have dozens of tunings: they are compared on one of five apps of the trace "apps". */
const COMPARED_APPS = 5;
const QUICK_APPS = 10;

await runBenchmark({
  name: "scaling",
  summary:
    "Cost and waits of the autoscaler's rule, of an oracle's and of other rules, simulated on six traces.",
  plot: "draw attainment against cost, for each rule and tuning, to FILE",
  measure: async ({ quick, svg }) => {
    const traces = createTraces(SEED);
    const outcome = quick ? quickOutcome(traces) : fullOutcome(traces);
    if (svg !== undefined) await writeFile(svg, plotCost(outcome));
    return goalRows(outcome);
  },
});

type Traces = Readonly<Record<TraceName, readonly TracedApp[]>>;

function fullOutcome(traces: Traces): Outcome {
  const compared = withFewerApps(traces, COMPARED_APPS);
  const balanced = run("balanced", traces, servable({}));
  return {
    balanced,
    eager: run("eager", traces, servable({ scaling: "eager" })),
    thrifty: run("thrifty", traces, servable({ scaling: "thrifty" })),
    unknown: run("nothing known", traces, servable({}, "unknown")),
    compared: run("balanced, fewer apps", compared, servable({})),
    rivals: rivals(compared, Infinity, TRACES),
  };
}

function quickOutcome(traces: Traces): Outcome {
  const fewer = withFewerApps(traces, QUICK_APPS);
  const names = TRACES.filter((name) => name !== "flash" && name !== "apps");
  const balanced = run("balanced", fewer, servable({}));
  return {
    balanced,
    eager: run("eager", fewer, servable({ scaling: "eager" })),
    thrifty: run("thrifty", fewer, servable({ scaling: "thrifty" }), names),
    unknown: run("nothing known", fewer, servable({}, "unknown"), names),
    compared: balanced,
    rivals: rivals(fewer, 1, names),
  };
}

function rivals(traces: Traces, tunings: number, names: readonly TraceName[]): Tuned[] {
  return RIVALS.flatMap((rival) =>
    rival.tunings.slice(0, tunings).map((create, tuning) => ({
      name: rival.name,
      tuning,
      rows: run(`${rival.name}, tuning ${tuning}`, traces, create, names),
    })),
  );
}

function run(title: string, traces: Traces, create: ScalerFactory, names?: readonly TraceName[]): StudyRow[] {
  progress(title);
  return study(traces, create, names);
}

/** One of `divisor` apps of the trace "apps", with rates as evenly spread as all. */
function withFewerApps(traces: Traces, divisor: number): Traces {
  const apps = traces.apps.filter((_, index) => index % divisor === Math.floor(divisor / 2));
  return { ...traces, apps };
}
