import type { Job } from "./job.ts";

/** Queued jobs: first come, first served within each priority. Removing any job takes constant time. */
export class JobQueue<T> {
  readonly #normal = new Set<Job<T>>();
  readonly #low = new Set<Job<T>>();
  /** Retried and returned jobs, which come before all others. */
  readonly #again = new Set<Job<T>>();
  #bytes = 0;
  #cost = 0;
  #lowCost = 0;
  #changes = 0;

  /** How often a job was added or removed. */
  get changes(): number {
    return this.#changes;
  }

  get length(): number {
    return this.#again.size + this.#normal.size + this.#low.size;
  }

  /** Memory that the queued jobs take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number and cost of the jobs before a new one of this priority. */
  ahead(job: Pick<Job<T>, "priority">): { count: number; cost: number } {
    if (job.priority === "low") return { count: this.length, cost: this.#cost };
    return { count: this.length - this.#low.size, cost: this.#cost - this.#lowCost };
  }

  /** The next job. */
  get first(): Job<T> | undefined {
    for (const job of this) return job;
    return undefined;
  }

  /** Arrival of the oldest queued job; undefined if none is queued. */
  get oldestArrival(): number | undefined {
    let oldest = Infinity;
    // These are in the order in which they failed or were returned.
    for (const job of this.#again) oldest = Math.min(oldest, job.arrivedAt);
    for (const jobs of [this.#normal, this.#low]) {
      const [first] = jobs;
      if (first !== undefined) oldest = Math.min(oldest, first.arrivedAt);
    }
    return oldest < Infinity ? oldest : undefined;
  }

  add(job: Job<T>): void {
    const jobs =
      job.retried || job.returned ? this.#again : job.priority === "low" ? this.#low : this.#normal;
    jobs.add(job);
    this.#account(job, 1);
  }

  /** False if it was not queued any more. */
  remove(job: Job<T>): boolean {
    if (!this.#again.delete(job) && !this.#normal.delete(job) && !this.#low.delete(job)) return false;
    this.#account(job, -1);
    return true;
  }

  /** In the order of their turn. Jobs may be removed during the iteration. */
  *[Symbol.iterator](): Generator<Job<T>> {
    yield* this.#again;
    yield* this.#normal;
    yield* this.#low;
  }

  #account(job: Job<T>, sign: 1 | -1): void {
    this.#changes++;
    this.#bytes += sign * job.bytes;
    this.#cost += sign * job.cost;
    if (job.priority === "low" && !job.retried && !job.returned) this.#lowCost += sign * job.cost;
    if (this.length === 0) this.#cost = this.#lowCost = 0; // do not accumulate rounding errors
  }
}
