import type { Logger } from "pino";
import type { Clock } from "../dispatch/clock.ts";
import { Backoff, type BackoffOptions } from "../processes/backoff.ts";
import type { ReserveFile } from "./reservations.ts";
import type { PoolCall } from "./running-call.ts";
import { CHECK_INTERVAL_MS } from "./vital-signs.ts";
import { WorkerProcess } from "./worker-process.ts";

export type { PoolCall } from "./running-call.ts";

/** Options of a {@link WorkerPool}. */
export interface WorkerPoolOptions {
  /** `file:` URL of the module that exports the class. */
  readonly moduleUrl: string;
  /** The name of the class, or of its export. */
  readonly className: string;
  /** Number of processes. */
  readonly count: number;
  /**
   * Devices that are assigned to the workers in turn, in the environment variable {@link deviceVariable}. Default:
   * none.
   */
  readonly devices?: readonly string[];
  /** Default `CUDA_VISIBLE_DEVICES`. */
  readonly deviceVariable?: string;
  /** Maximum time a call may exceed its deadline before its worker is replaced, in milliseconds. Default 10,000. */
  readonly stuckGraceMs?: number;
  /** Reserves the URLs of files that handlers ask for. Default: handlers can't reserve any. */
  readonly reserve?: ReserveFile;
  readonly clock: Clock;
  /** Where the pool and its workers log. */
  readonly log: Logger;
}

/** Maximum time that a stop waits for calls and teardowns, in milliseconds. */
const GRACE_MS = 30_000;

const STUCK_GRACE_MS = 10_000;

/** Delays of a worker's restarts. The first restart is immediate. */
const RESTARTS: BackoffOptions = {
  firstMs: 100,
  lastMs: 5_000,
  isFirstImmediate: true,
  stableMs: 10_000,
};

/** One worker of the pool. When its process ends, another process with the same device replaces it. */
interface Slot {
  readonly environment: Readonly<Record<string, string>>;
  worker: WorkerProcess | undefined;
  /** Time at which the current process became ready, on the clock; undefined while it is not ready. */
  readyAt: number | undefined;
  /** The process was ready, and is being ended because it is stuck. */
  isGivenUp: boolean;
  /** Whether any process of this slot has ever been ready. */
  hasServed: boolean;
  readonly backoff: Backoff;
  cancelRestart: (() => void) | undefined;
}

/**
 * Processes that each hold an instance of a servable and run its handlers, one call at a time. The pool has no queue:
 * a call is handed over when a worker is free. A worker that ends is replaced; one that is stuck is ended.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #slots: readonly Slot[];
  readonly #listeners: ((ready: number) => void)[] = [];
  /** Ready workers without a call, as a stack. */
  readonly #idle: WorkerProcess[] = [];
  #ready = 0;
  #ended = 0;
  #start: { resolve(): void; reject(error: unknown): void } | undefined;
  #stopped: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    const { count, devices = [], deviceVariable = "CUDA_VISIBLE_DEVICES" } = options;
    this.#slots = Array.from({ length: count }, (_, index) => {
      const device = devices[index % devices.length];
      const environment = device === undefined ? {} : { [deviceVariable]: device };
      return {
        environment,
        worker: undefined,
        readyAt: undefined,
        isGivenUp: false,
        hasServed: false,
        backoff: new Backoff(RESTARTS),
        cancelRestart: undefined,
      };
    });
  }

  /** Number of workers that the pool tries to keep. */
  get size(): number {
    return this.#slots.length;
  }

  /** Number of workers that are alive and set up, busy ones included. */
  get ready(): number {
    return this.#ready;
  }

  /** Number of ready workers, except those whose call is past its deadline. */
  get hopeful(): number {
    const now = this.#options.clock.now();
    const late = this.#slots.filter(
      ({ worker, readyAt, isGivenUp }) =>
        readyAt !== undefined && !isGivenUp && (worker?.finishBy ?? 0) < now,
    );
    return this.#ready - late.length;
  }

  /** Number of processes that have ended unexpectedly. */
  get ended(): number {
    return this.#ended;
  }

  /** Registers a callback for changes of {@link ready}. */
  onReadyChange(listener: (ready: number) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Starts the workers, and resolves once all are set up. If the setup of one fails, the others are ended, and the
   * promise rejects with that error.
   */
  async start(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#start = { resolve, reject };
        this.#scheduleCheck();
        for (const slot of this.#slots) this.#launch(slot);
      });
    } catch (error) {
      await (this.#stopped ?? this.stop(0));
      throw error;
    } finally {
      this.#start = undefined;
    }
  }

  /**
   * Runs a call on an idle worker; resolves to the handler's result or, for a batch, to the array that it returned.
   * Rejects with the error that the handler threw, or with a WorkerDiedException if the worker ends before it answers.
   */
  run(call: PoolCall): Promise<unknown> {
    return this.runAll([call])[0] as Promise<unknown>;
  }

  /**
   * Runs calls on one idle worker, one after the other. Each promise settles like that of {@link run}, or rejects with
   * {@link NOT_BEGUN} if the call was not begun because the worker ended or the call before it takes long.
   */
  runAll(calls: readonly PoolCall[]): Promise<unknown>[] {
    const worker = this.#idle.pop();
    if (worker !== undefined) return worker.run(calls);
    const { className } = this.#options;
    const state = this.#stopped === undefined ? `${this.#ready} of ${this.size} ready, all busy` : "stopped";
    return calls.map(({ route }) =>
      Promise.reject(new Error(`No worker of ${className} is free for ${route}: ${state}.`)),
    );
  }

  /**
   * Lets running calls finish and workers tear down. Kills the workers that still run after `graceMs` (default 30,000).
   * Resolves once all processes have ended. A second call can set an earlier end.
   */
  async stop(graceMs: number = GRACE_MS): Promise<void> {
    this.#stopped ??= this.#stop();
    const killAll = (): void => {
      for (const slot of this.#slots) slot.worker?.kill();
    };
    const cancelKill = graceMs > 0 ? this.#options.clock.after(graceMs, killAll) : void killAll();
    await this.#stopped;
    cancelKill?.();
    this.#cancelCheck?.();
  }

  async #stop(): Promise<void> {
    const { className } = this.#options;
    this.#idle.length = 0;
    this.#start?.reject(new Error(`The workers of ${className} were stopped before they were set up.`));
    for (const slot of this.#slots) {
      slot.cancelRestart?.();
      slot.worker?.stop();
    }
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      this.#tellWhenEmpty();
    });
  }

  /** One timer for all workers: a timer for each call would slow down each call. */
  #scheduleCheck(): void {
    this.#cancelCheck = this.#options.clock.after(CHECK_INTERVAL_MS, () => {
      for (const slot of this.#slots) {
        if (!slot.isGivenUp && slot.worker?.check() === true) this.#giveUp(slot);
      }
      this.#scheduleCheck();
    });
  }

  /** Excludes a worker that is being ended from further calls, because its end is reported only later. */
  #giveUp(slot: Slot): void {
    this.#leaveIdle(slot.worker);
    if (slot.readyAt === undefined) return;
    slot.isGivenUp = true;
    this.#setReady(this.#ready - 1);
  }

  #leaveIdle(worker: WorkerProcess | undefined): void {
    const index = worker === undefined ? -1 : this.#idle.indexOf(worker);
    if (index !== -1) this.#idle.splice(index, 1);
  }

  #launch(slot: Slot): void {
    const { moduleUrl, className, clock, log, reserve, stuckGraceMs = STUCK_GRACE_MS } = this.#options;
    let worker: WorkerProcess | undefined;
    try {
      slot.worker = worker = new WorkerProcess({
        moduleUrl,
        className,
        clock,
        log,
        stuckGraceMs,
        reserve,
        environment: slot.environment,
        onReady: () => this.#onReady(slot),
        onIdle: () => {
          if (!slot.isGivenUp) this.#idle.push(worker as WorkerProcess);
        },
        onEnd: (reason) => this.#onEnd(slot, reason),
      });
    } catch (error) {
      this.#onEnd(slot, error);
    }
  }

  #onReady(slot: Slot): void {
    slot.readyAt = this.#options.clock.now();
    slot.hasServed = true;
    this.#idle.push(slot.worker as WorkerProcess);
    this.#setReady(this.#ready + 1);
    if (this.#slots.every(({ hasServed }) => hasServed)) this.#start?.resolve();
  }

  #onEnd(slot: Slot, reason: unknown): void {
    const { worker, readyAt } = slot;
    const wasCounted = readyAt !== undefined && !slot.isGivenUp;
    this.#leaveIdle(worker);
    slot.worker = undefined;
    slot.readyAt = undefined;
    slot.isGivenUp = false;
    if (wasCounted) this.#setReady(this.#ready - 1);
    if (this.#stopped === undefined) {
      this.#ended++;
      if (slot.hasServed) this.#restart(slot, readyAt, reason);
      else this.#start?.reject(reason);
    }
    this.#tellWhenEmpty();
  }

  #restart(slot: Slot, readyAt: number | undefined, reason: unknown): void {
    const { clock, log, className } = this.#options;
    const delayMs = slot.backoff.next(readyAt === undefined ? 0 : clock.now() - readyAt);
    const what = readyAt === undefined ? "could not be set up again" : "ended";
    const next = delayMs === 0 ? "another is started" : `another is started in ${delayMs} ms`;
    log.error({ err: reason }, `a worker of ${className} ${what}; ${next}`);
    if (delayMs === 0) this.#launch(slot);
    else slot.cancelRestart = clock.after(delayMs, () => this.#launch(slot));
  }

  #setReady(ready: number): void {
    this.#ready = ready;
    for (const listener of this.#listeners) listener(ready);
  }

  #tellWhenEmpty(): void {
    if (this.#slots.every(({ worker }) => worker === undefined)) this.#onEmpty?.();
  }
}
