import { QueueTimeoutException, RequestTimeoutException } from "../errors.ts";
import { Admission, type QueueLimits } from "./admission.ts";
import { ArrivalRate } from "./arrival-rate.ts";
import { Failure, BatchRun, type RunSignal } from "./batch-run.ts";
import { BatchHint } from "./batch-hint.ts";
import type { Clock } from "./clock.ts";
import { planBatch, type BatchLimits, type BatchPlan } from "./batch-plan.ts";
import { Executors, type Slots, type SlotUser } from "./slots.ts";
import { HoldPolicy } from "./hold.ts";
import { Job, type JobRequest } from "./job.ts";
import { ServiceModel } from "./service-model.ts";
import { StallWatch } from "./stall-watch.ts";
import type { DispatchMetrics } from "./metrics.ts";
import { errorOf, type Refusal } from "./refusal.ts";
import { JobQueue } from "./job-queue.ts";

/** Runs a batch. Returns one result for each value, in order; an `Error` or {@link Failure} fails that item only. */
export type RunBatch<T> = (values: readonly T[], run: RunSignal) => Promise<readonly unknown[]>;

export interface DispatcherOptions<T> {
  readonly limits: BatchLimits;
  readonly queue: QueueLimits;
  /** Each run takes one slot of each. */
  readonly slots: readonly Slots[];
  readonly run: RunBatch<T>;
  /** Whether a run that failed with this error should be retried once, each job alone. Default: never. */
  readonly isRetried?: (error: unknown) => boolean;
  /**
   * The number of jobs that one executor may take at once if runs do not combine jobs: it runs them one after the other.
   * Default 1.
   */
  readonly together?: (() => number) | undefined;
  /** HTTP status of rejected requests. Default 429. */
  readonly overloadStatus?: 429 | 503 | undefined;
  readonly clock: Clock;
  readonly metrics: DispatchMetrics;
  /** Called, once per cause, if batching has no effect for a reason that can be fixed. */
  readonly onHint?: (advice: string) => void;
}

/** Averaging period of the arrival rate, in milliseconds. */
const RATE_MEMORY_MS = 500;
/** Margin between the end of a hold and the latest start of a job, in milliseconds: timers are inexact. */
const TIMER_GRAIN_MS = 2;
/** Runs that block this thread for longer start after the answers of the previous run were sent. In milliseconds. */
const LONG_BLOCK_MS = 0.5;

/**
 * A queue in front of one or more executors. Admits jobs that can meet their deadline, rejects the others immediately,
 * and starts a batch whenever an executor is free. Independent of transports; all time comes from the clock.
 */
export class Dispatcher<T> implements SlotUser {
  readonly #options: DispatcherOptions<T>;
  readonly #clock: Clock;
  readonly #metrics: DispatchMetrics;
  readonly #executors: Executors;
  readonly #queue = new JobQueue<T>();
  readonly #model = new ServiceModel();
  readonly #hold = new HoldPolicy();
  readonly #stalls: StallWatch;
  readonly #admission: Admission<T>;
  readonly #rate = new ArrivalRate(RATE_MEMORY_MS);
  readonly #hint: BatchHint | undefined;
  readonly #owner = {
    handOn: (job: Job<T>, result: unknown): void => this.#handOn(job, result),
    putBack: (job: Job<T>): void => this.#putBack(job),
  };
  /** Number of finished runs. */
  #finished = 0;
  /** Average time that the start of a run blocks this thread, in milliseconds. */
  #blockingMs = 0;
  #isTiming = false;
  /** Cancels the start of batches at the end of this turn. */
  #cancelStart: (() => void) | undefined;
  /** Cancels the timer at the end of a hold. */
  #cancelHold: (() => void) | undefined;

  constructor(options: DispatcherOptions<T>) {
    this.#options = options;
    this.#clock = options.clock;
    this.#stalls = new StallWatch(options.clock);
    this.#metrics = options.metrics;
    this.#hint =
      options.onHint !== undefined && options.limits.maxSize > 1 ? new BatchHint(options.onHint) : undefined;
    this.#executors = new Executors(options.slots, this);
    this.#admission = new Admission({
      ...{ limits: options.limits, most: options.queue, overloadStatus: options.overloadStatus },
      ...{ executors: this.#executors, queue: this.#queue, model: this.#model, rate: this.#rate },
    });
    options.metrics.watch({
      depth: () => this.#queue.length,
      oldestAgeMs: () => Math.max(0, this.#clock.now() - (this.#queue.oldestArrival ?? Infinity)),
    });
  }

  get oldestArrival(): number | undefined {
    return this.#queue.oldestArrival;
  }

  /** The cost model of runs, as learned so far. */
  get model(): ServiceModel {
    return this.#model;
  }

  /**
   * Rejects a request that would miss its deadline before more work is done for it: its body may not have been read
   * yet. A request that passes may still be rejected by {@link submit}.
   */
  rejectEarly(request: Omit<JobRequest<T>, "value">): Refusal | undefined {
    const now = this.#clock.now();
    const refusal = this.#admission.refusal(request, now);
    if (refusal !== undefined) this.rejectAgain(refusal, now);
    return refusal;
  }

  /**
   * Counts another request that is rejected for the same reason. The reason is the same shortly after the first rejection,
   * if {@link changes} is.
   */
  rejectAgain(refusal: Refusal, now: number): void {
    this.#rate.count(now);
    this.#metrics.shed(refusal);
  }

  /** A number that changes with the queue and the runs. */
  get changes(): number {
    return this.#queue.changes + this.#finished;
  }

  /**
   * Queues a job. Its answer resolves to the result of its run. It rejects with the handler's error, or with the reason
   * why the job was rejected, cancelled or timed out.
   */
  submit(request: JobRequest<T>): Job<T> {
    const now = this.#clock.now();
    this.#rate.count(now);
    this.#hold.arrived(now);
    const job = new Job(request, now);
    if (request.signal?.aborted) {
      this.#metrics.cancelled.waiting++;
      job.reject(request.signal.reason);
      return job;
    }
    const refusal = this.#admission.refusal(request, now);
    if (refusal !== undefined) {
      this.#metrics.shed(refusal);
      job.reject(errorOf(refusal));
      return job;
    }
    this.#admission.unitCost += 0.05 * (job.cost - this.#admission.unitCost);
    this.#watch(job);
    this.#queue.add(job);
    this.#startSoon();
    return job;
  }

  /** Cancels a job whose answer is not needed any more: removes it from the queue, or aborts its run. */
  cancel(job: Job<T>, reason: unknown): void {
    this.#end(job, reason, "cancelled");
  }

  /** Called when a slot is free. */
  wake(): void {
    this.#startBatches();
  }

  /** Ends the job when its caller leaves or its deadline passes. */
  #watch(job: Job<T>): void {
    const { signal } = job;
    const leave = (): void => this.cancel(job, signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    let stopTimer: (() => void) | undefined;
    const arm = (due: number): void => {
      if (due === Infinity) return;
      stopTimer = this.#clock.after(due - this.#clock.now(), () => {
        if (job.isRunning && job.finishBy > due) arm(job.finishBy);
        else this.#expire(job);
      });
    };
    arm(job.lastStart);
    job.onSettled(() => {
      signal?.removeEventListener("abort", leave);
      stopTimer?.();
    });
  }

  #expire(job: Job<T>): void {
    const { isRunning } = job;
    const error = isRunning
      ? new RequestTimeoutException(Math.round(job.finishBy - job.arrivedAt))
      : queueTimeout(job);
    this.#end(job, error, isRunning ? "runTimeout" : "queueTimeout");
    job.onExpired?.(error);
  }

  /** Ends a job before its run ends: removes it from the queue, or ignores its result. */
  #end(job: Job<T>, reason: unknown, why: "cancelled" | "queueTimeout" | "runTimeout"): void {
    if (!job.reject(reason)) return;
    const run = job.isRunning ? job.run : undefined;
    if (why === "cancelled") this.#metrics.cancelled[run === undefined ? "waiting" : "running"]++;
    else this.#metrics.timeouts[why === "runTimeout" ? "run" : "queue"]++;
    if (run === undefined) this.#queue.remove(job);
    else run.leave(job, reason);
  }

  /** Starts batches at the end of this turn, when all jobs that arrived in it are queued. */
  #startSoon(): void {
    if (this.#cancelStart !== undefined || this.#executors.free === 0) return;
    this.#cancelStart = this.#clock.soon(() => this.#startBatches());
  }

  #startBatches(): void {
    this.#cancelStart?.();
    this.#cancelHold?.();
    this.#cancelStart = this.#cancelHold = undefined;
    while (this.#queue.length > 0 && this.#executors.free > 0) {
      const now = this.#clock.now();
      if (this.#holds(now)) return;
      const conditions = {
        limits: this.#nextLimits(),
        model: this.#model,
        now,
        answerMs: this.#admission.answerMs,
        costRate: this.#rate.at(now) * this.#admission.unitCost,
        nextFreeAt: () => (this.#executors.capacity > 1 ? this.#executors.freeAt(1, now) : Infinity),
      };
      const plan = this.#withProbe(planBatch(this.#queue, conditions), now);
      for (const job of plan.shed) this.#shed(job, now);
      if (plan.take.length > 0) this.#start(plan, now);
    }
  }

  /** The limits of the next run. Jobs that are not combined are divided among all free executors. */
  #nextLimits(): BatchLimits {
    const { limits, together } = this.#options;
    if (together === undefined || limits.maxSize > 1) return limits;
    const share = Math.ceil(this.#queue.length / this.#executors.free);
    return { ...limits, maxSize: Math.max(1, Math.min(share, together())) };
  }

  /** Whether to wait for callers that are expected back soon. If so, sets a timer for the end of the wait. */
  #holds(now: number): boolean {
    if (this.#queue.length >= this.#options.limits.maxSize) return false;
    let until = this.#hold.holdUntil(now);
    if (until <= now) return false;
    for (const job of this.#queue) {
      const lastStart =
        job.finishBy - this.#model.predictHigh(this.#queue.ahead({ priority: "low" }).cost, 2);
      until = Math.min(until, lastStart - this.#admission.answerMs, job.startBy - TIMER_GRAIN_MS);
      if (until <= now) return false;
    }
    this.#cancelHold = this.#clock.precisely(until - now, () => this.#startBatches());
    return true;
  }

  /**
   * If there is nothing else to run, runs the last job that would be shed, because a wrong model must not block all
   * jobs.
   */
  #withProbe(plan: BatchPlan<T>, now: number): BatchPlan<T> {
    const last = plan.shed.at(-1);
    if (plan.take.length > 0 || last === undefined || last.lastStart <= now) return plan;
    return { ...plan, take: [last], cost: last.cost, shed: plan.shed.slice(0, -1) };
  }

  #shed(job: Job<T>, now: number): void {
    this.#queue.remove(job);
    if (job.lastStart <= now) return this.#expire(job);
    const message = "The answer could not come in time any more; try again later.";
    const refusal = this.#admission.refuse(
      message,
      "OVERLOADED",
      this.#model.predict(this.#queue.ahead(job).cost),
    );
    if (job.reject(errorOf(refusal))) this.#metrics.shed(refusal);
  }

  #start(plan: BatchPlan<T>, now: number): void {
    const jobs = plan.take;
    const expectedMs = this.#model.predict(plan.cost);
    const run = new BatchRun<T>(this.#owner, jobs, { cost: plan.cost, startedAt: now, expectedMs });
    for (const job of jobs) {
      job.run = run;
      job.isRunning = true;
      this.#queue.remove(job);
      this.#metrics.waited(now - job.arrivedAt);
    }
    this.#executors.take(run);
    if (this.#options.limits.maxSize > 1) this.#metrics.started(jobs.length, plan.reason);
    else for (const _ of jobs) this.#metrics.started(1, plan.reason);
    this.#hint?.started(jobs.length, plan.reason, jobs[0]?.arrivedAt ?? now);
    const values = jobs.map((job) => job.value);
    // Without a deadline, nobody is refused because of the predicted times.
    if (run.finishBy < Infinity) run.isTrusted = this.#stalls.watch(expectedMs);
    const work = this.#options.run(values, run);
    this.#blockingMs += 0.2 * (this.#clock.now() - now - this.#blockingMs);
    work.then(
      (results) => {
        // A run with a failed item says nothing about the cost of runs.
        const succeeded = !results.some((result) => result instanceof Error || result instanceof Failure);
        this.#finish(run, (job, index) => settle(job, results[index]), succeeded);
      },
      (error: unknown) => this.#fail(run, error),
    );
  }

  #fail(run: BatchRun<T>, error: unknown): void {
    this.#finish(run, (job) => this.#failJob(job, error), false);
  }

  /** Rejects a job whose run has failed, or queues it once more. */
  #failJob(job: Job<T>, error: unknown): boolean {
    const isRetried = this.#options.isRetried?.(error) ?? false;
    if (!isRetried || job.retried || job.settled) return job.reject(error);
    job.retried = true;
    this.#metrics.retried++;
    this.#queue.add(job);
    return false;
  }

  #handOn(job: Job<T>, result: unknown): void {
    job.isRunning = false;
    if (job.settled) this.#metrics.late++;
    if (result instanceof Failure) this.#failJob(job, result.reason);
    else settle(job, result);
  }

  #putBack(job: Job<T>): void {
    job.isRunning = false;
    if (job.settled) return;
    job.returned = true;
    this.#queue.add(job);
    this.#startSoon();
  }

  /**
   * Frees the executor, starts the next batch and then hands on the answers. If starting a run blocks this thread for
   * long, the answers are handed on first, because they would have to wait for it.
   */
  #finish(run: BatchRun<T>, answer: (job: Job<T>, index: number) => boolean, succeeded: boolean): void {
    const now = this.#clock.now();
    this.#finished++;
    run.endedAt = now;
    const tookMs = now - run.startedAt;
    // An aborted run would have taken longer than measured, so the model learns from it only if it exceeded the
    // prediction.
    const isWhole = succeeded && run.wanted > 0;
    const isLonger = run.wanted === 0 && tookMs > this.#model.predict(run.cost);
    const isTrusted = run.isTrusted();
    if (isTrusted && (isWhole || isLonger)) this.#model.learn(run.cost, tookMs);
    if (this.#options.limits.maxSize > 1) this.#metrics.ended(tookMs);
    else for (const _ of run.jobs) this.#metrics.ended(tookMs / run.size);
    this.#hint?.ended(now, tookMs);
    this.#hold.completed(now, run.wanted, this.#model.fixed);
    for (const job of run.jobs) if (run.has(job)) job.isRunning = false;
    this.#executors.giveBack(run);
    const answersFirst = this.#blockingMs > LONG_BLOCK_MS;
    if (!answersFirst) this.#executors.announce();
    run.jobs.forEach((job, index) => {
      if (!run.has(job)) return;
      if (job.settled) this.#metrics.late++;
      answer(job, index);
    });
    if (answersFirst) this.#clock.soon(() => this.#executors.announce());
    else if (this.#queue.length > 0) this.#startSoon();
    this.#timeAnswers(now);
  }

  /** Measures how long it takes until the answers of a run are handed on. */
  #timeAnswers(since: number): void {
    if (this.#isTiming) return;
    this.#isTiming = true;
    this.#clock.soon(() => {
      this.#isTiming = false;
      // One stall of the process must not count for long.
      const tookMs = Math.min(this.#clock.now() - since, 2 * this.#admission.answerMs + 1);
      this.#admission.answerMs += 0.1 * (tookMs - this.#admission.answerMs);
    });
  }
}

function settle(job: Job<unknown>, result: unknown): boolean {
  if (result instanceof Failure) return job.reject(result.reason);
  return result instanceof Error ? job.reject(result) : job.resolve(result);
}

function queueTimeout(job: Job<unknown>): QueueTimeoutException {
  const isCallers = job.isCallersLimit && job.startBy <= job.finishBy;
  const limitMs = Math.round(job.lastStart - job.arrivedAt);
  return new QueueTimeoutException(limitMs, isCallers);
}
