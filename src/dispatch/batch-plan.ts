import type { Job } from "./job.ts";
import type { ServiceModel } from "./service-model.ts";
import type { JobQueue } from "./job-queue.ts";

/** The limits of a batch. */
export interface BatchLimits {
  readonly maxSize: number;
  /** Maximum sum of its items' costs. An item that costs more runs alone. */
  readonly maxCost: number;
}

/** The limit that ended a batch: its count or cost, an empty queue, another group, a deadline, or a retried job. */
export type BatchReason = "size" | "cost" | "drained" | "group" | "deadline" | "retry";

/** The decision on the queued jobs when an executor is free. */
export interface BatchPlan<T> {
  /** The jobs to run as one batch; empty if there is nothing to run. */
  readonly take: readonly Job<T>[];
  readonly cost: number;
  /** Jobs to reject, because they would miss their deadline. */
  readonly shed: readonly Job<T>[];
  readonly reason: BatchReason;
}

/** Safety margin for deadlines, in standard deviations of a run's time. */
const CAUTION = 1.3;

/** The inputs of {@link planBatch}. */
export interface PlanConditions {
  readonly limits: BatchLimits;
  readonly model: ServiceModel;
  readonly now: number;
  /** Time from the end of a run until its answers are sent, in milliseconds. */
  readonly answerMs: number;
  /** Arrival rate, in units of cost per millisecond. */
  readonly costRate: number;
  /** Expected time at which another executor is free; Infinity if there is only one. */
  readonly nextFreeAt: () => number;
}

/**
 * Plans the next batch: first come, first served within each priority, one group, within the limits, and small enough
 * to meet the earliest deadline in it. Jobs that would miss their deadline even when run alone are shed.
 *
 * If deadlines allow only some of the queued jobs, the rest form the next batch, provided that they meet their
 * deadlines there, together with the jobs expected to arrive by then. Otherwise some jobs must be shed: those whose
 * deadlines make batches small, since small batches reduce the throughput for all later jobs.
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
  // Shed the oldest jobs if that lets more of the others run.
  let best = { from: 0, ...fit };
  for (let from = 1; from < alive.length && alive.length - from > best.count; from++) {
    // A job without a deadline does not limit the size of a batch, and is not overtaken.
    if (alive[from - 1]?.finishBy === Infinity) break;
    const other = fitting(alive, from, conditions);
    if (other.count > best.count) best = { from, ...other };
  }
  const take = alive.slice(best.from, best.from + best.count);
  const others = [...alive.slice(0, best.from), ...alive.slice(best.from + best.count)];
  const letDown = others.filter((job) => job.finishBy < Infinity);
  return { take, cost: best.cost, shed: [...shed, ...letDown], reason: "deadline" };
}

/** The reason why a job cannot join a batch that starts with `first`; undefined if it can. */
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

/** Number of jobs, from an index on, that can run together and meet the earliest deadline among them. */
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

/** Whether a job would miss its deadline even if it ran alone immediately. */
function isHopeless<T>(job: Job<T>, { model, now, answerMs }: PlanConditions): boolean {
  if (job.lastStart <= now) return true;
  if (job.finishBy === Infinity || model.runs === 0) return false;
  return now + model.predict(job.cost) + answerMs > job.finishBy;
}
