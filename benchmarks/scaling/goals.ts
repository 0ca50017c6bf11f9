import { atLeast, atMost, information, type Row } from "../lib/row.ts";
import { geometricMeanOf, meanOf, type StudyRow } from "./study.ts";
import { TRACES } from "./traces.ts";

/** The rows of a rule with one tuning. */
export interface Tuned {
  readonly name: string;
  /** The index of the tuning; 0 is the default. */
  readonly tuning: number;
  readonly rows: readonly StudyRow[];
}

/** The simulated rules. */
export interface Outcome {
  readonly balanced: readonly StudyRow[];
  readonly eager: readonly StudyRow[];
  readonly thrifty: readonly StudyRow[];
  /** The default rule where neither start nor service time is known at the beginning. */
  readonly unknown: readonly StudyRow[];
  /** The default rule on the traces of the rivals. */
  readonly compared: readonly StudyRow[];
  readonly rivals: readonly Tuned[];
}

/** Differences of cost and of attainment that are too small to call one rule better. */
const COST_NOISE = 0.005;
const ATTAINMENT_NOISE = 0.002;
/** A rule that lets more requests wait for longer than a start is not a rival. */
const RIVAL_WITHIN_START = 0.97;

/** The figures with the goals of the rule, and those of rivals with their defaults. */
export function goalRows({ balanced, eager, thrifty, unknown, compared, rivals }: Outcome): Row[] {
  const cost = (row: StudyRow): number => row.cost;
  const worst = (rows: readonly StudyRow[], figure: (row: StudyRow) => number): number =>
    Math.min(...rows.map(figure));
  const highest = (rows: readonly StudyRow[]): number => Math.max(...rows.map(cost));
  const flash = balanced.filter(({ trace }) => trace === "flash");
  return [
    atMost("cost ÷ oracle's, geometric mean", geometricMeanOf(balanced, cost), "ratio", 1.02),
    atMost("cost ÷ oracle's, dearest row", highest(balanced), "ratio", 1.4),
    atMost("cost ÷ oracle's, flash crowd, dearest row", highest(flash), "ratio", 1.2),
    atLeast(
      "begun within a start and 1 s, worst row",
      worst(balanced, (row) => row.withinStart),
      "share",
      0.99,
    ),
    atLeast(
      "begun within 1.5 starts and 1 s, worst row of apps",
      worst(balanced, (row) => row.withinLongStart),
      "share",
      0.99,
    ),
    atLeast("begun within 1 s, mean without the flash crowd", attainmentOf(balanced), "share", 0.84),
    atLeast("eager: begun within 1 s, mean without the flash crowd", attainmentOf(eager), "share", 0.92),
    atMost("eager: cost ÷ oracle's, dearest row", highest(eager), "ratio", 1.96),
    atMost(
      "rivals that are better in both on the mean of a trace",
      betterOnTraces(compared, rivals),
      "traces",
      0,
    ),
    atMost("rows with a rival that is better in both", betterRows(compared, rivals), "rows", 2),
    ...[
      { name: "thrifty", rows: thrifty },
      { name: "nothing known at the beginning", rows: unknown },
      ...rivals.filter(({ tuning }) => tuning === 0),
    ].flatMap(({ name, rows }) => [
      information(`${name}: cost ÷ oracle's, geometric mean`, geometricMeanOf(rows, cost), "ratio"),
      information(`${name}: begun within 1 s, mean without the flash crowd`, attainmentOf(rows), "share"),
    ]),
  ];
}

/** The mean share of requests that began within 1 s, without the flash crowd, which no rule but the oracle foresees. */
export function attainmentOf(rows: readonly StudyRow[]): number {
  return meanOf(withoutFlash(rows), (row) => row.within1s);
}

/** The geometric mean of the cost over the same rows. */
export function costOf(rows: readonly StudyRow[]): number {
  return geometricMeanOf(withoutFlash(rows), (row) => row.cost);
}

function withoutFlash(rows: readonly StudyRow[]): StudyRow[] {
  return rows.filter(({ trace }) => trace !== "flash");
}

function betterOnTraces(ours: readonly StudyRow[], rivals: readonly Tuned[]): number {
  return TRACES.filter((name) => {
    const mine = ours.filter(({ trace }) => trace === name);
    return rivals.some(({ rows }) => {
      const theirs = rows.filter(({ trace }) => trace === name);
      if (theirs.length === 0) return false;
      const isCheaper = meanOf(theirs, ({ cost }) => cost) < meanOf(mine, ({ cost }) => cost);
      return (
        isCheaper && meanOf(theirs, ({ within1s }) => within1s) > meanOf(mine, ({ within1s }) => within1s)
      );
    });
  }).length;
}

function betterRows(ours: readonly StudyRow[], rivals: readonly Tuned[]): number {
  const all = rivals
    .flatMap(({ rows }) => rows)
    .filter(({ withinStart }) => withinStart >= RIVAL_WITHIN_START);
  return ours.filter((mine) =>
    all.some(
      (row) =>
        row.trace === mine.trace &&
        row.startSeconds === mine.startSeconds &&
        row.slots === mine.slots &&
        row.cost < mine.cost - COST_NOISE &&
        row.within1s > mine.within1s + ATTAINMENT_NOISE,
    ),
  ).length;
}
