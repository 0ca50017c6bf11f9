import { linkSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { writeFileAtomic } from "../processes/atomic-file.ts";
import { createMark, parseMark, stateOf, type ProcessMark } from "./process-mark.ts";

/** Intervals of a lock, in milliseconds. */
export interface LockTimes {
  /** Interval at which a waiting process checks the lock. */
  readonly pollMs: number;
  /** Interval at which the holder renews the lock. */
  readonly heartbeatMs: number;
  /** Time without a renewal after which the holder is replaced: it is suspended, or its machine has stopped. */
  readonly silentMs: number;
}

const USUAL_TIMES: LockTimes = { pollMs: 100, heartbeatMs: 2000, silentMs: 60_000 };

/** Options of waiting for a lock. */
export interface LockWait<T> {
  readonly signal?: AbortSignal;
  /** Called once if another process holds it. */
  readonly onWait?: (holder: ProcessMark) => void;
  /** Called before each attempt. If it returns a value, the wait ends with this value instead of the lock. */
  readonly instead?: () => T | undefined;
  readonly times?: Partial<LockTimes>;
}

/** The holder of a lock whose file is empty or damaged. Such a lock is free only after `silentMs`. */
const UNREADABLE: ProcessMark = { token: "unreadable", pid: 0, place: "" };

/**
 * A lock between processes: a file that only one process can create. It has the holder's pid, so that other processes
 * detect immediately that the holder has died.
 *
 * A dead holder's lock is never removed, since that could remove the new lock of another process. It is overwritten
 * by the process that creates a file named after that lock, so only one of two processes replaces it.
 */
export class FileLock {
  readonly #path: string;
  readonly #mark: ProcessMark;
  readonly #heartbeat: NodeJS.Timeout;

  private constructor(path: string, mark: ProcessMark, times: LockTimes) {
    this.#path = path;
    this.#mark = mark;
    this.#heartbeat = setInterval(() => {
      if (this.isHeld()) touch(path);
    }, times.heartbeatMs).unref();
  }

  /** Takes the lock if it is free or its holder has died; undefined otherwise. */
  static tryAcquire(path: string, times: Partial<LockTimes> = {}): FileLock | undefined {
    const mark = createMark();
    const isTaken = take(path, mark) || (isDead(path) && replace(path, holderOf(path), mark, USUAL_TIMES));
    return isTaken ? new FileLock(path, mark, { ...USUAL_TIMES, ...times }) : undefined;
  }

  /** Whether a process holds the lock that is not known to be dead. */
  static isLive(path: string): boolean {
    return holderOf(path) !== undefined && !isDead(path);
  }

  /** Waits for the lock. Rejects with the signal's reason, or with an error of the file system. */
  static async acquire<T>(path: string, wait: LockWait<T> = {}): Promise<FileLock | T> {
    const times = { ...USUAL_TIMES, ...wait.times };
    const mark = createMark();
    const silence = new Silence(times.silentMs);
    let hasWaited = false;
    for (;;) {
      wait.signal?.throwIfAborted();
      const instead = wait.instead?.();
      if (instead !== undefined) return instead;
      if (take(path, mark)) return new FileLock(path, mark, times);
      const holder = holderOf(path);
      if (holder !== undefined) {
        const isGone = stateOf(holder) === "dead" || silence.lasts(path, holder);
        if (isGone && replace(path, holder, mark, times)) return new FileLock(path, mark, times);
        if (!hasWaited && !isGone) wait.onWait?.(holder);
        hasWaited ||= !isGone;
      }
      await delay(times.pollMs * (0.5 + Math.random()), undefined, { signal: wait.signal }).catch(() => {});
    }
  }

  /** Whether this process still holds the lock. A holder that does not renew it in time is replaced. */
  isHeld(): boolean {
    return holderOf(this.#path)?.token === this.#mark.token;
  }

  release(): void {
    clearInterval(this.#heartbeat);
    if (this.isHeld()) rmSync(this.#path, { force: true });
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Measures the time since a holder's last renewal by the clock of this process, because the clocks of machines differ.
 */
class Silence {
  readonly #limitMs: number;
  #seen = "";
  #since = 0;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  lasts(path: string, holder: ProcessMark): boolean {
    const sign = `${holder.token} ${touchedAt(path)}`;
    if (sign !== this.#seen) {
      this.#seen = sign;
      this.#since = performance.now();
    }
    return performance.now() - this.#since >= this.#limitMs;
  }
}

/** Creates the file with its content in one step, so that no process reads a partial file. */
function take(path: string, mark: ProcessMark): boolean {
  const text = JSON.stringify(mark);
  const temporary = `${path}.${mark.token}`;
  try {
    writeFileSync(temporary, text);
    try {
      linkSync(temporary, path);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return false;
      if (code === "ENOENT") throw error;
    }
  } finally {
    rmSync(temporary, { force: true });
  }
  try {
    writeFileSync(path, text, { flag: "wx" }); // a file system without links
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Replaces a dead holder. This needs a second lock, named after the dead holder, and the holder of that lock may die as
 * well.
 */
function replace(path: string, dead: ProcessMark | undefined, mark: ProcessMark, times: LockTimes): boolean {
  if (dead === undefined) return false;
  const right = `${path}-after-${dead.token}`;
  if (!take(right, mark)) {
    const other = holderOf(right);
    const isGone = isDead(right) || Date.now() - touchedAt(right) > times.silentMs;
    if (!isGone || !replace(right, other, mark, times)) return false;
  }
  try {
    if (holderOf(path)?.token !== dead.token) return false; // another process has replaced it already
    writeFileAtomic(path, JSON.stringify(mark));
    return true;
  } finally {
    rmSync(right, { force: true });
  }
}

function holderOf(path: string): ProcessMark | undefined {
  try {
    return parseMark(readFileSync(path, "utf8")) ?? UNREADABLE;
  } catch {
    return undefined;
  }
}

function isDead(path: string): boolean {
  const holder = holderOf(path);
  return holder !== undefined && stateOf(holder) === "dead";
}

function touchedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function touch(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // another process has just taken it over
  }
}
