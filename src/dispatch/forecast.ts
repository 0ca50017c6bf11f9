import type { BatchLimits } from "./batch-plan.ts";
import type { Executors } from "./slots.ts";
import type { ServiceModel } from "./service-model.ts";

/** What the batches that go ahead are counted by, where items cost nothing. */
const LEAST_COST = 1e-6;

/** How long it may take until there is an executor, while there is none, in milliseconds: nobody knows. */
const RESTART_MS = 1000;

/** So many standard deviations are reckoned with when somebody asks to be let in, of all the runs until the answer. */
const ADMISSION_CAUTION = 1.3;
/** The same where the next batch might be too small for one more: more, so that few who were let in are let down. */
const ROOM_CAUTION = 1.6;

/** Where a dispatcher stands when something new arrives. */
export interface Outlook {
  readonly now: number;
  readonly executors: Pick<Executors, "capacity" | "freeAt">;
  /** What waits before the new job: how many, and their costs. */
  readonly ahead: { readonly count: number; readonly cost: number };
  /** When the first of all that wait is due; Infinity for never. */
  readonly firstFinishBy: number;
  /** Offered jobs per millisecond, refused ones included. */
  readonly rate: number;
  /** The usual cost of a job. */
  readonly unitCost: number;
}

/** When a job that arrives now would be answered. */
export interface Forecast {
  /** When its batch would start. */
  readonly start: number;
  /** When it would end, at a high quantile. */
  readonly finish: number;
}

/**
 * Predicts when a job of some cost would run and be answered, if it joined the line now.
 *
 * The size of its batch is what matters: a batch is cut so that the first deadline in it is kept, so a job that is
 * accepted with little time left makes the batch small for everybody. Under overload such a job is better refused:
 * the most is served when those are accepted who arrive within `L - s` of the cut, which gives
 * `s = (fixed + rate · perUnit · L) / (1 + rate · perUnit)` for a time limit L.
 */
export function forecast(
  outlook: Outlook,
  cost: number,
  limits: BatchLimits,
  model: ServiceModel,
  limitMs: number,
): Forecast {
  const { now, executors, ahead, rate, unitCost } = outlook;
  const count = executors.capacity;
  const fullCost = Math.max(Math.min(limits.maxSize * unitCost, limits.maxCost), LEAST_COST);
  if (count === 0) return { start: now + RESTART_MS, finish: now };
  const firstStart = executors.freeAt(0, now);
  // The next batch is as large as the first deadline in it allows; what has no room in it goes after it.
  const nextRoom = model.costWithin(outlook.firstFinishBy - firstStart, ROOM_CAUTION);
  const nextCost = Math.max(0, Math.min(fullCost, nextRoom));
  const inNext = ahead.cost + cost <= nextCost + 1e-9;
  const batchesAhead = inNext ? 0 : 1 + Math.floor(Math.max(0, ahead.cost - nextCost) / fullCost + 1e-9);
  const executor = count === Infinity ? batchesAhead : batchesAhead % count;
  const rounds = Math.floor(batchesAhead / count);
  const start =
    executors.freeAt(executor, now) + rounds * model.predict(batchesAhead === 1 ? nextCost : fullCost);
  const withMe = inNext
    ? ahead.cost + cost
    : Math.max(cost, ahead.cost + cost - nextCost - (batchesAhead - 1) * fullCost);
  let batchCost = withMe;
  if (limitMs < Infinity && start > now) {
    const costRate = rate * unitCost;
    const joining = withMe + costRate * (start - now);
    const ideal = idealCost(model, costRate, limitMs);
    const steady = steadyCost(model, costRate, count);
    batchCost = Math.max(withMe, Math.min(fullCost, joining, ideal, steady));
  }
  // One that runs now, those between, and its own.
  const runs = rounds + (start > now ? 2 : 1);
  return { start, finish: start + model.predictHigh(batchCost, ADMISSION_CAUTION * Math.sqrt(runs)) };
}

/** The cost of a batch that serves the most, when more is offered than can be served within a time limit. */
function idealCost(model: ServiceModel, costRate: number, limitMs: number): number {
  const { fixed, perUnit } = model;
  const time = (fixed + costRate * perUnit * limitMs) / (1 + costRate * perUnit);
  return costRate * Math.max(0, limitMs - time);
}

/** The cost of a batch when several executors share what comes evenly: `fixed / (1 - rate · perUnit / N)` a run. */
function steadyCost({ fixed, perUnit }: ServiceModel, costRate: number, executors: number): number {
  const busy = (costRate * perUnit) / executors;
  return busy < 1 ? ((costRate / executors) * fixed) / (1 - busy) : Infinity;
}
