import assert from "node:assert/strict";
import type { BatchLimits } from "../../src/dispatch/batch-plan.ts";
import type { QueueLimits } from "../../src/dispatch/admission.ts";
import { Dispatcher } from "../../src/dispatch/dispatcher.ts";
import type { Job, Priority } from "../../src/dispatch/job.ts";
import type { RunSignal } from "../../src/dispatch/batch-run.ts";
import { Slots } from "../../src/dispatch/slots.ts";
import { DispatchMetrics } from "../../src/dispatch/metrics.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { settled } from "./simulation.ts";
import { assertAccounts, assertBatch, assertQuiet, assertResult, assertRoom } from "./dispatch-rules.ts";

/** A job of a schedule. */
export interface JobPlan {
  /** The index of its dispatcher. */
  readonly side: number;
  readonly cost: number;
  readonly group: number;
  readonly priority: Priority;
  readonly bytes: number;
  /** Deadlines for its start and its result, in milliseconds after arrival. */
  readonly startIn: number | undefined;
  readonly finishIn: number | undefined;
  /** Whether the caller first asks if it would be rejected. */
  readonly asksFirst: boolean;
}

/** The outcome of a run; with "items fail", every second item fails. */
export interface RunPlan {
  /** A factor of the run's duration, which follows from its costs. */
  readonly factor: number;
  readonly outcome: "answers" | "throws" | "dies" | "items fail";
  /** Whether it ends once its signal says that no caller is left. */
  readonly heedsSignal: boolean;
}

export type Step =
  | { readonly do: "submit"; readonly jobs: readonly JobPlan[] }
  | { readonly do: "pass"; readonly ms: number }
  /** A caller disconnects; `which` is its index among the waiting or the running jobs. */
  | { readonly do: "leave"; readonly from: "waiting" | "running"; readonly which: number }
  | { readonly do: "resize"; readonly capacity: number };

export interface WorldSetup {
  readonly limits: BatchLimits;
  readonly queue: QueueLimits;
  readonly sides: 1 | 2;
  /** The number of slots of each dispatcher. */
  readonly own: number;
  /** The number of slots that the dispatchers share; undefined for none. */
  readonly shared: number | undefined;
  readonly retries: boolean;
  readonly fixedMs: number;
  readonly perUnitMs: number;
  /** The plan of each run by its number, repeated cyclically. */
  readonly runs: readonly RunPlan[];
}

/** A worker that died. */
export class Died extends Error {}

export interface RunRecord {
  readonly side: Side;
  readonly entries: readonly Entry[];
  /** Its signal is read late, and must have the right state then. */
  readonly handle: RunSignal;
  readonly startedAt: number;
  ended: boolean;
}

/** A job and its observed state. */
export interface Entry {
  readonly plan: JobPlan;
  readonly side: Side;
  readonly order: number;
  readonly arrivedAt: number;
  readonly caller: AbortController;
  job: Job<Entry> | undefined;
  /** The runs that included it. */
  readonly runs: RunRecord[];
  left: boolean;
  /** Its position in the order of jobs that lost their worker. */
  diedAs: number;
  timedOut: Error | undefined;
  /** The result of its last run. */
  given: { readonly value?: unknown; readonly error?: unknown } | undefined;
  result: { readonly value?: unknown; readonly error?: unknown; readonly at: number } | undefined;
}

/** One dispatcher and its observed state. */
export interface Side {
  readonly dispatcher: Dispatcher<Entry>;
  readonly metrics: DispatchMetrics;
  readonly own: Slots;
  readonly slots: readonly Slots[];
  readonly entries: Entry[];
  readonly setup: WorldSetup;
  turnedAway: number;
  /** The number of ended runs at the last check, and the latest end of a hold after the last of them. */
  ended: number;
  holdEnd: number;
  /** The jobs that waited beside a free slot at the last idle moment, and its time. */
  idle: { readonly at: number; readonly waiting: ReadonlySet<Entry> };
}

/** Whether a job is in a dispatcher's queue. */
export function isWaiting({ job, runs }: Entry): boolean {
  if (job === undefined || job.settled) return false;
  return runs.length === (job.retried ? 1 : 0);
}

/** The number of runs that a dispatcher could start now. */
export function freeSlots({ slots }: Side): number {
  return Math.min(...slots.map(({ free }) => free));
}

/** Dispatchers over simulated executors that play a schedule; every action is checked against the rules. */
export class DispatchWorld {
  readonly clock = new FakeClock();
  readonly setup: WorldSetup;
  readonly sides: readonly Side[];
  readonly runs: RunRecord[] = [];
  readonly #pool: Slots;
  /** The first broken rule, kept here because callbacks of dispatchers must not throw. */
  #broken: unknown;
  #deaths = 0;

  constructor(setup: WorldSetup) {
    this.setup = setup;
    const shared = setup.shared === undefined ? [] : [new Slots(setup.shared)];
    this.sides = Array.from({ length: setup.sides }, () => this.#createSide(shared));
    this.#pool = shared[0] ?? (this.sides[0] as Side).own;
  }

  #createSide(shared: readonly Slots[]): Side {
    const { limits, queue, retries } = this.setup;
    const own = new Slots(this.setup.own);
    const metrics = new DispatchMetrics();
    const slots = [own, ...shared];
    const dispatcher = new Dispatcher<Entry>({
      limits,
      queue,
      slots,
      metrics,
      clock: this.clock,
      run: (entries, handle) => this.#run(side, entries, handle),
      isRetried: (error) => retries && error instanceof Died,
    });
    const side: Side = {
      ...{ dispatcher, metrics, own, slots, entries: [], setup: this.setup },
      ...{ turnedAway: 0, ended: 0, holdEnd: -Infinity },
      idle: { at: 0, waiting: new Set() },
    };
    return side;
  }

  /** Plays a schedule to its end: every job is answered without further arrivals. */
  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (step.do === "pass") await this.#pass(step.ms);
      else if (step.do === "resize") this.#pool.resize(step.capacity);
      else if (step.do === "leave") this.#leave(step.from, step.which);
      else for (const plan of step.jobs) this.#submit(plan);
    }
    await this.#pass(0);
    this.#pool.resize(Math.max(1, this.#pool.capacity));
    for (let turn = 0; this.#isBusy && this.clock.nextDue !== undefined; turn++) {
      assert.ok(turn < 10_000, "it never ends");
      await this.#pass(this.clock.nextDue - this.clock.now());
    }
    // The timer of a hold may still be set after its jobs have left.
    const holdEnd = Math.max(...this.sides.map((side) => side.holdEnd));
    await this.#pass(Math.max(0, holdEnd - this.clock.now()));
    assert.equal(this.clock.pending, 0, "a timer is left");
    if (this.#broken !== undefined) throw this.#broken;
    for (const side of this.sides) assertAccounts(side, this.runs);
  }

  get #isBusy(): boolean {
    return (
      this.runs.some(({ ended }) => !ended) ||
      this.sides.some(({ entries }) => entries.some(({ job }) => job?.settled === false))
    );
  }

  #submit(plan: JobPlan): void {
    const side = this.sides[plan.side % this.sides.length] as Side;
    const now = this.clock.now();
    const caller = new AbortController();
    const entry: Entry = {
      ...{ plan, side, order: side.entries.length, arrivedAt: now, caller, job: undefined },
      ...{ runs: [], left: false, diedAs: 0, timedOut: undefined, given: undefined, result: undefined },
    };
    const { startIn = Infinity, finishIn = Infinity, cost, group, priority, bytes } = plan;
    const request = {
      ...{ value: entry, cost, group, priority, bytes, signal: caller.signal },
      ...{ startBy: now + startIn, finishBy: now + finishIn },
      onExpired: (error: Error) => this.#expired(entry, error),
    };
    const before = side.entries.filter(isWaiting);
    if (plan.asksFirst) {
      const refusal = side.dispatcher.rejectEarly(request);
      assertRoom(side, before, plan, refusal?.code);
      if (refusal !== undefined) return void side.turnedAway++;
    }
    const refusals = new Map(side.metrics.refusals);
    const job = side.dispatcher.submit(request);
    entry.job = job;
    side.entries.push(entry);
    const [code] = [...side.metrics.refusals].find(([key, count]) => count > (refusals.get(key) ?? 0)) ?? [];
    assert.equal(job.settled, code !== undefined);
    assertRoom(side, before, plan, code);
    const answered = (result: { value?: unknown; error?: unknown }): void => {
      const seen = (entry.result = { ...result, at: this.clock.now() });
      this.#check(() => assertResult(entry, seen));
    };
    job.answer.then(
      (value) => answered({ value }),
      (error: unknown) => answered({ error }),
    );
  }

  #check(rule: () => void): void {
    try {
      rule();
    } catch (error) {
      this.#broken ??= error;
    }
  }

  #leave(from: "waiting" | "running", which: number): void {
    const some = this.sides
      .flatMap(({ entries }) => entries)
      .filter((entry) => entry.job?.settled === false && isWaiting(entry) === (from === "waiting"));
    const entry = some[which % some.length];
    if (entry === undefined) return;
    entry.left = true;
    entry.caller.abort(new Error("left"));
    assert.ok(entry.job?.settled, "a job whose caller left is settled immediately");
  }

  #expired(entry: Entry, error: Error): void {
    const { idle } = entry.side;
    const stood = idle.at < this.clock.now() && idle.waiting.has(entry) && freeSlots(entry.side) > 0;
    this.#check(() => assert.equal(entry.timedOut, undefined, "timed out twice"));
    this.#check(() => assert.ok(!stood, "timed out in the queue although a slot was free"));
    entry.timedOut = error;
    entry.caller.abort(error);
  }

  #run(side: Side, entries: readonly Entry[], handle: RunSignal): Promise<readonly unknown[]> {
    const { fixedMs, perUnitMs, runs } = this.setup;
    this.#check(() => assertBatch(side, entries, this));
    const run: RunRecord = { side, entries, handle, startedAt: this.clock.now(), ended: false };
    for (const entry of entries) entry.runs.push(run);
    const plan = runs[this.runs.length % runs.length] as RunPlan;
    this.runs.push(run);
    const cost = entries.reduce((sum, entry) => sum + entry.plan.cost, 0);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        if (run.ended) return;
        run.ended = true;
        stop();
        if (plan.outcome === "dies") for (const entry of entries) entry.diedAs = ++this.#deaths;
        const results = resultsOf(entries, plan);
        entries.forEach((entry, index) => {
          if (entry.job?.settled === false) entry.given = results[index] as Entry["given"];
        });
        if (plan.outcome === "dies" || plan.outcome === "throws") return reject(results[0]?.error);
        resolve(results.map(({ value, error }) => error ?? value));
      };
      const stop = this.clock.after((fixedMs + perUnitMs * cost) * plan.factor, end);
      if (plan.heedsSignal) handle.signal.addEventListener("abort", end);
    });
  }

  /** Advances the time, and checks the rules after each event. */
  async #pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      const due = this.clock.nextDue;
      if (due === undefined || due > end) break;
      this.clock.advanceTo(due);
      await settled();
      if (this.#broken !== undefined) throw this.#broken;
      if (this.clock.nextDue !== due) assertQuiet(this);
    }
    this.clock.advanceTo(end);
    assertQuiet(this);
  }
}

function resultsOf(entries: readonly Entry[], { outcome }: RunPlan): NonNullable<Entry["given"]>[] {
  if (outcome === "answers") return entries.map((entry) => ({ value: entry }));
  if (outcome === "items fail") {
    return entries.map((entry, index) => (index % 2 === 0 ? { error: new Error("item") } : { value: entry }));
  }
  const error = outcome === "dies" ? new Died("died") : new Error("thrown");
  return entries.map(() => ({ error }));
}
