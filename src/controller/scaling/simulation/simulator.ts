import { LoadMeter } from "../load-meter.ts";
import { EventQueue } from "./event-queue.ts";
import { RunnerPool, type SimulatedRunner } from "./runner-pool.ts";
import type { Workload } from "./workload.ts";

/** The view of a scaler. */
export interface View {
  readonly now: number;
  /** Whether a second is over. The other calls are for requests that have to wait. */
  readonly isSecond: boolean;
  readonly runners: RunnerPool["runners"];
  /** Counts the requests. A scaler reads it; it reports nothing to it. */
  readonly meter: LoadMeter;
  /** The mean number of requests, waiting or running, over the last second. */
  readonly meanPresent: number;
  readonly waiting: number;
  readonly running: number;
  /** When the last request arrived, began or ended. */
  readonly lastUse: number;
}

/** The orders of a scaler. */
export interface Orders {
  readonly start?: number;
  /** Ids of idle or starting runners. */
  readonly stop?: readonly string[];
  /** A number of runners to stop, busy ones as well: those finish their requests. */
  readonly drain?: number;
}

/** An autoscaler in the simulation, with what it remembers. */
export interface Scaler {
  /** Called when a request has to wait, and at the end of each second, unless there is neither a request nor a runner. */
  decide(view: View): Orders;
  /** A runner has become ready. */
  ready?(runner: SimulatedRunner, now: number): void;
}

/** The conditions of a simulation. */
export interface SimulationOptions {
  readonly scaler: Scaler;
  /** The requests that a runner serves at a time. */
  readonly slots: number;
  /** The time of the next start, in seconds. */
  readonly startSeconds: () => number;
  /** The service time that the meter assumes until a scaler reports another, in seconds. Default 1. */
  readonly serviceSeconds?: number;
}

/** The outcome of a simulation. */
export interface SimulationResult {
  /** The time from the arrival of each request to its begin, in seconds, in the order of arrival. */
  readonly waits: Float64Array;
  /** The cost: the sum of the lives of all runners, starts included. */
  readonly runnerSeconds: number;
  readonly starts: number;
  /** The changes between starting and stopping in the time of the workload: many mean that the scaler wavers. */
  readonly reversals: number;
  /** The most runners at a time. */
  readonly peak: number;
}

/** How long a scaler may keep runners after the end of a workload; then they are stopped. */
const LONGEST_REST_SECONDS = 7_200;

/** A runner gets ready, or a request on it ends. */
interface Event {
  readonly runner: SimulatedRunner;
  readonly ended?: { readonly request: number; readonly waited: boolean };
}

/**
 * Runs a workload with one app: first in, first out; a request never fails. The scaler decides each time that a request has to
 * wait, and each second. Deterministic, if scaler and start times are.
 */
export function simulate(workload: Workload, options: SimulationOptions): SimulationResult {
  return new Simulation(workload, options).run();
}

class Simulation {
  readonly #workload: Workload;
  readonly #options: SimulationOptions;
  readonly #pool: RunnerPool;
  readonly #meter: LoadMeter;
  readonly #events = new EventQueue<Event>();
  readonly #waits: Float64Array;
  #now = 0;
  /** The end of the second that is under way. */
  #second = 1;
  #arrived = 0;
  #begun = 0;
  #running = 0;
  #lastUse = -Infinity;
  #presentSeconds = 0;
  #runnerSeconds = 0;
  #starts = 0;
  #peak = 0;
  #reversals = 0;
  #direction = 0;

  constructor(workload: Workload, options: SimulationOptions) {
    this.#workload = workload;
    this.#options = options;
    this.#pool = new RunnerPool(options.slots);
    this.#meter = new LoadMeter(0, options.serviceSeconds ?? 1);
    this.#waits = new Float64Array(workload.arrivals.length);
  }

  run(): SimulationResult {
    const { arrivals, end } = this.#workload;
    for (;;) {
      const arrival = arrivals[this.#arrived] ?? Infinity;
      if (this.#isAsleep) {
        if (arrival === Infinity) break;
        this.#second = Math.max(this.#second, Math.ceil(arrival));
        this.#now = Math.max(this.#now, this.#second - 1);
      }
      if (this.#second > end + LONGEST_REST_SECONDS) break;
      const next = Math.min(arrival, this.#events.nextTime, this.#second);
      this.#presentSeconds += (this.#running + this.#waiting) * (next - this.#now);
      this.#now = next;
      if (next === arrival) this.#arrive();
      else if (next === this.#second) this.#endSecond();
      else this.#handle(this.#events.pop());
    }
    for (const runner of [...this.#pool.runners]) this.#stop(runner);
    return {
      waits: this.#waits,
      runnerSeconds: this.#runnerSeconds,
      starts: this.#starts,
      reversals: this.#reversals,
      peak: this.#peak,
    };
  }

  /** Nothing happens before the next arrival: no scaler needs to look at an app without requests and runners. */
  get #isAsleep(): boolean {
    return this.#pool.runners.length === 0 && this.#waiting === 0;
  }

  get #waiting(): number {
    return this.#arrived - this.#begun;
  }

  #arrive(): void {
    this.#arrived++;
    this.#lastUse = this.#now;
    if (this.#waiting === 1 && this.#begin(false)) return;
    this.#meter.queued(this.#now);
    this.#decide(false);
  }

  #endSecond(): void {
    this.#decide(true);
    this.#presentSeconds = 0;
    this.#second++;
  }

  #handle({ runner, ended }: Event): void {
    if (ended === undefined) {
      if (runner.isRemoved) return;
      this.#pool.ready(runner, this.#now);
      this.#options.scaler.ready?.(runner, this.#now);
    } else {
      const seconds = this.#workload.services[ended.request] as number;
      this.#running--;
      this.#lastUse = this.#now;
      this.#meter.ended(this.#now, { waited: ended.waited, seconds });
      this.#pool.release(runner, this.#now);
      if (runner.isRemoved) this.#account(runner);
    }
    while (this.#waiting > 0 && this.#begin(true));
  }

  /** Gives the first waiting request to a runner; false if none has room. */
  #begin(waited: boolean): boolean {
    const runner = this.#pool.assign();
    if (runner === undefined) return false;
    const request = this.#begun++;
    const arrivedAt = this.#workload.arrivals[request] as number;
    this.#running++;
    this.#lastUse = this.#now;
    this.#waits[request] = this.#now - arrivedAt;
    if (waited) this.#meter.dequeued(this.#now, arrivedAt);
    else this.#meter.begun(this.#now);
    this.#events.push(this.#now + (this.#workload.services[request] as number), {
      runner,
      ended: { request, waited },
    });
    return true;
  }

  #decide(isSecond: boolean): void {
    const { runners } = this.#pool;
    const orders = this.#options.scaler.decide({
      now: this.#now,
      isSecond,
      runners,
      meter: this.#meter,
      meanPresent: this.#presentSeconds,
      waiting: this.#waiting,
      running: this.#running,
      lastUse: this.#lastUse,
    });
    const { start = 0, stop = [], drain = 0 } = orders;
    const victims = stop.length === 0 ? [] : runners.filter(({ id }) => stop.includes(id));
    for (const runner of [...victims, ...this.#pool.victims(drain)]) this.#stop(runner);
    for (let count = 0; count < start; count++) this.#start();
  }

  #start(): void {
    const runner = this.#pool.start(this.#now);
    this.#events.push(this.#now + this.#options.startSeconds(), { runner });
    this.#starts++;
    this.#peak = Math.max(this.#peak, this.#pool.runners.length);
    this.#noteDirection(1);
  }

  #stop(runner: SimulatedRunner): void {
    this.#pool.stop(runner);
    this.#noteDirection(-1);
    if (runner.isRemoved) this.#account(runner);
  }

  #account({ startedAt }: SimulatedRunner): void {
    this.#runnerSeconds += this.#now - startedAt;
  }

  #noteDirection(direction: number): void {
    if (this.#direction !== 0 && direction !== this.#direction && this.#now < this.#workload.end)
      this.#reversals++;
    this.#direction = direction;
  }
}
