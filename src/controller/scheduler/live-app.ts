import { LoadMeter } from "../scaling/load-meter.ts";
import { serviceSeconds, type History } from "../scaling/history.ts";
import type { AppRow } from "../state/apps.ts";
import type { Revision } from "../state/revisions.ts";
import { ArrivalCounter } from "./arrival-counter.ts";
import type { Lease, LiveRunner } from "./live-runner.ts";

/** A request or socket that wants a place on a runner. */
export interface PlaceRequest {
  readonly requestId: string;
  readonly caller?: string | undefined;
  readonly isSocket: boolean;
  /** A runner that has this in memory is preferred. */
  readonly hint?: string | undefined;
  /** A runner that is taken only if no other is free. */
  readonly avoid?: string | undefined;
}

interface Waiter {
  /** Undefined: the place is kept for the queue. */
  readonly request: PlaceRequest | undefined;
  readonly since: number;
  readonly resolve: (lease: Lease) => void;
}

/** Why the runners of an app do not start. */
export interface StartTrouble {
  /** For people. */
  readonly reason: string;
  /** Seconds of the scheduler's clock. */
  readonly at: number;
}

/** An app with its runners and the requests that wait for one. */
export class LiveApp {
  row: AppRow;
  /** The revision that gets the requests. */
  revision: Revision;
  history: History;
  readonly runners: Map<string, LiveRunner> = new Map<string, LiveRunner>();
  readonly meter: LoadMeter;
  /** Counts arrivals for those who look back. */
  readonly arrivals = new ArrivalCounter();
  /** The last failed start since a runner was ready. */
  trouble: StartTrouble | undefined;
  /** Why the machine has no room for a runner that was decided to start; undefined if it has. */
  shortage: string | undefined;
  /** The number of runners that there should be, by the last decision. */
  target = 0;
  /** The reason of the last decision. */
  reason = "";
  readonly #now: () => number;
  readonly #onDemand: (app: LiveApp) => void;
  readonly #onIdle: (app: LiveApp, runner: LiveRunner) => void;
  readonly #waiting: Waiter[] = [];
  /** Requests that wait in the queue. */
  #queued = 0;

  constructor(
    state: { readonly row: AppRow; readonly revision: Revision; readonly history: History },
    hooks: {
      /** The clock, in seconds. */
      readonly now: () => number;
      /** Called when a request has to wait. */
      readonly onDemand: (app: LiveApp) => void;
      /** Called when the last request of a runner has ended. */
      readonly onIdle: (app: LiveApp, runner: LiveRunner) => void;
    },
  ) {
    this.row = state.row;
    this.revision = state.revision;
    this.history = state.history;
    this.#now = hooks.now;
    this.#onDemand = hooks.onDemand;
    this.#onIdle = hooks.onIdle;
    this.meter = new LoadMeter(hooks.now(), serviceSeconds(state.history));
  }

  /** Requests that a runner of the active revision takes at once. */
  get slots(): number {
    return Math.max(1, this.revision.codeSettings.maxMultiplexing);
  }

  /** Requests and sockets that wait here for a place. */
  get waiting(): number {
    return this.#waiting.filter(({ request }) => request !== undefined).length;
  }

  /** Requests that wait in the queue. */
  get queued(): number {
    return this.#queued;
  }

  /** A place on a runner that is free now; undefined if there is none, or others wait for one. */
  tryAcquire(request: PlaceRequest): Lease | undefined {
    const runner = this.#waiting.length === 0 ? this.#choose(request) : undefined;
    if (runner === undefined) return undefined;
    const now = this.#now();
    this.meter.begun(now);
    this.arrivals.note(Date.now());
    return this.#lease(runner, request, now, false);
  }

  /**
   * Waits for a place on a runner. Requests get theirs in the order of their arrival.
   * @param signal gives up when it aborts
   * @throws the signal's reason
   */
  acquire(request: PlaceRequest, signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    const lease = this.tryAcquire(request);
    if (lease !== undefined) return Promise.resolve(lease);
    const now = this.#now();
    this.meter.queued(now);
    this.arrivals.note(Date.now());
    return this.#standInLine(request, now, signal);
  }

  /** Requests have arrived in the queue. @param since the arrival of the first that waits, in seconds of the scheduler's clock */
  queueArrived(count: number, since: number): void {
    for (let n = 0; n < count; n++) {
      this.meter.arrived(this.#now());
      this.arrivals.note(Date.now());
    }
    this.setQueued(this.#queued + count, since);
  }

  /** Sets how many requests wait in the queue, and since when the first one does. */
  setQueued(count: number, since: number): void {
    this.#queued = count;
    this.meter.setBacklog(count, since);
    if (count > 0) this.#onDemand(this);
  }

  /** A place that is kept for a request of the queue; undefined if none is free now, or others wait for one. */
  tryReserve(wish: Pick<PlaceRequest, "hint" | "avoid"> = {}): Lease | undefined {
    const runner = this.#waiting.length === 0 ? this.#choose(wish) : undefined;
    return runner && this.#lease(runner, undefined, this.#now(), true);
  }

  /**
   * Waits in line for a place that is kept for a request of the queue. {@link begin} tells which gets it; release the place if
   * none does. @throws the signal's reason
   */
  reserve(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    const lease = this.tryReserve();
    return lease === undefined ? this.#standInLine(undefined, this.#now(), signal) : Promise.resolve(lease);
  }

  /** Gives a kept place to a request of the queue. */
  begin(lease: Lease, { requestId, caller }: Pick<PlaceRequest, "requestId" | "caller">): void {
    const now = this.#now();
    Object.assign(lease, { requestId, caller, begunAt: now, isReserved: false });
    this.meter.resumed(now);
  }

  /** Gives a place back, and to the next one that waits. */
  release(lease: Lease): void {
    const { runner } = lease;
    if (!runner.leases.delete(lease)) return;
    const now = this.#now();
    if (!lease.isReserved) {
      this.meter.ended(now, {
        waited: lease.hasWaited,
        seconds: lease.isSocket ? undefined : now - lease.begunAt,
      });
    }
    if (runner.leases.size === 0) runner.idleSince = now;
    this.serveWaiting();
    if (runner.leases.size === 0) this.#onIdle(this, runner);
  }

  /** Gives free places to those that wait. Called when a runner has become ready. */
  serveWaiting(): void {
    for (;;) {
      const [waiter] = this.#waiting;
      if (waiter === undefined) return;
      const runner = this.#choose(waiter.request);
      if (runner === undefined) return;
      this.#waiting.shift();
      const now = this.#now();
      if (waiter.request !== undefined) this.meter.dequeued(now, waiter.since);
      waiter.resolve(this.#lease(runner, waiter.request, now, true));
    }
  }

  /** For people: why a request waits now. */
  waitReason(): string {
    const starting = [...this.runners.values()].filter(({ state }) => state === "starting");
    const ready = this.#ready();
    const lack = this.shortage ?? starting.find(({ lacks }) => lacks !== undefined)?.lacks;
    if (ready.length > 0) {
      const more =
        lack !== undefined
          ? `; no more start: ${lack}`
          : starting.length > 0
            ? `, ${starting.length} starting`
            : "";
      return `all ${ready.length} runners are busy${more}`;
    }
    if (lack !== undefined && starting.every(({ lacks }) => lacks !== undefined))
      return `no runner starts: ${lack}`;
    if (starting.length > 0) {
      const longest = Math.max(...starting.map(({ startedAt }) => this.#now() - startedAt));
      return `no runner is ready: ${starting.length} starting for ${longest.toFixed(1)} s`;
    }
    if (this.trouble !== undefined) return `no runner starts: ${this.trouble.reason}`;
    return this.row.scale.maxConcurrency === 0 ? "maxConcurrency is 0" : "no runner is ready";
  }

  #standInLine(request: PlaceRequest | undefined, since: number, signal: AbortSignal): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        const index = this.#waiting.indexOf(waiter);
        if (index < 0) return;
        this.#waiting.splice(index, 1);
        if (request !== undefined) this.meter.abandoned(this.#now(), since);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        request,
        since,
        resolve: (lease) => {
          signal.removeEventListener("abort", leave);
          resolve(lease);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiter);
      this.#onDemand(this);
    });
  }

  #ready(): LiveRunner[] {
    return [...this.runners.values()].filter(
      ({ state, revision }) => state === "ready" && revision.id === this.revision.id,
    );
  }

  /**
   * The runner for the next request: one that has the hint in memory, otherwise the least loaded of the oldest runners that
   * suffice by the last decision, otherwise any. So surplus runners become idle, and can end.
   */
  #choose({ hint, avoid }: Pick<PlaceRequest, "hint" | "avoid"> = {}): LiveRunner | undefined {
    const ready = this.#ready();
    const all = ready.filter(({ leases }) => leases.size < this.slots);
    const others = avoid === undefined ? all : all.filter(({ id }) => id !== avoid);
    const free = others.length > 0 ? others : all;
    if (free.length < 2) return free[0];
    if (hint !== undefined) {
      const holders = free.filter(({ hints }) => hints?.has(hint));
      const blank = free.filter(({ hints }) => hints?.size === 0);
      const [best] = holders.length > 0 ? holders : blank;
      if (best !== undefined) return best;
    }
    const kept = new Set(ready.slice(0, Math.max(1, this.target)));
    const preferred = free.filter((runner) => kept.has(runner));
    return (preferred.length > 0 ? preferred : free).reduce((best, each) =>
      each.leases.size < best.leases.size ? each : best,
    );
  }

  #lease(runner: LiveRunner, request: PlaceRequest | undefined, now: number, hasWaited: boolean): Lease {
    const lease: Lease = {
      runner,
      address: runner.address as string,
      requestId: request?.requestId ?? "",
      caller: request?.caller,
      begunAt: now,
      isReserved: request === undefined,
      hasWaited,
      isSocket: request?.isSocket ?? false,
    };
    runner.leases.add(lease);
    return lease;
  }
}
