import type { LoadObservation, Observation } from "./history.ts";
import type { Demand } from "./snapshot.ts";

/**
 * Counts the requests of one app where they pass: the gateway reports each arrival, begin and end, and reads the demand
 * for decisions. It reads no clock: each report says when. Moments are seconds, and never go back.
 */
export class LoadMeter {
  #direct = 0;
  #running = 0;
  /** The arrivals of waiting requests, oldest first. */
  readonly #waiting: number[] = [];
  /** The arrivals of requests that had to wait, begun or not, from `#firstDelayed` on. */
  #delayed: number[] = [];
  #firstDelayed = 0;
  /** Requests that wait in a queue elsewhere, and the arrival of the first of them. */
  #backlog = 0;
  #backlogSince = 0;
  #serviceSeconds: number;
  #since: number;
  #highest = 0;
  #lowest = 0;
  #served = 0;
  #servedSeconds = 0;

  /** @param serviceSeconds the mean service time, from the history. {@link expect} changes it. */
  constructor(now: number, serviceSeconds: number) {
    this.#since = now;
    this.#serviceSeconds = serviceSeconds;
  }

  /** Sets the service time, after it was learned. */
  expect(serviceSeconds: number): void {
    this.#serviceSeconds = serviceSeconds;
  }

  /** A request or socket arrived and was given to a runner at once. */
  begun(now: number): void {
    this.#direct++;
    this.#running++;
    this.#note(now);
  }

  /** A request arrived and has to wait. */
  queued(now: number): void {
    this.#waiting.push(now);
    this.#delayed.push(now);
    this.#note(now);
  }

  /** A waiting request was given to a runner. @param arrivedAt the moment given to {@link queued} */
  dequeued(now: number, arrivedAt: number): void {
    this.#removeWaiting(arrivedAt);
    this.#running++;
    this.#note(now);
  }

  /** A waiting request was given up. */
  abandoned(now: number, arrivedAt: number): void {
    this.#removeWaiting(arrivedAt);
    this.#note(now);
  }

  /** A request arrived in a queue elsewhere, which {@link setBacklog} reports. */
  arrived(now: number): void {
    this.#delayed.push(now);
    this.#note(now);
  }

  /** Sets how many requests wait in a queue elsewhere, and since when the first one does. */
  setBacklog(waiting: number, since: number): void {
    this.#backlog = waiting;
    this.#backlogSince = since;
  }

  /** A request of that queue was given to a runner. */
  resumed(now: number): void {
    this.#running++;
    this.#note(now);
  }

  /** A request or socket ended. @param seconds the time that a runner worked on it; undefined for a socket */
  ended(now: number, request: { readonly waited: boolean; readonly seconds: number | undefined }): void {
    this.#running--;
    if (!request.waited) this.#direct--;
    if (request.seconds !== undefined) {
      this.#served++;
      this.#servedSeconds += request.seconds;
    }
    this.#note(now);
  }

  /** The demand at this moment. @param scalingDelay the setting, in seconds */
  demand(now: number, scalingDelay: number): Demand {
    const waiting = this.#waiting.length + this.#backlog;
    const since = this.#backlog > 0 ? this.#backlogSince : Infinity;
    const oldest = Math.min(this.#waiting[0] ?? Infinity, since);
    // All of the queue counts as soon as its first request has waited long enough.
    const overdueBacklog = since <= now - scalingDelay ? this.#backlog : 0;
    return {
      at: now,
      running: this.#running,
      waiting,
      overdue: scalingDelay <= 0 ? waiting : this.#arrivedBefore(now - scalingDelay) + overdueBacklog,
      oldestWait: Number.isFinite(oldest) ? Math.max(0, now - oldest) : 0,
      load: this.#load(now),
    };
  }

  /** The observations since the last call, for `learn`. Call it each second. @param slots as in the snapshot */
  read(now: number, slots: number): Observation[] {
    this.#note(now);
    const load: LoadObservation = {
      kind: "load",
      since: this.#since,
      at: now,
      highest: this.#highest,
      lowest: this.#lowest,
      present: this.#running + this.#waiting.length + this.#backlog > 0,
      slots,
    };
    const served: Observation = { kind: "served", requests: this.#served, seconds: this.#servedSeconds };
    this.#since = now;
    this.#highest = this.#lowest = this.#load(now);
    this.#served = this.#servedSeconds = 0;
    return served.requests > 0 ? [served, load] : [load];
  }

  #note(now: number): void {
    const load = this.#load(now);
    this.#highest = Math.max(this.#highest, load);
    this.#lowest = Math.min(this.#lowest, load);
  }

  #load(now: number): number {
    const from = now - this.#serviceSeconds;
    while ((this.#delayed[this.#firstDelayed] ?? Infinity) < from) this.#firstDelayed++;
    if (this.#firstDelayed > 1_000 && this.#firstDelayed * 2 > this.#delayed.length) {
      this.#delayed = this.#delayed.slice(this.#firstDelayed);
      this.#firstDelayed = 0;
    }
    return this.#direct + this.#delayed.length - this.#firstDelayed;
  }

  #removeWaiting(arrivedAt: number): void {
    const index = this.#waiting[0] === arrivedAt ? 0 : this.#waiting.indexOf(arrivedAt);
    if (index < 0)
      throw new Error(`No waiting request arrived at ${arrivedAt}: report its arrival with queued().`);
    this.#waiting.splice(index, 1);
  }

  #arrivedBefore(moment: number): number {
    const index = this.#waiting.findIndex((arrivedAt) => arrivedAt > moment);
    return index < 0 ? this.#waiting.length : index;
  }
}
