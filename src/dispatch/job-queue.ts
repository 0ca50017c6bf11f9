import type { Job } from "./job.ts";

/** Jobs that wait, first come first served within their priority; taking one out anywhere is cheap. */
export class JobQueue<T> {
  readonly #normal = new Set<Job<T>>();
  readonly #low = new Set<Job<T>>();
  /** Jobs that get another chance, before all others. */
  readonly #again = new Set<Job<T>>();
  #bytes = 0;
  #cost = 0;
  #lowCost = 0;

  get length(): number {
    return this.#again.size + this.#normal.size + this.#low.size;
  }

  /** What the waiting jobs hold in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Jobs that go before one of this priority that came now. */
  ahead(job: Pick<Job<T>, "priority">): { count: number; cost: number } {
    if (job.priority === "low") return { count: this.length, cost: this.#cost };
    return { count: this.length - this.#low.size, cost: this.#cost - this.#lowCost };
  }

  /** The one that is next. */
  get first(): Job<T> | undefined {
    for (const job of this) return job;
    return undefined;
  }

  /** When the first of all waiting jobs came; undefined when none waits. */
  get oldestArrival(): number | undefined {
    let oldest = Infinity;
    // Second chances are in the order in which they failed.
    for (const job of this.#again) oldest = Math.min(oldest, job.arrivedAt);
    for (const jobs of [this.#normal, this.#low]) {
      const [first] = jobs;
      if (first !== undefined) oldest = Math.min(oldest, first.arrivedAt);
    }
    return oldest < Infinity ? oldest : undefined;
  }

  add(job: Job<T>): void {
    const jobs = job.retried ? this.#again : job.priority === "low" ? this.#low : this.#normal;
    jobs.add(job);
    this.#account(job, 1);
  }

  /** False when it did not wait any more. */
  remove(job: Job<T>): boolean {
    if (!this.#again.delete(job) && !this.#normal.delete(job) && !this.#low.delete(job)) return false;
    this.#account(job, -1);
    return true;
  }

  /** In the order they are to be taken. Jobs may be removed meanwhile. */
  *[Symbol.iterator](): Generator<Job<T>> {
    yield* this.#again;
    yield* this.#normal;
    yield* this.#low;
  }

  #account(job: Job<T>, sign: 1 | -1): void {
    this.#bytes += sign * job.bytes;
    this.#cost += sign * job.cost;
    if (job.priority === "low" && !job.retried) this.#lowCost += sign * job.cost;
    if (this.length === 0) this.#cost = this.#lowCost = 0; // no rounding errors are carried on
  }
}
