import { Dispatcher, type DispatcherOptions } from "../../src/dispatch/dispatcher.ts";
import { Slots } from "../../src/dispatch/slots.ts";
import { DispatchMetrics } from "../../src/dispatch/metrics.ts";
import { OverloadException } from "../../src/errors.ts";
import { StallingClock } from "./stalling-clock.ts";

/** The theoretical executor: a batch of n takes fixed + perItem · n milliseconds. */
export interface Shape {
  readonly fixed: number;
  readonly perItem: number;
  readonly maxSize: number;
  /** The deadline, in milliseconds after arrival. */
  readonly limitMs: number;
}

export const SHAPES = {
  S1: { fixed: 20, perItem: 1, maxSize: 64, limitMs: 100 },
  S2: { fixed: 5, perItem: 0.2, maxSize: 64, limitMs: 50 },
  S3: { fixed: 50, perItem: 5, maxSize: 32, limitMs: 500 },
  S4: { fixed: 10, perItem: 0.5, maxSize: 32, limitMs: 60 },
} as const satisfies Record<string, Shape>;

/** The highest rate at which every request can be served in time, per millisecond. */
export function fullServiceRate({ fixed, perItem, maxSize, limitMs }: Shape): number {
  return Math.min((1 - (2 * fixed) / limitMs) / perItem, maxSize / (fixed + perItem * maxSize));
}

/** The goodput with ideal shedding, per millisecond. */
export function idealGoodput({ fixed, perItem, maxSize, limitMs }: Shape, rate: number): number {
  const time = Math.min((fixed + rate * perItem * limitMs) / (1 + rate * perItem), fixed + perItem * maxSize);
  return Math.min(rate, (1 - fixed / time) / perItem);
}

/** Pseudo-random numbers from 0 to 1 (mulberry32), the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The result of a simulated call, and its time. */
export interface Outcome {
  readonly sentAt: number;
  readonly ms: number;
  readonly kind: "answered" | "refused" | "late";
}

/** A dispatcher over a simulated executor, with a fake clock. */
export class Simulation {
  readonly clock = new StallingClock();
  readonly metrics = new DispatchMetrics();
  readonly outcomes: Outcome[] = [];
  readonly dispatcher: Dispatcher<number>;
  /** A factor of the costs. */
  slowness = 1;
  readonly #shape: Shape;
  readonly #random: () => number;
  readonly #noise: number;
  readonly #lagMs: number;
  readonly #isStoppedByStalls: boolean;
  /** The total time of the stalls so far. */
  #stalledMs = 0;

  constructor(
    shape: Shape,
    options: {
      executors?: number;
      noise?: number;
      /** The average delay of the end of a run, as between processes and threads, in milliseconds. */
      lagMs?: number;
      /** Whether the executor stops during a stall of the process, too. Default: it goes on, as another device does. */
      isStoppedByStalls?: boolean;
      seed?: number;
      limits?: Partial<DispatcherOptions<number>>;
    } = {},
  ) {
    const { executors = 1, noise = 0, lagMs = 0, seed = 1 } = options;
    this.#shape = shape;
    this.#noise = noise;
    this.#lagMs = lagMs;
    this.#isStoppedByStalls = options.isStoppedByStalls ?? false;
    this.#random = randomFrom(seed);
    this.dispatcher = new Dispatcher<number>({
      limits: { maxSize: shape.maxSize, maxCost: Infinity },
      queue: { count: 100_000, bytes: Infinity },
      slots: [new Slots(executors)],
      run: (values) => this.#run(values),
      clock: this.clock,
      metrics: this.metrics,
      ...options.limits,
    });
  }

  #run(values: readonly number[]): Promise<readonly unknown[]> {
    const { fixed, perItem } = this.#shape;
    const scatter = this.#noise === 0 ? 1 : Math.exp(this.#noise * this.#normal() - this.#noise ** 2 / 2);
    const lag = this.#lagMs === 0 ? 0 : -Math.log(1 - this.#random()) * this.#lagMs;
    const ms = (fixed + perItem * values.length) * this.slowness * scatter + lag;
    const stalledBefore = this.#stalledMs;
    return new Promise((resolve) => {
      this.clock.after(ms, () => {
        const lostMs = this.#isStoppedByStalls ? this.#stalledMs - stalledBefore : 0;
        if (lostMs === 0) resolve(values);
        else this.clock.after(lostMs, () => resolve(values));
      });
    });
  }

  /** The machine stops the process for a time, in milliseconds. */
  stall(ms: number): void {
    this.clock.stall(ms);
    this.#stalledMs += ms;
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
  }

  /** Sends one request; the callback gets its outcome. */
  send(then?: (outcome: Outcome) => void): void {
    const sentAt = this.clock.now();
    const end = (kind: Outcome["kind"]): void => {
      const outcome = { sentAt, ms: this.clock.now() - sentAt, kind };
      this.outcomes.push(outcome);
      then?.(outcome);
    };
    const finishBy = sentAt + this.#shape.limitMs;
    this.dispatcher.submit({ value: 1, finishBy }).answer.then(
      () => end("answered"),
      (error: unknown) => end(error instanceof OverloadException ? "refused" : "late"),
    );
  }

  /** Poisson arrivals at a rate per millisecond. */
  async openLoop(rate: number, durationMs: number): Promise<void> {
    const end = this.clock.now() + durationMs;
    let next = this.clock.now();
    for (;;) {
      next += -Math.log(1 - this.#random()) / rate;
      await this.runUntil(Math.min(next, end));
      if (next >= end) return;
      this.send();
      await settled();
    }
  }

  /** `clients` clients that each send the next request once answered; `delay` gives the round-trip time. */
  async closedLoop(clients: number, durationMs: number, delay: () => number): Promise<number> {
    const end = this.clock.now() + durationMs;
    let answered = 0;
    const again = (): void => {
      if (this.clock.now() < end) {
        this.send((outcome) => {
          if (outcome.kind === "answered") answered++;
          this.clock.after(delay(), again);
        });
      }
    };
    for (let client = 0; client < clients; client++) again();
    await this.runUntil(end);
    return answered;
  }

  /** Advances the clock, and lets promises settle in between. */
  async runUntil(end: number): Promise<void> {
    for (;;) {
      const due = this.clock.nextDue;
      if (due === undefined || due > end) break;
      this.clock.advanceTo(due);
      await settled();
    }
    this.clock.advanceTo(end);
    await settled();
  }
}

/** Lets pending promise callbacks run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await Promise.resolve();
}
