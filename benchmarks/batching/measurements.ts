import { median } from "../lib/statistics.ts";
import { completionRate, goodTimes, outcomeOf, recoveryMs, type Outcome } from "./analysis.ts";
import { ceiling, closedLoopRate, servableRate } from "./bounds.ts";
import type { RuleName } from "./configuration.ts";
import type { Harness } from "./harness.ts";
import type { Shape } from "./shape.ts";

/** How long is measured. */
export interface Plan {
  readonly warmUpMs: number;
  /** A run in closed loop, or in open loop where requests are many. */
  readonly measuredMs: number;
  /** Requests by which a share of 99 % is judged. */
  readonly judgedRequests: number;
  /** Runs of which the median is taken. */
  readonly repetitions: number;
  /** After each change of costs. */
  readonly phaseMs: number;
  /** The share of a target that will do. */
  readonly tolerance: number;
  /** How many measurements in all may be made again because they missed their target. */
  readonly chances: number;
}

/** What is measured: a rule on a shape. */
export interface Subject {
  readonly rule: RuleName;
  readonly shape: Shape;
  readonly executors?: number;
  readonly noise?: number;
}

/** What of all requests must be answered in time where nothing is to be shed. */
const IN_TIME_SHARE = 0.99;
/** At rates above this a server that is not compiled yet would not work off what it gets. */
const HIGH_RATE = 3000;
const HIGH_RATE_WARM_UP = 2.5;
/** Runs a rate gets to show that it holds: one slow moment of the machine is a percent of a short run. */
const CHANCES = 2;

/** The measurements of the goals' table, on one harness. */
export class Measurements {
  readonly #harness: Harness;
  readonly #plan: Plan;

  constructor(harness: Harness, plan: Plan) {
    this.#harness = harness;
    this.#plan = plan;
  }

  /** Clients for four full batches, without a deadline: answers per second as a share of what full batches give. */
  saturation(subject: Subject): Promise<number> {
    return this.#closed(subject, 4 * subject.shape.maxSize, ceiling(subject.shape));
  }

  /** Clients that send again at once, without a deadline: answers per second as a share of the ideal. */
  closedLoop(subject: Subject, clients: number): Promise<number> {
    return this.#closed(subject, clients, closedLoopRate(subject.shape, clients));
  }

  /** Requests per second on a Poisson schedule; one outcome a repetition. */
  async openLoop(subject: Subject, ratePerSecond: number): Promise<OpenOutcome[]> {
    const outcomes: OpenOutcome[] = [];
    for (let seed = 1; seed <= this.#plan.repetitions; seed++) {
      outcomes.push(await this.#open(subject, ratePerSecond, this.#plan.measuredMs, seed));
    }
    return outcomes;
  }

  /**
   * The middle latency of what is answered under a load that needs no batches, in milliseconds. One above the limit is
   * measured once more: what a machine adds to it of its own comes and goes.
   */
  async lowLoad(subject: Subject, requests: number, limitMs: number): Promise<number> {
    const rate = 0.05 * servableRate(subject.shape);
    let best = Infinity;
    for (let chance = 1; chance <= CHANCES && best > limitMs; chance++) {
      const outcome = await this.#open(subject, rate, (requests / rate) * 1000, chance);
      best = Math.min(best, outcome.acceptedP50Ms);
    }
    return best;
  }

  /** Whether 99 % are answered in time at a rate. */
  async holds(subject: Subject, ratePerSecond: number): Promise<boolean> {
    const { judgedRequests, measuredMs } = this.#plan;
    const ms = Math.max(measuredMs, (judgedRequests / ratePerSecond) * 1000);
    for (let chance = 1; chance <= CHANCES; chance++) {
      const { goodShare } = await this.#open(subject, ratePerSecond, ms, chance);
      if (goodShare >= IN_TIME_SHARE) return true;
      if (goodShare < IN_TIME_SHARE - 0.05) return false;
    }
    return false;
  }

  /** Costs ×3 at run time, and back: for each, how long and how many batches it takes until goodput is back. */
  async costChange(subject: Subject, ratePerSecond: number): Promise<[up: Recovery, down: Recovery]> {
    const { warmUpMs, phaseMs } = this.#plan;
    const fromMs = Math.max(warmUpMs, 2000);
    const trial = await this.#harness.open(configurationOf(subject, true), {
      ratePerSecond,
      seed: 1,
      warmUpMs: fromMs,
      measuredMs: 2 * phaseMs,
      changes: [
        { atMs: fromMs, factor: 3 },
        { atMs: fromMs + phaseMs, factor: 1 },
      ],
    });
    const times = goodTimes(trial.samples, subject.shape.deadlineMs);
    const recovery = (startMs: number): Recovery => {
      const ms = recoveryMs(times, {
        span: { fromMs: startMs, toMs: startMs + phaseMs },
        settledMs: phaseMs / 2,
        windowMs: 500,
        share: 0.9,
      });
      const from = trial.samples.startedMs + startMs;
      const batches = trial.report.batches.filter(
        ({ startedMs }) => startedMs >= from && startedMs < from + ms,
      );
      return { seconds: ms / 1000, batches: batches.length };
    };
    return [recovery(fromMs), recovery(fromMs + phaseMs)];
  }

  async #closed(subject: Subject, clients: number, bound: number): Promise<number> {
    const shares: number[] = [];
    for (let repetition = 0; repetition < this.#plan.repetitions; repetition++) {
      const { samples, span } = await this.#harness.closed(configurationOf(subject, false), {
        clients,
        warmUpMs: this.#plan.warmUpMs,
        measuredMs: this.#plan.measuredMs,
      });
      shares.push(completionRate(samples, span) / bound);
    }
    return median(shares);
  }

  async #open(
    subject: Subject,
    ratePerSecond: number,
    measuredMs: number,
    seed: number,
  ): Promise<OpenOutcome> {
    const warmUpMs = this.#plan.warmUpMs * (ratePerSecond > HIGH_RATE ? HIGH_RATE_WARM_UP : 1);
    const run = { ratePerSecond, warmUpMs, measuredMs, seed };
    const { samples, span, serverLoad } = await this.#harness.open(configurationOf(subject, true), run);
    return { ...outcomeOf(samples, subject.shape.deadlineMs, span), serverLoad };
  }
}

/** What became of requests in open loop. */
export interface OpenOutcome extends Outcome {
  /** Processor time of the server's process, as a share of one processor. */
  readonly serverLoad: number;
}

/** How long it took until goodput was back. */
export interface Recovery {
  readonly seconds: number;
  readonly batches: number;
}

function configurationOf({ rule, shape, executors = 1, noise = 0 }: Subject, hasDeadline: boolean) {
  return { rule, shape, executors, noise, hasDeadline };
}
