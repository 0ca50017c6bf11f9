import type { MemoryBudget } from "./memory-budget.ts";
import { Sessions } from "./websocket/sessions.ts";

/** A call that has begun and is not answered yet. */
export interface RunningCall {
  /** Tells its handler to stop, and answers in its place. */
  cut(reason: unknown): void;
}

/** Where a server stands in its life; shared by its parts. */
export class ServerState {
  /** Setup is done. */
  ready = false;
  /** A stop signal came: answers carry `Connection: close`, readiness is red. */
  stopping = false;
  /** What was left running was cut off. */
  cut = false;
  /** Whether work can be done at all; false while all workers are gone. */
  canWork: () => boolean = () => true;
  /** What takes no call any more until the process is started again, by name. */
  stuck: () => string | undefined = () => undefined;
  /** All calls that have begun and are not answered yet. */
  readonly running = new Set<RunningCall>();

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
    this.cut = true;
    for (const call of this.running) call.cut(reason);
    this.sessions.abort(reason);
  }
}
