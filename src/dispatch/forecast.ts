import type { BatchLimits } from "./batch-plan.ts";
import type { Executors } from "./slots.ts";
import type { ServiceModel } from "./service-model.ts";

/** Lower bound of a batch's cost, so that items with a cost of 0 do not cause a division by 0. */
const LEAST_COST = 1e-6;

/** Assumed time until an executor is available while there is none, in milliseconds. */
const RESTART_MS = 1000;

/** Safety margin of admission, in standard deviations of the time of all runs until the answer. */
const ADMISSION_CAUTION = 1.3;
/** Safety margin of the next batch's size. Larger, so that few admitted jobs miss their deadline. */
const ROOM_CAUTION = 1.6;

/** The state of a dispatcher when a job arrives. */
export interface Outlook {
  readonly now: number;
  readonly executors: Pick<Executors, "capacity" | "freeAt">;
  /** Number and cost of the jobs queued before the new one. */
  readonly ahead: { readonly count: number; readonly cost: number };
  /** Deadline of the first queued job; Infinity for none. */
  readonly firstFinishBy: number;
  /** Arrivals per millisecond, including rejected jobs. */
  readonly rate: number;
  /** Average cost of a job. */
  readonly unitCost: number;
}

/** The predicted times of a job that arrives now. */
export interface Forecast {
  /** Start of its batch. */
  readonly start: number;
  /** End of its batch, at a high quantile. */
  readonly finish: number;
  /** The expected end of its batch. */
  readonly mean: number;
}

/**
 * Predicts when a job of a given cost would run and be answered if it were queued now.
 *
 * The size of its batch matters most. A batch is limited so that it meets the earliest deadline in it, so a job
 * admitted with little time left makes the batch small for all others. Under overload, rejecting such jobs serves the
 * most requests: throughput is highest if only jobs that arrive within `L - s` of the batch's start are admitted, where
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
  if (count === 0) return { start: now + RESTART_MS, finish: now, mean: now };
  const firstStart = executors.freeAt(0, now);
  // The earliest deadline limits the size of the next batch; jobs that do not fit run after it.
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
  // Runs until the answer: the current one, those in between, and the job's own.
  const runs = rounds + (start > now ? 2 : 1);
  const finish = start + model.predictHigh(batchCost, ADMISSION_CAUTION * Math.sqrt(runs));
  return { start, finish, mean: start + model.predict(batchCost) };
}

/**
 * The highest rate, in units of cost per millisecond, at which all jobs with this time limit can be answered in time by N
 * executors: `N · (1 - fixed · (1 + 1/N) / limit) / perUnit`, and at most that of full batches.
 */
export function servableRate(
  model: ServiceModel,
  limits: BatchLimits,
  unitCost: number,
  executors: number,
  limitMs: number,
): number {
  const fullCost = Math.max(Math.min(limits.maxSize * unitCost, limits.maxCost), LEAST_COST);
  const inTime = (1 - (model.fixed * (1 + 1 / executors)) / limitMs) / model.perUnit;
  return Math.max(0, executors * Math.min(inTime, fullCost / model.predict(fullCost)));
}

/** The cost of a batch that maximises throughput under overload with a time limit. */
function idealCost(model: ServiceModel, costRate: number, limitMs: number): number {
  const { fixed, perUnit } = model;
  const time = (fixed + costRate * perUnit * limitMs) / (1 + costRate * perUnit);
  return costRate * Math.max(0, limitMs - time);
}

/** The cost of a batch if N executors share the load evenly: a run takes `fixed / (1 - rate · perUnit / N)`. */
function steadyCost({ fixed, perUnit }: ServiceModel, costRate: number, executors: number): number {
  const busy = (costRate * perUnit) / executors;
  return busy < 1 ? ((costRate / executors) * fixed) / (1 - busy) : Infinity;
}
