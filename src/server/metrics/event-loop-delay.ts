import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock } from "../../dispatch/clock.ts";
import { gauge, type Family } from "./family.ts";

/** Interval of the measurement while the event loop is in use, in ms. */
const RESOLUTION_MS = 10;
/** Interval at which its use is looked at, in ms. */
const LOOK_MS = 1_000;
/** The share of time above which the event loop is in use. Below it, no delay can be longer than this share of a look. */
const USED = 0.05;
/** Number of looks without use after which the measurement pauses. */
const QUIET_LOOKS = 60;

/** The delays of the event loop since the previous scrape, in seconds. */
interface Delays {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** The part of a process that {@link EventLoopDelay} observes. */
interface Observed {
  readonly clock: Clock;
  /** The share of the time since the previous call in which the event loop was in use, from 0 to 1. */
  readonly utilization: () => number;
}

/**
 * Measures how late the event loop is, by a timer that fires a hundred times per second. An idle process would spend
 * most of its processor time on this timer, so it pauses while the event loop is not in use.
 */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #observed: Observed;
  #cancelLook: () => void;
  #quietLooks = 0;
  /** The longest delay of a look, which is not in the histogram. In seconds. */
  #latestLook = 0;
  #delays: Delays = { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };

  /** Begins to measure. */
  constructor(observed: Observed) {
    this.#observed = observed;
    this.#histogram.enable();
    observed.utilization();
    this.#cancelLook = this.#planLook();
  }

  /** The timer is running: the event loop was in use during the last minute. */
  get isMeasuring(): boolean {
    return this.#quietLooks < QUIET_LOOKS;
  }

  /** Takes the delays since the previous call for {@link families}. */
  take(): void {
    const histogram = this.#histogram;
    // An empty histogram has no mean, and the largest number as its minimum.
    const isEmpty = histogram.count === 0;
    const delay = (nanoseconds: number): number =>
      isEmpty ? 0 : Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
    this.#delays = {
      min: delay(histogram.min),
      max: Math.max(delay(histogram.max), this.#latestLook),
      mean: delay(histogram.mean),
      stddev: isEmpty ? 0 : histogram.stddev / 1e9,
      p50: delay(histogram.percentile(50)),
      p90: delay(histogram.percentile(90)),
      p99: delay(histogram.percentile(99)),
    };
    histogram.reset();
    this.#latestLook = 0;
  }

  /** The delays that were taken last, under the names that other Node apps use. */
  families(): Family[] {
    const family = (name: string, what: string, value: keyof Delays): Family =>
      gauge(`nodejs_eventloop_lag_${name}`, `${what} of the event loop since the previous scrape.`, () => [
        { labels: {}, value: this.#delays[value] },
      ]);
    return [
      family("min_seconds", "The shortest delay", "min"),
      family("max_seconds", "The longest delay", "max"),
      family("mean_seconds", "The mean delay", "mean"),
      family("stddev_seconds", "The standard deviation of the delay", "stddev"),
      family("p50_seconds", "The median delay", "p50"),
      family("p90_seconds", "The 90th percentile of the delay", "p90"),
      family("p99_seconds", "The 99th percentile of the delay", "p99"),
    ];
  }

  stop(): void {
    this.#cancelLook();
    this.#histogram.disable();
  }

  #planLook(): () => void {
    const due = this.#observed.clock.now() + LOOK_MS;
    return this.#observed.clock.after(LOOK_MS, () => {
      this.#latestLook = Math.max(this.#latestLook, (this.#observed.clock.now() - due) / 1e3);
      this.#look();
      this.#cancelLook = this.#planLook();
    });
  }

  #look(): void {
    const isUsed = this.#observed.utilization() > USED;
    if (isUsed && !this.isMeasuring) this.#histogram.enable();
    this.#quietLooks = isUsed ? 0 : this.#quietLooks + 1;
    if (!this.isMeasuring) this.#histogram.disable();
  }
}

/** A function that returns the use of the event loop since its previous call, for {@link EventLoopDelay}. */
export function utilizationSinceLast(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
