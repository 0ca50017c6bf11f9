import type { RequestRow } from "../state/requests.ts";
import { findRequests, firstInLine } from "../state/request-lines.ts";
import type { Queries } from "../store/database.ts";
import { EXACT_POSITIONS, keyOf, type RequestQueue } from "./request-queue.ts";

/** A request as it is now. */
export interface SeenRequest {
  readonly row: RequestRow;
  /** The requests before it. */
  readonly position: number;
}

interface Follower {
  /** Set while it waits for news. */
  wake: (() => void) | undefined;
  seen: SeenRequest | undefined;
  isOver: boolean;
}

/** How often everything is looked at that is followed, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * Follows the states of requests for those who wait. All of them are looked at once a second with one query, and with one
 * more for each app: the number of followers does not matter. Changes by this process are looked at at once.
 */
export class StatusWatch {
  readonly #database: Queries;
  readonly #queue: RequestQueue;
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #changed = new Set<string>();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(database: Queries, queue: RequestQueue) {
    this.#database = database;
    this.#queue = queue;
    this.#stopListening = queue.listen({
      onChanged: (id) => {
        if (!this.#followers.has(id)) return;
        this.#changed.add(id);
        this.#lookSoon();
      },
    });
  }

  /** The states of a request from now on, until it has ended. */
  async *follow(first: RequestRow, signal: AbortSignal): AsyncGenerator<SeenRequest> {
    const follower: Follower = { wake: undefined, seen: undefined, isOver: false };
    const followers = this.#followers.get(first.id) ?? new Set();
    this.#followers.set(first.id, followers.add(follower));
    const leave = (): void => {
      follower.isOver = true;
      follower.wake?.();
    };
    signal.addEventListener("abort", leave);
    this.#changed.add(first.id);
    this.#lookSoon();
    this.#timer ??= setInterval(() => {
      for (const id of this.#followers.keys()) this.#changed.add(id);
      this.#lookSoon();
    }, LOOK_MS).unref();
    try {
      while (!signal.aborted && !this.#isClosed) {
        if (follower.seen === undefined && !follower.isOver) {
          await new Promise<void>((resolve) => (follower.wake = resolve));
          follower.wake = undefined;
        }
        const { seen } = follower;
        follower.seen = undefined;
        if (seen !== undefined) yield seen;
        if (follower.isOver || seen === undefined) return;
        if (seen.row.state === "completed" || seen.row.state === "cancelled") return;
      }
    } finally {
      signal.removeEventListener("abort", leave);
      followers.delete(follower);
      if (followers.size === 0 && this.#followers.get(first.id) === followers)
        this.#followers.delete(first.id);
      if (this.#followers.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  /** Ends everything that is followed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopListening();
    clearInterval(this.#timer);
    for (const follower of [...this.#followers.values()].flatMap((each) => [...each])) {
      follower.isOver = true;
      follower.wake?.();
    }
    await this.#looking;
  }

  #lookSoon(): void {
    if (this.#isClosed) return;
    this.#looking ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#look())
      .catch(() => {}) // the next look finds it
      .finally(() => {
        this.#looking = undefined;
        if (this.#changed.size > 0) this.#lookSoon();
      });
  }

  async #look(): Promise<void> {
    const ids = [...this.#changed];
    this.#changed.clear();
    const rows = await findRequests(this.#database, ids);
    const positions = await this.#positions(rows.filter(({ state }) => state === "queued"));
    const found = new Set(rows.map(({ id }) => id));
    for (const row of rows) this.#tell(row.id, { row, position: positions.get(row.id) ?? 0 });
    for (const id of ids) if (!found.has(id)) this.#tell(id, undefined);
  }

  async #positions(rows: readonly RequestRow[]): Promise<ReadonlyMap<string, number>> {
    const positions = new Map<string, number>();
    const byApp = new Map<string, RequestRow[]>();
    for (const row of rows) {
      const group = byApp.get(keyOf(row));
      if (group === undefined) byApp.set(keyOf(row), [row]);
      else group.push(row);
    }
    for (const [first, ...others] of byApp.values()) {
      if (first === undefined) continue;
      if (others.length === 0) {
        positions.set(first.id, await this.#queue.position(first));
        continue;
      }
      const line = await firstInLine(this.#database, first, EXACT_POSITIONS);
      for (const [index, id] of line.entries()) positions.set(id, index);
      for (const row of [first, ...others]) {
        if (!positions.has(row.id)) positions.set(row.id, await this.#queue.position(row));
      }
    }
    return positions;
  }

  /** @param seen undefined: the request was removed */
  #tell(id: string, seen: SeenRequest | undefined): void {
    for (const follower of this.#followers.get(id) ?? []) {
      if (seen === undefined) follower.isOver = true;
      else follower.seen = seen;
      follower.wake?.();
    }
  }
}
