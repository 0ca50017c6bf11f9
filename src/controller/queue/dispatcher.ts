import type { Logger } from "pino";
import type { LiveApp } from "../scheduler/live-app.ts";
import type { Lease } from "../scheduler/live-runner.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { AppName, ClaimedRequest, Ending, LinePlace, Payload, StoredAnswer } from "../state/requests.ts";
import type { LineLength } from "../state/request-lines.ts";
import { DatabaseAway } from "../store/database.ts";
import { errorAnswer } from "./error-answer.ts";
import { cancelled, isBefore, keyOf, startTimeout, type RequestQueue } from "./request-queue.ts";
import { mayRepeat, pauseBeforeRetry, retryCondition, type AttemptEnd } from "./retry-rule.ts";

/** One attempt of a request on a runner. */
export interface Attempt {
  readonly id: string;
  readonly number: number;
  readonly payload: Payload;
  readonly app: LiveApp;
  readonly lease: Lease;
}

/** How an attempt ended: the app's answer, or the platform's own error. */
export interface AttemptResult extends AttemptEnd {
  readonly answer: StoredAnswer;
  /** For people; undefined for a success. */
  readonly error: string | undefined;
}

/** The parts that the dispatcher needs. */
export interface DispatcherParts {
  readonly queue: RequestQueue;
  readonly scheduler: Scheduler;
  /** Sends an attempt to its runner, and tells what its end says about the runner. Never throws. */
  readonly send: (attempt: Attempt) => Promise<AttemptResult>;
  /** Tells the runner that the caller of a running attempt wants it to end. */
  readonly sendCancel: (attempt: Attempt) => void;
  readonly log: Logger;
  /** The clock: milliseconds since 1970. */
  readonly now: () => number;
  readonly random: () => number;
}

/** The knowledge of this process about the waiting requests of an app. */
interface Line {
  readonly name: AppName;
  /** Requests that wait, as far as known. The database has the truth. */
  waiting: number;
  delayed: number;
  oldestAt: number;
  /** No request waits before this place. */
  front: LinePlace;
  /** Counts the changes of `waiting`, so that an older count does not replace a newer one. */
  changes: number;
  /** Whether a claim has failed, so that it is not known what it has claimed: nothing is claimed until that is settled. */
  hasLostClaim: boolean;
  /** Set while the line is fed; it gives up the wait for a place of this app. */
  feeding: { readonly app: LiveApp; readonly giveUp: AbortController } | undefined;
}

const TICK_MS = 1_000;
/** Requests that are claimed at once. */
const MAX_CLAIM = 200;
/** Pause after a result could not be stored, in milliseconds. */
const STORE_PAUSE_MS = 500;
/** Time for what is being written when the platform ends, in milliseconds. */
const CLOSE_MS = 10_000;
const START: LinePlace = { priority: 0, seq: 0 };

/**
 * Feeds runners from the queue. It waits for a place together with the direct calls of an app, claims a request when it has
 * got one, and sends it: so requests wait in the database, not in memory.
 */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #lines = new Map<string, Line>();
  readonly #running = new Map<string, { readonly attempt: Attempt; readonly done: Promise<void> }>();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<void> | undefined;
  #isClosing = false;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#stopListening = parts.queue.listen({
      onQueued: (app, places, isNew) => this.#queued(app, places, isNew),
    });
  }

  /** Begins to feed the runners. */
  async start(): Promise<void> {
    await this.tick();
    this.#timer = setInterval(() => void this.tick(), TICK_MS).unref();
  }

  /** Renews the lease and finds what waits. Called each second. */
  tick(): Promise<void> {
    this.#ticking ??= this.#tick()
      .catch((error: unknown) => {
        this.#parts.log.warn({ error: (error as Error).message }, "the queue could not be looked after");
      })
      .finally(() => (this.#ticking = undefined));
    return this.#ticking;
  }

  /** Tells the runner of a request that its caller wants it to end, if it runs in this process. */
  signalCancel(id: string): void {
    const running = this.#running.get(id);
    if (running !== undefined) this.#parts.sendCancel(running.attempt);
  }

  /** Takes no more requests from the queue. */
  stop(): void {
    this.#isClosing = true;
    clearInterval(this.#timer);
    this.#stopListening();
    for (const line of this.#lines.values()) line.feeding?.giveUp.abort(new Error("The platform stops."));
  }

  /** Ends after the attempts that run, whose results are stored. */
  async close(): Promise<void> {
    this.stop();
    await this.#ticking;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
    await Promise.race([Promise.allSettled([...this.#running.values()].map(({ done }) => done)), late]);
    clearTimeout(timer);
  }

  #line(name: AppName): Line {
    const key = keyOf(name);
    let line = this.#lines.get(key);
    if (line === undefined) {
      const { environment, app } = name;
      line = {
        ...{ name: { environment, app }, waiting: 0, delayed: 0, oldestAt: 0, front: START },
        ...{ changes: 0, hasLostClaim: false, feeding: undefined },
      };
      this.#lines.set(key, line);
    }
    return line;
  }

  #queued(name: AppName, places: readonly LinePlace[], isNew: boolean): void {
    const line = this.#line(name);
    for (const place of places) if (isBefore(place, line.front)) line.front = place;
    if (line.waiting + line.delayed === 0) line.oldestAt = this.#parts.now();
    line.waiting += places.length;
    line.changes++;
    if (isNew) this.#find(line)?.queueArrived(places.length, line.oldestAt / 1_000);
    this.#feed(line);
  }

  async #tick(): Promise<void> {
    for (const line of this.#lines.values()) if (line.hasLostClaim) await this.#settleClaims(line);
    const changes = new Map([...this.#lines.values()].map((line) => [line, line.changes]));
    const found = await this.#parts.queue.tick();
    if (this.#isClosing) return;
    const seen = new Set(found.map((each) => this.#observed(each, changes)));
    for (const line of this.#lines.values()) {
      if (seen.has(line) || line.changes !== changes.get(line)) continue;
      Object.assign(line, { waiting: 0, delayed: 0 });
      this.#report(line);
      if (line.feeding === undefined && !line.hasLostClaim) this.#lines.delete(keyOf(line.name));
    }
    for (const line of this.#lines.values()) {
      const { feeding } = line;
      if (feeding !== undefined && (line.waiting === 0 || this.#find(line) !== feeding.app)) {
        feeding.giveUp.abort(new Error("Nothing waits any more."));
      }
      this.#feed(line);
    }
  }

  #observed(length: LineLength, changes: ReadonlyMap<Line, number>): Line {
    const line = this.#line(length);
    const { front } = length;
    if (front !== null && isBefore(front, line.front)) line.front = front;
    const waiting = length.waiting - length.delayed;
    // This count does not contain later changes.
    const isOld = line.changes !== (changes.get(line) ?? 0);
    line.waiting = isOld ? Math.max(line.waiting, waiting) : waiting;
    line.delayed = length.delayed;
    line.oldestAt = length.oldestAt.getTime();
    this.#report(line);
    return line;
  }

  /** Tells the autoscaler what waits. */
  #report(line: Line): void {
    this.#find(line)?.setQueued(line.waiting + line.delayed, line.oldestAt / 1_000);
  }

  #find({ name }: Line): LiveApp | undefined {
    return this.#parts.scheduler.find(name.environment, name.app);
  }

  #feed(line: Line): void {
    if (line.feeding !== undefined || line.waiting === 0 || line.hasLostClaim || this.#isClosing) return;
    const app = this.#find(line);
    if (app === undefined) return;
    const giveUp = new AbortController();
    line.feeding = { app, giveUp };
    this.#feedRunners(line, app, giveUp.signal)
      .catch((error: unknown) => {
        if (giveUp.signal.aborted) return;
        this.#parts.log.warn({ error: (error as Error).message }, "no request could be taken from the queue");
        line.waiting = 0; // the next tick finds them
      })
      .finally(() => {
        line.feeding = undefined;
        this.#feed(line);
      });
  }

  async #feedRunners(line: Line, app: LiveApp, signal: AbortSignal): Promise<void> {
    while (line.waiting > 0 && !signal.aborted) {
      const leases = [await app.reserve(signal)];
      while (leases.length < Math.min(line.waiting, MAX_CLAIM)) {
        const more = app.tryReserve();
        if (more === undefined) break;
        leases.push(more);
      }
      const { changes } = line;
      let claimed: readonly ClaimedRequest[] = [];
      try {
        claimed = await this.#parts.queue.claim(
          line.name,
          leases.map(({ runner }) => runner.id),
          line.front,
        );
      } catch (error) {
        line.hasLostClaim = true;
        throw error;
      } finally {
        for (const unused of leases.slice(claimed.length)) app.release(unused);
      }
      this.#claimed(line, leases.length, claimed, changes);
      for (const [index, request] of claimed.entries()) this.#begin(app, leases[index] as Lease, request);
    }
  }

  /** Puts back what a claim has got whose answer was lost. */
  async #settleClaims(line: Line): Promise<void> {
    if (line.feeding !== undefined) return;
    await this.#parts.queue.giveBackUnknown(line.name, [...this.#running.keys()]);
    line.front = START;
    line.hasLostClaim = false;
  }

  #claimed(line: Line, wanted: number, claimed: readonly ClaimedRequest[], changes: number): void {
    const last = claimed.at(-1);
    const isUnchanged = line.changes === changes;
    // Whatever came meanwhile may be before them.
    if (isUnchanged && last !== undefined) line.front = { priority: last.priority, seq: last.seq };
    if (isUnchanged && claimed.length < wanted) line.waiting = 0;
    else line.waiting = Math.max(claimed.length < wanted ? 1 : 0, line.waiting - claimed.length);
    line.changes++;
    this.#report(line);
  }

  #begin(app: LiveApp, reserved: Lease, request: ClaimedRequest): void {
    const lease = this.#betterPlace(app, reserved, request);
    app.begin(lease, { requestId: request.id, caller: request.caller });
    const { id, attempt: number, payload } = request;
    const attempt: Attempt = { id, number, payload, app, lease };
    const done = this.#run(attempt, request)
      .catch((error: unknown) =>
        this.#parts.log.error({ error: (error as Error).stack }, "a request could not be ended"),
      )
      .finally(() => {
        // The same request may run again, after this process had lost it.
        if (this.#running.get(id)?.attempt === attempt) this.#running.delete(id);
      });
    this.#running.set(id, { attempt, done });
  }

  /** Another free place, if the request has a wish that the kept one does not meet. */
  #betterPlace(app: LiveApp, reserved: Lease, { hint, attempt, reason }: ClaimedRequest): Lease {
    const avoid = attempt > 1 ? /^runner (\S+):/.exec(reason ?? "")?.[1] : undefined;
    const isAvoided = avoid === reserved.runner.id;
    const isMissed = hint !== null && reserved.runner.hints?.has(hint) !== true;
    if (!isAvoided && !isMissed) return reserved;
    const other = app.tryReserve({ hint: hint ?? undefined, avoid });
    if (other === undefined) return reserved;
    const isBetter = other.runner !== reserved.runner && (isAvoided || other.runner.hints?.has(hint ?? ""));
    app.release(isBetter === true ? reserved : other);
    return isBetter === true ? other : reserved;
  }

  async #run(attempt: Attempt, request: ClaimedRequest): Promise<void> {
    const { send, now } = this.#parts;
    const { lease, app } = attempt;
    const begunAt = now();
    let result: AttemptResult;
    try {
      result = await send(attempt);
    } finally {
      app.release(lease);
    }
    const runSeconds = (now() - begunAt) / 1_000;
    await this.#untilStored(async () => {
      const repeated = await this.#repeat(attempt, request, result);
      if (repeated === "delayed") return;
      const { id, attempt: number } = request;
      const fence = { id, attempt: number, holder: this.#parts.queue.holder };
      const ending: Ending = {
        ...{ ...fence, state: "completed", runner: lease.runner.id, runSeconds },
        ...(repeated === "late" ? startTimeout(request) : result),
        errorType: repeated === "late" ? "startup_timeout" : result.errorType,
      };
      await this.#parts.queue.end(repeated === "cancelled" ? { ...ending, ...cancelled(fence) } : ending);
    }, attempt);
  }

  /** Puts a request back for another attempt, if there may be one. */
  async #repeat(
    { lease, app }: Attempt,
    request: ClaimedRequest,
    result: AttemptResult,
  ): Promise<"delayed" | "final" | "late" | "cancelled"> {
    const { queue, now, random } = this.#parts;
    const { id, attempt, startBy } = request;
    const condition = retryCondition(result);
    if (condition === undefined || !request.mayRetry) return "final";
    if (!mayRepeat(condition, attempt, app.revision.definition)) return "final";
    if (startBy !== null && startBy.getTime() <= now()) return "late";
    const reason = `runner ${lease.runner.id}: ${result.error ?? `it answered ${result.status}`}`;
    const pauseMs = pauseBeforeRetry(attempt, random);
    const isDelayed = await queue.retry({ id, attempt, holder: queue.holder }, pauseMs, reason);
    if (!isDelayed) return "cancelled"; // or lost: then the fence keeps it as it is
    const line = this.#line(request);
    line.delayed++;
    this.#report(line);
    return "delayed";
  }

  /** Stores a result, however long the database is away: the answer exists only here. */
  async #untilStored(store: () => Promise<void>, { id, number }: Attempt): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await store();
      } catch (error) {
        const isOver = this.#isClosing && tries > 3;
        this.#parts.log.warn(
          { request: id, error: (error as Error).message },
          "a result could not be stored",
        );
        if (isOver) return;
        if (!isTemporary(error)) {
          const message = "The platform could not store the answer; its log says why.";
          const fence = { id, attempt: number, holder: this.#parts.queue.holder };
          const unstored = { state: "completed", runner: undefined, runSeconds: undefined } as const;
          await this.#parts.queue.end({ ...fence, ...unstored, ...errorAnswer("internal_error", message) });
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, STORE_PAUSE_MS));
      }
    }
  }
}

/** Whether a query that failed may succeed later: the database is away, starts, has no room or no connection. */
function isTemporary(error: unknown): boolean {
  if (error instanceof DatabaseAway || error instanceof AggregateError) return true;
  const { code = "", message } = error as { readonly code?: unknown; readonly message?: string };
  return (
    /^(?:53|57|58|08|40|E)/.test(String(code)) || /Connection terminated|not queryable/.test(message ?? "")
  );
}
