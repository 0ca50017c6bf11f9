import { progress } from "../lib/benchmark.ts";
import { information, type Row } from "../lib/row.ts";
import { median } from "../lib/statistics.ts";
import { servableRate } from "./bounds.ts";
import { RULES } from "./configuration.ts";
import { LABELS } from "./goodput-plot.ts";
import type { Harness } from "./harness.ts";
import { Measurements, type Plan } from "./measurements.ts";
import { highestRate } from "./search.ts";
import { S1 } from "./shape.ts";

/** Rivals have no targets, so that rougher figures are sufficient. */
const LONGEST = { measuredMs: 2_500, judgedRequests: 2_000 };

/** The figures of other rules on S1 under the same harness. */
export async function measureRivals(harness: Harness, plan: Plan, quick: boolean): Promise<Row[]> {
  const measurements = new Measurements(harness, {
    ...plan,
    repetitions: 1,
    measuredMs: Math.min(plan.measuredMs, LONGEST.measuredMs),
    judgedRequests: Math.min(plan.judgedRequests, LONGEST.judgedRequests),
  });
  const rows: Row[] = [];
  for (const rule of RULES) {
    if (rule === "ours") continue;
    const subject = { rule, shape: S1 };
    const { name } = LABELS[rule];
    progress(`rival: ${name}`);
    if (!quick) {
      const bound = servableRate(S1);
      const holds = (rate: number): Promise<boolean> => measurements.holds(subject, rate);
      const rate = await highestRate({ from: 0.05 * bound, to: bound, steps: 5, holds });
      rows.push(information(`${name}: highest rate with 99 % within 100 ms on S1`, rate, "requests/s"));
    }
    for (const clients of quick ? [] : [8, 16, 48]) {
      const share = await measurements.closedLoop(subject, clients);
      rows.push(information(`${name}: closed loop on S1, ${clients} clients / ideal`, share, "ratio"));
    }
    const outcomes = await measurements.openLoop(subject, 3 * servableRate(S1));
    const goodput = median(outcomes.map((outcome) => outcome.goodput));
    rows.push(information(`${name}: goodput on S1 at 3 λ*`, goodput, "requests/s"));
  }
  return rows;
}
