import type { LiveApp } from "../scheduler/live-app.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { GatewayError } from "./gateway-error.ts";

/** Limits of callers. */
export interface Limits {
  /** Requests that wait for a runner of an app. */
  readonly waitingPerApp: number;
  /** Requests that wait for a runner of any app. */
  readonly waiting: number;
  /** Requests of a key at a time; 0: no limit. */
  readonly runningPerKey: number;
  /** Requests that a key begins within a minute; 0: no limit. */
  readonly requestsPerMinutePerKey: number;
}

interface Usage {
  running: number;
  /** Requests since the beginning of the minute, and this beginning in milliseconds. */
  begun: number;
  since: number;
}

const MINUTE_MS = 60_000;

/** Refuses requests beyond the limits, before they take memory or a runner. */
export class CallerLimits {
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #usage = new Map<string, Usage>();

  /** @param now a clock in milliseconds that never goes back */
  constructor(limits: Limits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Counts a request of a key.
   * @returns a function that ends it, to be called once; undefined if nothing is counted
   * @throws GatewayError beyond a limit
   */
  begin(key: string | undefined): (() => void) | undefined {
    const { runningPerKey, requestsPerMinutePerKey } = this.#limits;
    if (key === undefined || (runningPerKey === 0 && requestsPerMinutePerKey === 0)) return undefined;
    const now = this.#now();
    const usage = this.#usage.get(key) ?? { running: 0, begun: 0, since: now };
    if (now - usage.since >= MINUTE_MS) Object.assign(usage, { begun: 0, since: now });
    if (runningPerKey > 0 && usage.running >= runningPerKey) {
      throw tooMany(`The key ${key} has ${usage.running} requests at a time, its limit`, 1);
    }
    if (requestsPerMinutePerKey > 0 && usage.begun >= requestsPerMinutePerKey) {
      const seconds = Math.ceil((usage.since + MINUTE_MS - now) / 1_000);
      throw tooMany(`The key ${key} has begun ${usage.begun} requests in a minute, its limit`, seconds);
    }
    usage.running++;
    usage.begun++;
    this.#usage.set(key, usage);
    return () => {
      usage.running--;
      const isOver = this.#now() - usage.since >= MINUTE_MS;
      if (usage.running === 0 && isOver) this.#usage.delete(key);
    };
  }

  /** Checks whether one more request may wait for a runner. @throws GatewayError beyond a limit */
  assertMayWait(app: LiveApp, scheduler: Scheduler): void {
    const { waitingPerApp, waiting } = this.#limits;
    if (app.waiting >= waitingPerApp) {
      throw tooMany(`${app.waiting} requests wait for a runner of ${app.row.name}, as many as may wait`, 1);
    }
    let sum = 0;
    for (const each of scheduler.apps()) sum += each.waiting;
    if (sum >= waiting) throw tooMany(`${sum} requests wait for a runner, as many as may wait`, 1);
  }
}

function tooMany(what: string, retryAfterSeconds: number): GatewayError {
  return new GatewayError("too_many_requests", `${what}: try again later.`, {
    "retry-after": String(retryAfterSeconds),
  });
}
