import { ERRORS } from "../errors.ts";
import type { ArrivalRate } from "./arrival-rate.ts";
import type { BatchLimits } from "./batch-plan.ts";
import { forecast, servableRate, type Forecast } from "./forecast.ts";
import type { JobRequest } from "./job.ts";
import type { JobQueue } from "./job-queue.ts";
import type { Refusal } from "./refusal.ts";
import type { ServiceModel } from "./service-model.ts";
import type { Executors } from "./slots.ts";

/** Maximum number of queued jobs, and the sum of their bytes. */
export interface QueueLimits {
  readonly count: number;
  readonly bytes: number;
}

/** Little load, as a share of the highest rate that can be served in time. Half, and a margin for the measured rate. */
const LITTLE_LOAD = 0.65;
/** Number of runs from which on the cost model is reliable. */
const KNOWN_RUNS = 8;

/** The parts of {@link Admission}. */
interface AdmissionParts<T> {
  readonly limits: BatchLimits;
  readonly most: QueueLimits;
  readonly overloadStatus: 429 | 503 | undefined;
  readonly executors: Executors;
  readonly queue: JobQueue<T>;
  readonly model: ServiceModel;
  readonly rate: ArrivalRate;
}

/** Decides which jobs are accepted when they arrive: those that fit into the queue and can meet their deadlines. */
export class Admission<T> {
  /** Average cost of a job. */
  unitCost = 1;
  /** Average time from the end of a run until its answers are handed on, in milliseconds. */
  answerMs = 0;
  readonly #parts: AdmissionParts<T>;

  constructor(parts: AdmissionParts<T>) {
    this.#parts = parts;
  }

  /** The reason to refuse a job that arrives now; undefined: it is accepted. */
  refusal(request: Omit<JobRequest<T>, "value">, now: number): Refusal | undefined {
    const { limits, most, executors, queue, model } = this.#parts;
    const { finishBy = Infinity, arrivedAt = now, bytes = 0, cost = this.unitCost } = request;
    // Queued jobs that free executors will take at the end of this turn do not count towards the limit.
    const room = executors.free * limits.maxSize;
    if (limits.maxSize === 1 ? queue.length < room : queue.length === 0 && room > 0) return undefined;
    if (queue.length >= most.count + room || queue.bytes + bytes > most.bytes) {
      const message = "Too many requests wait already; try again later.";
      return this.refuse(message, "QUEUE_FULL", this.#forecast(request, now).start - now);
    }
    if (finishBy === Infinity || model.runs === 0) return undefined;
    const { start, finish, mean } = this.#forecast(request, now);
    // Counted twice: reading the request took time that was not measured, most likely as much as sending its answer
    // will take.
    if (finish + 2 * this.answerMs <= finishBy) return undefined;
    // At first, the times of large batches are a guess.
    if (model.runs < KNOWN_RUNS && start + model.predict(cost) <= finishBy) return undefined;
    if (mean <= finishBy && this.#isLittleLoad(finishBy - arrivedAt, now)) return undefined;
    return this.refuse("The answer could not come in time; try again later.", "OVERLOADED", start - now);
  }

  /** A refusal, with the status for a lack of capacity. */
  refuse(message: string, code: Refusal["code"], retryAfterMs: number): Refusal {
    return { message, code, status: this.#parts.overloadStatus ?? ERRORS[code].status, retryAfterMs };
  }

  /** Whether so few jobs arrive that caution is not needed: one that takes longer than expected makes few others late. */
  #isLittleLoad(limitMs: number, now: number): boolean {
    const { limits, executors, model, rate } = this.#parts;
    const servable = servableRate(model, limits, this.unitCost, executors.capacity, limitMs);
    return rate.at(now) * this.unitCost <= LITTLE_LOAD * servable;
  }

  #forecast(request: Omit<JobRequest<T>, "value">, now: number): Forecast {
    const { limits, executors, queue, model, rate } = this.#parts;
    const outlook = {
      ...{ now, executors, rate: rate.at(now), unitCost: this.unitCost },
      ahead: queue.ahead({ priority: request.priority ?? "normal" }),
      firstFinishBy: queue.first?.finishBy ?? Infinity,
    };
    const limitMs = (request.finishBy ?? Infinity) - (request.arrivedAt ?? now);
    return forecast(outlook, request.cost ?? this.unitCost, limits, model, limitMs);
  }
}
