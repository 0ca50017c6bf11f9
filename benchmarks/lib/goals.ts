import type { Row } from "./row.ts";

/** A benchmark whose targets CI holds. */
export interface Goal {
  /** As in `npm run bench:NAME`. */
  readonly name: string;
  /**
   * The share of a target that a row must reach: short runs on a machine with other work are rough. Undefined: the
   * benchmark itself has made allowances for that.
   */
  readonly share?: number;
  /** The duration of `--quick`, in seconds. */
  readonly seconds: number;
  /** Names of rows that are printed only: other work on the machine decides about them more than the code. */
  readonly unheld?: RegExp;
  /** Rows that do not reach the share of their target yet, with the reason. They are printed, and do not fail. */
  readonly known?: Readonly<Record<string, string>>;
}

/** A row that does not reach the required share of its target. */
export interface Miss {
  readonly name: string;
  /** Undefined if the row fails. */
  readonly reason: string | undefined;
}

/**
 * Chooses the benchmarks of one run: as many as fit into the budget, at least one, from a place that the commit
 * determines.
 * @param commit the commit's hash
 */
export function chooseGoals(goals: readonly Goal[], commit: string, budgetSeconds: number): Goal[] {
  const start = Number.parseInt(commit.slice(0, 8), 16) % goals.length;
  const inTurn = [...goals.slice(start), ...goals.slice(0, start)];
  const chosen: Goal[] = [];
  let left = budgetSeconds;
  for (const [index, goal] of inTurn.entries()) {
    if (index > 0 && goal.seconds > left) break;
    chosen.push(goal);
    left -= goal.seconds;
  }
  return chosen;
}

/** The rows that do not reach the required share of their target. */
export function missesOf({ share, unheld, known = {} }: Goal, rows: readonly Row[]): Miss[] {
  return rows
    .filter((row) => unheld?.test(row.name) !== true && !reaches(row, share))
    .map(({ name }) => ({ name, reason: Object.hasOwn(known, name) ? known[name] : undefined }));
}

/**
 * Decides about a benchmark that was measured once, or twice if the first run had a miss or no rows.
 * @param runs the rows of each run; undefined for a run that failed
 * @returns faults, each a line for a reader; empty if the goals hold. A row fails if it misses in each run.
 */
export function faultsOf(goal: Goal, runs: readonly (readonly Row[] | undefined)[]): string[] {
  const measured = runs.filter((rows) => rows !== undefined);
  const [first] = measured;
  if (first === undefined) return [`bench:${goal.name} could not be measured`];
  const names = new Set(first.map(({ name }) => name));
  const stale = Object.keys(goal.known ?? {}).filter((name) => !names.has(name));
  const failing = measured
    .map((rows) => missesOf(goal, rows).filter(({ reason }) => reason === undefined))
    .reduce((before, misses) => before.filter(({ name }) => misses.some((miss) => miss.name === name)));
  return [
    ...stale.map(
      (name) => `bench:${goal.name} has no row "${name}": correct the name in scripts/hold-goals.ts`,
    ),
    ...failing.map(
      ({ name }) => `bench:${goal.name}: "${name}" is below ${goal.share ?? "its share"} of its target`,
    ),
  ];
}

/** Known rows that reach their share by now: their exception can be removed. */
export function reachedExceptions(goal: Goal, rows: readonly Row[]): string[] {
  const names = Object.keys(goal.known ?? {});
  return rows.filter((row) => names.includes(row.name) && reaches(row, goal.share)).map(({ name }) => name);
}

/** @throws Error for a target that is not a bound, of a benchmark with a share */
function reaches({ name, figure, target, ok }: Row, share: number | undefined): boolean {
  if (target === null) return true;
  if (share === undefined) return ok;
  const [, direction, bound] = /^([≥≤]) (-?[\d.]+)$/.exec(target) ?? [];
  if (bound === undefined) throw new Error(`The target of "${name}" is not a bound: ${target}`);
  return direction === "≥" ? figure >= Number(bound) * share : figure <= Number(bound) / share;
}
