import type { MemoryBudget } from "../bodies/memory-budget.ts";
import type { Tracing } from "../../tracing/tracing.ts";
import type { Sessions } from "../sockets/sessions.ts";

/** A running call, as a node of the linked list {@link RunningCalls}. */
export interface RunningCall {
  isRunning: boolean;
  before: RunningCall | undefined;
  after: RunningCall | undefined;
  /** Aborts the handler, and answers in its place. */
  forceAbort(reason: unknown): void;
}

/**
 * Calls that have begun and are not answered yet. A linked list through the calls: a Set costs each call several times
 * as much.
 */
class RunningCalls {
  #first: RunningCall | undefined;

  add(call: RunningCall): void {
    const first = this.#first;
    call.isRunning = true;
    call.after = first;
    if (first !== undefined) first.before = call;
    this.#first = call;
  }

  /** Removes a call. False if it was not in the list. */
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

  /** A copy of the list, since aborted calls leave it. */
  all(): RunningCall[] {
    const calls: RunningCall[] = [];
    for (let call = this.#first; call !== undefined; call = call.after) calls.push(call);
    return calls;
  }
}

/** The lifecycle state of a server, shared by its parts. */
export class ServerState {
  /** The step of the start that runs, or that failed. */
  startupStep: "configure()" | "setup()" = "setup()";
  /** Setup is done. */
  ready = false;
  /** The app has hooks that may change answers, so they are sent through Fastify. */
  hasSendHooks = false;
  /** There are hooks that must see every request. */
  hasRequestHooks = false;
  /** The server is stopping: answers carry `Connection: close`, and it is not ready. */
  stopping = false;
  /** Starts the spans of requests. Set when the server is ready, if an SDK of OpenTelemetry is registered then. */
  tracing: Tracing | undefined;
  /** Remaining calls were aborted. */
  isForced = false;
  /** Whether calls can run; false while no worker is alive. */
  canWork: () => boolean = () => true;
  /** The name of a stuck queue, which accepts no calls until the process is restarted; undefined if there is none. */
  stuck: () => string | undefined = () => undefined;
  readonly running = new RunningCalls();
  /** The states of the classes that are served on this server's port; empty if it serves one class. */
  readonly members: ServerState[] = [];
  #metricsUrl: string | undefined;

  /** Whether requests can be served normally. */
  get isReady(): boolean {
    return this.ready && !this.stopping && this.canWork() && this.stuck() === undefined;
  }

  /** Open websockets. */
  readonly sessions: Sessions;

  /** The memory for callers' input. */
  readonly budget: MemoryBudget;

  constructor(sessions: Sessions, budget: MemoryBudget) {
    this.sessions = sessions;
    this.budget = budget;
  }

  /** The address of the metrics; undefined while their port is not open. */
  get metricsUrl(): string | undefined {
    return this.#metricsUrl;
  }

  set metricsUrl(url: string | undefined) {
    this.#metricsUrl = url;
    for (const member of this.members) member.metricsUrl = url;
  }

  /** Answers carry `Connection: close` from now on, and the server is not ready. */
  stop(): void {
    this.stopping = true;
    for (const member of this.members) member.stop();
  }

  /** Aborts all running calls and sessions. Their callers receive the reason. */
  abortAll(reason: unknown): void {
    this.isForced = true;
    for (const call of this.running.all()) call.forceAbort(reason);
    for (const member of this.members) member.abortAll(reason);
    this.sessions.abort(reason);
  }
}
