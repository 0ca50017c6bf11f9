import type { MemoryBudget } from "../bodies/memory-budget.ts";
import { Sessions } from "../sockets/sessions.ts";

/** A call that may be in the list of those that run: it holds its own place in it. */
export interface RunningCall {
  isRunning: boolean;
  before: RunningCall | undefined;
  after: RunningCall | undefined;
  /** Tells its handler to stop, and answers in its place. */
  forceAbort(reason: unknown): void;
}

/** The calls that have begun and are not answered yet. A list through the calls themselves: a Set costs each several times as much. */
export class RunningCalls {
  #first: RunningCall | undefined;

  add(call: RunningCall): void {
    const first = this.#first;
    call.isRunning = true;
    call.after = first;
    if (first !== undefined) first.before = call;
    this.#first = call;
  }

  /** False when it was not among them. */
  delete(call: RunningCall): boolean {
    if (!call.isRunning) return false;
    const { before, after } = call;
    call.isRunning = false;
    call.before = undefined;
    call.after = undefined;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after !== undefined) after.before = before;
    return true;
  }

  /** Those that run now: a copy, since a call that is cut leaves the list. */
  all(): RunningCall[] {
    const calls: RunningCall[] = [];
    for (let call = this.#first; call !== undefined; call = call.after) calls.push(call);
    return calls;
  }
}

/** Where a server stands in its life; shared by its parts. */
export class ServerState {
  /** Setup is done. */
  ready = false;
  /** A stop signal came: answers carry `Connection: close`, readiness is red. */
  stopping = false;
  /** What was left running was cut off. */
  isForced = false;
  /** Whether work can be done at all; false while all workers are gone. */
  canWork: () => boolean = () => true;
  /** What takes no call any more until the process is started again, by name. */
  stuck: () => string | undefined = () => undefined;
  readonly running = new RunningCalls();

  /** Requests can be answered as they should be. */
  get isReady(): boolean {
    return this.ready && !this.stopping && this.canWork() && this.stuck() === undefined;
  }

  /** Open websockets. */
  readonly sessions: Sessions;

  /** What callers sent and is still in memory. */
  readonly budget: MemoryBudget;

  /** @param maxSessions so many websockets may be open at a time. */
  constructor(maxSessions: number, budget: MemoryBudget) {
    this.sessions = new Sessions(maxSessions);
    this.budget = budget;
  }

  /** Tells everything that runs to stop, and its callers why. */
  abortAll(reason: unknown): void {
    this.isForced = true;
    for (const call of this.running.all()) call.forceAbort(reason);
    this.sessions.abort(reason);
  }
}
