import type {
  AppName,
  ClaimedRequest,
  Ending,
  LinePlace,
  NewRequest,
  RequestRow,
} from "../state/requests.ts";
import {
  askToCancel,
  claimRequests,
  delayRequest,
  findAnswer,
  findByIdempotencyKey,
  findRequest,
  finishRequests,
  giveBackRequests,
  giveBackUnknown,
  insertRequests,
  removeAnswer,
  type Fence,
  type StoredAnswer,
} from "../state/requests.ts";
import {
  countBefore,
  countByCaller,
  findOrphans,
  listUnfinished,
  readLines,
  renewLease,
  sampleLine,
  sweepRequests,
  type LineLength,
} from "../state/request-lines.ts";
import { DatabaseAway, type Queries } from "../store/database.ts";
import { GroupWriter } from "./group-writer.ts";
import { errorAnswer } from "./error-answer.ts";
import { MAX_ATTEMPTS } from "./retry-rule.ts";

/** The parts that the queue needs. */
export interface RequestQueueParts {
  readonly database: Queries;
  /** The clock: milliseconds since 1970. */
  readonly now: () => number;
  /** The name of this process in the rows of the requests that it runs. No other process has ever had it. */
  readonly holder: string;
  /** Time without a renewal after which the requests of a process go back to the queue, in milliseconds. */
  readonly leaseMs?: number | undefined;
}

/** A request to be submitted. */
export interface Submission extends NewRequest {
  /** It is refused if as many wait already; undefined: no limit. */
  readonly maxQueueLength: number | undefined;
}

/** The outcome of a submission. */
export type Submitted =
  | { readonly kind: "queued"; readonly id: string; readonly place: LinePlace }
  /** The caller had submitted it before. */
  | { readonly kind: "known"; readonly row: RequestRow }
  | { readonly kind: "full"; readonly waiting: number };

/** The outcome of a cancellation. */
export type Cancellation = "cancelled" | "requested" | "ended" | "unknown";

/** Gets every change of requests by this process. */
export interface QueueListener {
  /** Requests wait that did not before. `isNew`: for the first time. */
  readonly onQueued?: (app: AppName, places: readonly LinePlace[], isNew: boolean) => void;
  /** A request has changed its state. */
  readonly onChanged?: (id: string) => void;
  readonly onEnded?: (row: RequestRow) => void;
}

/** Positions up to this are exact; beyond, they are as of the last second. */
export const EXACT_POSITIONS = 10_000;
const LEASE_MS = 10_000;
const SAMPLE_STEP = 1_000;
const SAMPLE_MS = 1_000;
/** Ticks between two looks for requests of deleted apps. */
const ORPHAN_TICKS = 30;
const GROUP = { items: 500, bytes: 16 * 2 ** 20 };
const FLUSH_GROUP = 500;
/** Tries of a submission whose commit has failed for a moment. */
const SUBMIT_TRIES = 3;

/** The durable queue of all apps: each request is a row, and each change of its state a commit. */
export class RequestQueue {
  readonly #parts: RequestQueueParts;
  readonly #listeners = new Set<QueueListener>();
  readonly #samples = new Map<string, { readonly at: number; readonly places: Promise<LinePlace[]> }>();
  readonly #submissions: GroupWriter<Submission, Submitted>;
  readonly #endings: GroupWriter<Ending, RequestRow | undefined>;
  #ticks = 0;

  constructor(parts: RequestQueueParts) {
    this.#parts = parts;
    this.#submissions = new GroupWriter((items) => this.#insert(items), {
      ...GROUP,
      bytesOf: ({ body }) => body?.length ?? 0,
    });
    this.#endings = new GroupWriter((items) => this.#finish(items), {
      ...GROUP,
      bytesOf: ({ answer }) => answer.body.length,
    });
  }

  get holder(): string {
    return this.#parts.holder;
  }

  /** Listens to changes. @returns a function that ends it */
  listen(listener: QueueListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores a request, which runs at least once from then on. */
  async submit(submission: Submission): Promise<Submitted> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#submissions.add(submission);
      } catch (error) {
        // It may be stored. The same id again changes nothing then.
        if (!(error instanceof DatabaseAway) || tries === SUBMIT_TRIES) throw error;
      }
    }
  }

  /**
   * Claims the first waiting requests of an app for this process, one for each runner.
   * @param from a place before which none waits
   */
  async claim(app: AppName, runners: readonly string[], from: LinePlace): Promise<ClaimedRequest[]> {
    const { database, holder, now } = this.#parts;
    const claimed = await claimRequests(database, app, { runners, from, holder, now: new Date(now()) });
    for (const { id } of claimed) this.#changed(id);
    return claimed;
  }

  /** Puts requests back that a claim has got whose answer was lost. @param known those of this process that do run */
  async giveBackUnknown(app: AppName, known: readonly string[]): Promise<number> {
    return giveBackUnknown(this.#parts.database, app, { holder: this.holder, known });
  }

  /** Ends a request and stores its answer. @returns the ended one; undefined if this process has lost it */
  end(ending: Ending): Promise<RequestRow | undefined> {
    return this.#endings.add(ending);
  }

  /** Puts a running request back to the front for another attempt. False if it is lost, or is to be cancelled. */
  async retry(fence: Fence, pauseMs: number, reason: string): Promise<boolean> {
    const dueAt = new Date(this.#parts.now() + pauseMs);
    const isBack = await delayRequest(this.#parts.database, fence, { dueAt, reason });
    if (isBack) this.#changed(fence.id);
    return isBack;
  }

  /**
   * Cancels a waiting request, or notes that its caller wants a running one to end.
   * @param signal called for a running one
   */
  async cancel(id: string, signal: (row: RequestRow) => void): Promise<Cancellation> {
    const { database } = this.#parts;
    for (;;) {
      const row = await findRequest(database, id);
      if (row === undefined) return "unknown";
      if (row.state === "completed" || row.state === "cancelled") return "ended";
      if (row.state === "running") {
        const asked = await askToCancel(database, id);
        if (asked === undefined) continue; // it has changed meanwhile
        signal(asked);
        return "requested";
      }
      if ((await this.end(cancelled(row))) !== undefined) return "cancelled";
    }
  }

  /** A request of an app; undefined if there is none of this id. */
  async find({ environment, app }: AppName, id: string): Promise<RequestRow | undefined> {
    const row = await findRequest(this.#parts.database, id);
    return row?.environment === environment && row.app === app ? row : undefined;
  }

  /** The answer of a request that has ended; undefined if it was removed. */
  async answer({ id, status }: RequestRow): Promise<StoredAnswer | undefined> {
    const found = await findAnswer(this.#parts.database, id);
    return found && { ...found, status: status ?? 500 };
  }

  /** Removes an answer that its caller has got. */
  async forgetAnswer(id: string): Promise<void> {
    await removeAnswer(this.#parts.database, id);
  }

  /** The number of requests before one that waits: exact up to {@link EXACT_POSITIONS}, beyond as of the last second. */
  async position(row: AppName & LinePlace): Promise<number> {
    const { database } = this.#parts;
    const exact = await countBefore(database, row, row, { limit: EXACT_POSITIONS + 1 });
    if (exact <= EXACT_POSITIONS) return exact;
    const samples = await this.#sampled(row);
    const index = samples.findLastIndex((place) => isBefore(place, row));
    const from = samples[index];
    if (from === undefined) return exact;
    const rest = await countBefore(database, row, row, { limit: SAMPLE_STEP, from });
    return Math.max(exact, index * SAMPLE_STEP + rest);
  }

  /** The numbers of waiting requests of an app by caller. */
  size(app: AppName): Promise<ReadonlyMap<string, number>> {
    return countByCaller(this.#parts.database, app);
  }

  /** The requests of an app that have not ended, those that run first. */
  list(app: AppName, limit: number): Promise<RequestRow[]> {
    return listUnfinished(this.#parts.database, app, { limit });
  }

  /** Cancels all waiting requests of an app, or those of one caller. @returns their number */
  async flush(app: AppName, caller?: string): Promise<number> {
    const { database, now } = this.#parts;
    const begin = now();
    for (let count = 0; ;) {
      const rows = await listUnfinished(database, app, { limit: FLUSH_GROUP, caller, isWaiting: true });
      const old = rows.filter(({ submittedAt }) => submittedAt.getTime() <= begin);
      const ended = await Promise.all(old.map((row) => this.end(cancelled(row))));
      count += ended.filter((row) => row !== undefined).length;
      if (rows.length < FLUSH_GROUP || old.length === 0) return count;
    }
  }

  /**
   * Renews the lease, and puts back what other processes have lost. Call it each second.
   * @returns the lines that have requests in them
   */
  async tick(): Promise<readonly LineLength[]> {
    const { database, holder, now, leaseMs = LEASE_MS } = this.#parts;
    await renewLease(database, holder, new Date(now() + leaseMs));
    const swept = await sweepRequests(database, { now: new Date(now()), maxAttempts: MAX_ATTEMPTS });
    for (const row of swept.queued) {
      this.#changed(row.id);
      for (const { onQueued } of this.#listeners) onQueued?.(row, [row], false);
    }
    const orphans = this.#ticks++ % ORPHAN_TICKS === 0 ? await findOrphans(database) : [];
    await Promise.all([
      ...swept.over.map((row) => this.end(overdue(row))),
      ...orphans.map((row) => this.end(cancelled(row, "Its app was deleted."))),
    ]);
    return readLines(database, EXACT_POSITIONS + 1);
  }

  /** Gives back what this process still runs, after all that is being written. */
  async close(): Promise<void> {
    await Promise.all([this.#submissions.settled(), this.#endings.settled()]);
    await giveBackRequests(this.#parts.database, this.#parts.holder);
  }

  async #insert(items: readonly Submission[]): Promise<readonly Submitted[]> {
    const refused = await this.#refused(items);
    const accepted = items.filter((each) => !refused.has(each));
    const inserted = accepted.length === 0 ? [] : await insertRequests(this.#parts.database, accepted);
    const places = new Map(inserted.map(({ id, priority, seq }) => [id, { priority, seq }]));
    this.#announce(accepted, places);
    return Promise.all(
      items.map(async (item): Promise<Submitted> => {
        const waiting = refused.get(item);
        if (waiting !== undefined) return { kind: "full", waiting };
        const place = places.get(item.id);
        if (place !== undefined) return { kind: "queued", id: item.id, place };
        const { database } = this.#parts;
        const row =
          item.idempotencyKey === undefined
            ? await findRequest(database, item.id)
            : await findByIdempotencyKey(database, item);
        if (row === undefined) throw new Error(`The request ${item.id} was not stored.`);
        return { kind: "known", row };
      }),
    );
  }

  /** The submissions that find too many waiting. All are written by one writer, so that no others come between. */
  async #refused(items: readonly Submission[]): Promise<ReadonlyMap<Submission, number>> {
    const refused = new Map<Submission, number>();
    const counts = new Map<string, number>();
    for (const item of items) {
      const { maxQueueLength } = item;
      const key = keyOf(item);
      if (maxQueueLength !== undefined) {
        const count =
          counts.get(key) ??
          (await countBefore(this.#parts.database, item, { priority: 2, seq: 0 }, { limit: 1_000_000 }));
        counts.set(key, count);
        if (count >= maxQueueLength) {
          refused.set(item, count);
          continue;
        }
      }
      const known = counts.get(key);
      if (known !== undefined) counts.set(key, known + 1);
    }
    return refused;
  }

  #announce(items: readonly Submission[], places: ReadonlyMap<string, LinePlace>): void {
    const byApp = new Map<string, { readonly app: AppName; readonly places: LinePlace[] }>();
    for (const item of items) {
      const place = places.get(item.id);
      if (place === undefined) continue;
      const group = byApp.get(keyOf(item)) ?? { app: item, places: [] };
      group.places.push(place);
      byApp.set(keyOf(item), group);
    }
    for (const group of byApp.values()) {
      for (const { onQueued } of this.#listeners) onQueued?.(group.app, group.places, true);
    }
  }

  async #finish(endings: readonly Ending[]): Promise<readonly (RequestRow | undefined)[]> {
    const { database, now } = this.#parts;
    const rows = new Map(
      (await finishRequests(database, endings, new Date(now()))).map((row) => [row.id, row]),
    );
    for (const row of rows.values()) {
      this.#changed(row.id);
      for (const { onEnded } of this.#listeners) onEnded?.(row);
    }
    return endings.map(({ id, attempt }) => {
      const row = rows.get(id);
      return row?.attempt === attempt ? row : undefined;
    });
  }

  #changed(id: string): void {
    for (const { onChanged } of this.#listeners) onChanged?.(id);
  }

  #sampled(app: AppName): Promise<LinePlace[]> {
    const now = this.#parts.now();
    const known = this.#samples.get(keyOf(app));
    if (known !== undefined && now - known.at < SAMPLE_MS) return known.places;
    const places = sampleLine(this.#parts.database, app, SAMPLE_STEP);
    this.#samples.set(keyOf(app), { at: now, places });
    places.catch(() => this.#samples.delete(keyOf(app)));
    return places;
  }
}

/** Whether a place is before another one. */
export function isBefore(a: LinePlace, b: LinePlace): boolean {
  return a.priority === b.priority ? a.seq < b.seq : a.priority < b.priority;
}

/** The name of an app in maps. */
export function keyOf({ environment, app }: AppName): string {
  return `${environment}/${app}`;
}

/** The end of a request that its caller has cancelled. */
export function cancelled(
  { id, attempt, holder }: Fence,
  message = "The request was cancelled by its caller.",
): Ending {
  return {
    ...{ id, attempt, holder, state: "cancelled", runner: undefined, runSeconds: undefined },
    ...errorAnswer("client_cancelled", message),
  };
}

/** The end of a request that can't be tried again. */
function overdue(row: RequestRow): Ending {
  if (row.isCancelAsked && row.state === "running") return cancelled(row);
  const { id, attempt, holder } = row;
  const ended =
    row.state === "running"
      ? errorAnswer(
          "runner_disconnected",
          `The platform ended while it ran the request, in attempt ${attempt}.`,
        )
      : startTimeout(row);
  return {
    ...{ id, attempt, holder, state: "completed", runner: undefined, runSeconds: undefined },
    ...ended,
  };
}

/** The answer of a request that did not start in the time that its caller gave it. */
export function startTimeout({
  submittedAt,
  startBy,
  reason,
}: Pick<RequestRow, "submittedAt" | "startBy" | "reason">): Pick<Ending, "answer" | "error" | "errorType"> {
  const seconds = ((startBy?.getTime() ?? 0) - submittedAt.getTime()) / 1_000;
  return errorAnswer(
    "startup_timeout",
    `No runner took the request within ${seconds} s${reason === null ? "" : `: ${reason}`}.`,
    { "x-fal-request-timeout-type": "user" },
  );
}
