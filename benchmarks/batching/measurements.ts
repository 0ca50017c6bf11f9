import { median } from "../lib/statistics.ts";
import { completionRate, goodTimes, outcomeOf, recoveryMs, type Outcome } from "./analysis.ts";
import { ceiling, closedLoopRate, servableRate } from "./bounds.ts";
import type { RuleName } from "./configuration.ts";
import type { Harness } from "./harness.ts";
import type { Shape } from "./shape.ts";

/** The duration and extent of the measurements. */
export interface Plan {
  readonly warmUpMs: number;
  /** The duration of a run in closed loop, or in open loop at high rates. */
  readonly measuredMs: number;
  /** The number of requests for judging a share of 99 %. */
  readonly judgedRequests: number;
  /** The number of runs of which the median is taken. */
  readonly repetitions: number;
  /** The duration after each change of costs. */
  readonly phaseMs: number;
  /** The share of a target that is sufficient. */
  readonly tolerance: number;
  /** The total number of measurements that may be repeated after missing their target. */
  readonly chances: number;
}

/** The subject of a measurement: a rule on a shape. */
export interface Subject {
  readonly rule: RuleName;
  readonly shape: Shape;
  readonly executors?: number;
  readonly noise?: number;
}

/** The share of requests that must be answered in time if no shedding is needed. */
const IN_TIME_SHARE = 0.99;
/** Above this rate, a server whose code is not compiled yet could not catch up. */
const HIGH_RATE = 3000;
const HIGH_RATE_WARM_UP = 2.5;
/** The number of runs in which a rate may hold: one slow moment of the machine is a percent of a short run. */
const CHANCES = 2;

/** The measurements of the goals' table, on one harness. */
export class Measurements {
  readonly #harness: Harness;
  readonly #plan: Plan;

  constructor(harness: Harness, plan: Plan) {
    this.#harness = harness;
    this.#plan = plan;
  }

  /** Clients for four full batches, without a deadline: responses per second as a share of the rate of full batches. */
  saturation(subject: Subject): Promise<number> {
    return this.#closed(subject, 4 * subject.shape.maxSize, ceiling(subject.shape));
  }

  /** Clients that send again at once, by default without a deadline: responses per second as a share of the ideal. */
  closedLoop(subject: Subject, clients: number, hasDeadline = false): Promise<number> {
    return this.#closed(subject, clients, closedLoopRate(subject.shape, clients), hasDeadline);
  }

  /** Requests per second on a Poisson schedule; one outcome per repetition. */
  async openLoop(subject: Subject, ratePerSecond: number): Promise<OpenOutcome[]> {
    const outcomes: OpenOutcome[] = [];
    for (let seed = 1; seed <= this.#plan.repetitions; seed++) {
      outcomes.push(await this.#open(subject, ratePerSecond, this.#plan.measuredMs, seed));
    }
    return outcomes;
  }

  /**
   * The median latency under a load that needs no batches, in milliseconds. A latency above the limit is
   * measured once more: the machine's own share of it varies.
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

  /** Costs ×3 at run time, and back: for each change, the time and the number of batches until goodput recovers. */
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

  async #closed(subject: Subject, clients: number, bound: number, hasDeadline = false): Promise<number> {
    const shares: number[] = [];
    for (let repetition = 0; repetition < this.#plan.repetitions; repetition++) {
      const { samples, span } = await this.#harness.closed(configurationOf(subject, hasDeadline), {
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

/** The outcome of requests in open loop. */
export interface OpenOutcome extends Outcome {
  /** Processor time of the server's process, as a share of one processor. */
  readonly serverLoad: number;
}

/** The time until goodput recovered. */
export interface Recovery {
  readonly seconds: number;
  readonly batches: number;
}

function configurationOf({ rule, shape, executors = 1, noise = 0 }: Subject, hasDeadline: boolean) {
  return { rule, shape, executors, noise, hasDeadline };
}
