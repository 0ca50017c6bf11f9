import type { Job } from "./job.ts";
import type { ServiceModel } from "./service-model.ts";
import type { JobQueue } from "./job-queue.ts";

/** What a batch may hold. */
export interface BatchLimits {
  readonly maxSize: number;
  /** The sum of its items' costs; an item that costs more goes by itself. */
  readonly maxCost: number;
}

/** Why a batch holds no more: it is full by count or cost, nothing waits that may join, or the oldest's deadline. */
export type BatchReason = "size" | "cost" | "drained" | "group" | "deadline" | "retry";

/** What to do with those who wait, now that an executor is free. */
export interface BatchPlan<T> {
  /** One batch; empty when there is nothing to run. */
  readonly take: readonly Job<T>[];
  readonly cost: number;
  /** Jobs that can't be answered in time any more. */
  readonly shed: readonly Job<T>[];
  readonly reason: BatchReason;
}

/** So many standard deviations of a run's time are reckoned with where the deadline of somebody in it is at stake. */
const CAUTION = 1.3;

/** What a cut goes by. */
export interface PlanConditions {
  readonly limits: BatchLimits;
  readonly model: ServiceModel;
  readonly now: number;
  /** From the end of a run until its answers are out, in milliseconds. */
  readonly answerMs: number;
  /** What arrives, in units of cost per millisecond. */
  readonly costRate: number;
  /** When the next executor is expected to be free, if there are others; else Infinity. */
  readonly nextFreeAt: () => number;
}

/**
 * Cuts the next batch: first come first served within priority, up to the limits, one group, and no larger than lets
 * the first deadline in it be kept. What could not be answered in time even alone is shed.
 *
 * When the first deadlines allow only a part of those who wait, the rest goes into the next batch, if it can be kept
 * there too, with what will have arrived by then. If it can't, somebody has to be let down: those whose deadlines make
 * batches small, since small batches would let down all who come after.
 */
export function planBatch<T>(queue: JobQueue<T>, conditions: PlanConditions): BatchPlan<T> {
  const { model, now, answerMs } = conditions;
  const shed: Job<T>[] = [];
  const alive: Job<T>[] = [];
  let reason: BatchReason = "drained";
  let room = Infinity;
  for (const job of queue) {
    if (isHopeless(job, conditions)) {
      shed.push(job);
      continue;
    }
    const refusal =
      alive[0] === undefined ? undefined : misfit(job, alive[0], alive.length, room, conditions);
    if (refusal === "group") {
      reason = "group";
      continue;
    }
    if (refusal !== undefined) {
      reason = refusal;
      break;
    }
    if (alive.length === 0) room = conditions.limits.maxCost;
    alive.push(job);
    room -= job.cost;
    if (job.retried) {
      reason = "retry";
      break;
    }
  }
  const fit = fitting(alive, 0, conditions);
  if (fit.count === alive.length) return { take: alive, cost: fit.cost, shed, reason };
  const next = alive[fit.count] as Job<T>;
  const left = alive.slice(fit.count).reduce((sum, job) => sum + job.cost, 0);
  const start = Math.min(now + model.predictHigh(fit.cost, CAUTION), Math.max(now, conditions.nextFreeAt()));
  const full = Math.min(conditions.limits.maxCost, conditions.limits.maxSize * (fit.cost / fit.count));
  const joined = Math.min(left + conditions.costRate * (start - now), full);
  if (start + model.predictHigh(joined, CAUTION) + answerMs <= next.finishBy) {
    return { take: alive.slice(0, fit.count), cost: fit.cost, shed, reason: "deadline" };
  }
  // Without the oldest, the others fit.
  let best = { from: 0, ...fit };
  for (let from = 1; from < alive.length && alive.length - from > best.count; from++) {
    // Who can wait for ever makes no batch small, and is not overtaken either.
    if (alive[from - 1]?.finishBy === Infinity) break;
    const other = fitting(alive, from, conditions);
    if (other.count > best.count) best = { from, ...other };
  }
  const take = alive.slice(best.from, best.from + best.count);
  const others = [...alive.slice(0, best.from), ...alive.slice(best.from + best.count)];
  const letDown = others.filter((job) => job.finishBy < Infinity);
  return { take, cost: best.cost, shed: [...shed, ...letDown], reason: "deadline" };
}

/** Why a job can't join the batch of the first, if it can't. */
function misfit<T>(
  job: Job<T>,
  first: Job<T>,
  size: number,
  room: number,
  { limits }: PlanConditions,
): "size" | "retry" | "group" | "cost" | undefined {
  if (size >= limits.maxSize) return "size";
  if (job.retried) return "retry";
  if (job.group !== first.group) return "group";
  return job.cost > room ? "cost" : undefined;
}

/** How many from an index on can run together so that the first deadline among them is kept. */
function fitting<T>(
  jobs: readonly Job<T>[],
  from: number,
  { model, now, answerMs }: PlanConditions,
): { count: number; cost: number } {
  let cost = 0;
  let finishBy = Infinity;
  let count = 0;
  for (let index = from; index < jobs.length; index++) {
    const job = jobs[index] as Job<T>;
    const soonest = Math.min(finishBy, job.finishBy);
    const isLate = now + model.predictHigh(cost + job.cost, CAUTION) + answerMs > soonest;
    if (count > 0 && isLate && soonest < Infinity) break;
    cost += job.cost;
    finishBy = soonest;
    count++;
  }
  return { count, cost };
}

/** Whether a job can't be answered in time any more, even if it were run at once by itself. */
function isHopeless<T>(job: Job<T>, { model, now, answerMs }: PlanConditions): boolean {
  if (job.lastStart <= now) return true;
  if (job.finishBy === Infinity || model.runs === 0) return false;
  return now + model.predict(job.cost) + answerMs > job.finishBy;
}
