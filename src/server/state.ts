import type { MemoryBudget } from "./memory-budget.ts";
import { Sessions } from "./websocket/sessions.ts";

/** Work that can be told to stop. */
export interface Abortable {
  abort(reason: unknown): void;
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
  /** Requests whose handlers listen to their signal. */
  readonly listening = new Set<Abortable>();

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

  /** Tells everything that runs to stop. */
  abortAll(reason: unknown): void {
    this.cut = true;
    for (const request of this.listening) request.abort(reason);
    this.sessions.abort(reason);
  }
}
