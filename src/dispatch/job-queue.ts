import type { Job } from "./job.ts";

/**
 * Jobs in the order in which they were added.
 *
 * It is not a Set, because V8 replaces the table of a Set as values come and go, and a replaced table refers to its
 * values and to the next table. Once one such table is in the old generation, all later values stay in memory until a
 * full garbage collection, which takes a quarter of the processor time of a small call.
 */
class JobList<T> {
  #first: Job<T> | undefined;
  #last: Job<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Job<T> | undefined {
    return this.#first;
  }

  add(job: Job<T>): void {
    job.list = this;
    job.previous = this.#last;
    if (this.#last === undefined) this.#first = job;
    else this.#last.next = job;
    this.#last = job;
    this.#size++;
  }

  /** Removes a job of this list. */
  remove(job: Job<T>): void {
    const { previous, next } = job;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    job.list = job.previous = job.next = undefined;
    this.#size--;
  }
}

/** Queued jobs: first come, first served within each priority. Removing any job takes constant time. */
export class JobQueue<T> {
  readonly #normal = new JobList<T>();
  readonly #low = new JobList<T>();
  /** Retried and returned jobs, which come before all others. */
  readonly #again = new JobList<T>();
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
    return this.#again.first ?? this.#normal.first ?? this.#low.first;
  }

  /** Arrival of the oldest queued job; undefined if none is queued. */
  get oldestArrival(): number | undefined {
    let oldest = Infinity;
    // These are in the order in which they failed or were returned.
    for (let job = this.#again.first; job !== undefined; job = job.next)
      oldest = Math.min(oldest, job.arrivedAt);
    for (const { first } of [this.#normal, this.#low]) {
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
    if (job.list === undefined) return false;
    job.list.remove(job);
    this.#account(job, -1);
    return true;
  }

  /** In the order of their turn. The job of a step may be removed during the step. */
  *[Symbol.iterator](): Generator<Job<T>> {
    for (const { first } of [this.#again, this.#normal, this.#low]) {
      for (let job = first, next = job?.next; job !== undefined; job = next) {
        next = job.next;
        yield job;
      }
    }
  }

  #account(job: Job<T>, sign: 1 | -1): void {
    this.#changes++;
    this.#bytes += sign * job.bytes;
    this.#cost += sign * job.cost;
    if (job.priority === "low" && !job.retried && !job.returned) this.#lowCost += sign * job.cost;
    if (this.length === 0) this.#cost = this.#lowCost = 0; // do not accumulate rounding errors
  }
}
