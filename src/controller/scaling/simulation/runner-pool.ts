import type { Runner } from "../snapshot.ts";

/** A runner of the simulation. */
export interface SimulatedRunner extends Runner {
  state: "starting" | "ready" | "draining";
  requests: number;
  idleSince: number;
  isRemoved: boolean;
}

/**
 * The runners of a simulation, and the choice among them: a request goes to the fullest runner that has room, so that others
 * get idle, and among idle runners to the one that was used last.
 */
export class RunnerPool {
  readonly #slots: number;
  /** Ready runners by their number of requests. The idle ones are in the order in which they got idle. */
  readonly #byRequests: SimulatedRunner[][];
  #runners: SimulatedRunner[] = [];
  #created = 0;

  /** @param slots the requests that a runner serves at a time */
  constructor(slots: number) {
    this.#slots = slots;
    this.#byRequests = Array.from({ length: slots + 1 }, () => []);
  }

  /** All runners, without the stopped ones, in the order of their starts. */
  get runners(): readonly SimulatedRunner[] {
    return this.#runners;
  }

  start(now: number): SimulatedRunner {
    const runner: SimulatedRunner = {
      id: `runner-${++this.#created}`,
      state: "starting",
      startedAt: now,
      requests: 0,
      idleSince: now,
      isRemoved: false,
    };
    this.#runners.push(runner);
    return runner;
  }

  ready(runner: SimulatedRunner, now: number): void {
    runner.state = "ready";
    runner.idleSince = now;
    this.#listOf(runner).push(runner);
  }

  /** Gives a request to a runner; undefined if none has room. */
  assign(): SimulatedRunner | undefined {
    for (let requests = this.#slots - 1; requests >= 0; requests--) {
      const runner = this.#byRequests[requests]?.pop();
      if (runner === undefined) continue;
      runner.requests++;
      this.#listOf(runner).push(runner);
      return runner;
    }
    return undefined;
  }

  /** Ends a request of a runner. A draining runner without requests is removed. */
  release(runner: SimulatedRunner, now: number): void {
    if (runner.state === "ready") this.#removeFromList(runner);
    runner.requests--;
    runner.idleSince = now;
    if (runner.state === "ready") this.#listOf(runner).push(runner);
    else if (runner.requests === 0) this.#remove(runner);
  }

  /** Stops a runner that is starting or idle at once, and lets a busy one finish. */
  stop(runner: SimulatedRunner): void {
    if (runner.state === "ready") this.#removeFromList(runner);
    if (runner.requests === 0) this.#remove(runner);
    else runner.state = "draining";
  }

  /** The runners to stop first: the longest idle, then the newest starts, then the least busy. */
  victims(count: number): SimulatedRunner[] {
    if (count <= 0) return [];
    const [idle = [], ...busy] = this.#byRequests;
    const starting = this.#runners.filter(({ state }) => state === "starting");
    return [...idle, ...starting.toReversed(), ...busy.flat()].slice(0, count);
  }

  #listOf(runner: SimulatedRunner): SimulatedRunner[] {
    return this.#byRequests[runner.requests] as SimulatedRunner[];
  }

  #removeFromList(runner: SimulatedRunner): void {
    const list = this.#listOf(runner);
    list.splice(list.lastIndexOf(runner), 1);
  }

  #remove(runner: SimulatedRunner): void {
    runner.isRemoved = true;
    this.#runners.splice(this.#runners.indexOf(runner), 1);
  }
}
