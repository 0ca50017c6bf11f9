import { linkSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { writeFileAtomic } from "../../../processes/atomic-file.ts";
import { createMark, parseMark, stateOf, type ProcessMark } from "./process-mark.ts";

/** How a lock behaves in time, in milliseconds. */
export interface LockTimes {
  /** How often one who waits looks. */
  readonly pollMs: number;
  /** How often the holder shows that it lives. */
  readonly heartbeatMs: number;
  /** A holder that does not renew its lock for this time is replaced: it is suspended, or its machine has stopped. */
  readonly silentMs: number;
}

const USUAL_TIMES: LockTimes = { pollMs: 100, heartbeatMs: 2000, silentMs: 60_000 };

/** How one waits for a lock. */
export interface LockWait<T> {
  readonly signal?: AbortSignal;
  /** Called once if another process holds it. */
  readonly onWait?: (holder: ProcessMark) => void;
  /** Asked before each try: whatever it returns ends the wait in place of the lock. */
  readonly instead?: () => T | undefined;
  readonly times?: Partial<LockTimes>;
}

/** The holder of a lock whose file is empty or damaged: such a lock is only free after its time of silence. */
const UNREADABLE: ProcessMark = { token: "unreadable", pid: 0, place: "" };

/**
 * A lock between processes: a file that only one can create. Its holder's death is seen at once, by its pid.
 *
 * A dead holder's lock is never removed, since that could remove the new lock of another process. It is overwritten
 * by the process that creates a file named after that lock, so only one of two processes replaces it.
 */
export class InstallLock {
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

  /** Takes the lock if it is free, or its holder dead. */
  static tryAcquire(path: string, times: Partial<LockTimes> = {}): InstallLock | undefined {
    const mark = createMark();
    const isTaken = take(path, mark) || (isDead(path) && replace(path, holderOf(path), mark, USUAL_TIMES));
    return isTaken ? new InstallLock(path, mark, { ...USUAL_TIMES, ...times }) : undefined;
  }

  /** Whether somebody holds it who is not known to be dead. */
  static isLive(path: string): boolean {
    return holderOf(path) !== undefined && !isDead(path);
  }

  /** Waits for the lock. Rejects with the signal's reason, or with what the file system says. */
  static async acquire<T>(path: string, wait: LockWait<T> = {}): Promise<InstallLock | T> {
    const times = { ...USUAL_TIMES, ...wait.times };
    const mark = createMark();
    const silence = new Silence(times.silentMs);
    let hasWaited = false;
    for (;;) {
      wait.signal?.throwIfAborted();
      const instead = wait.instead?.();
      if (instead !== undefined) return instead;
      if (take(path, mark)) return new InstallLock(path, mark, times);
      const holder = holderOf(path);
      if (holder !== undefined) {
        const isGone = stateOf(holder) === "dead" || silence.lasts(path, holder);
        if (isGone && replace(path, holder, mark, times)) return new InstallLock(path, mark, times);
        if (!hasWaited && !isGone) wait.onWait?.(holder);
        hasWaited ||= !isGone;
      }
      await delay(times.pollMs * (0.5 + Math.random()), undefined, { signal: wait.signal }).catch(() => {});
    }
  }

  /** Whether it is still this one's: one that was silent for too long is replaced. */
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

/** Watches whether a holder shows that it lives, by this process's own clock: those of machines differ. */
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

/** Creates the file with its content in one step, so that nobody ever reads half of it. */
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

/** Follows a dead holder. The right to do so is a lock too, named after it, whose holder may die as well. */
function replace(path: string, dead: ProcessMark | undefined, mark: ProcessMark, times: LockTimes): boolean {
  if (dead === undefined) return false;
  const right = `${path}-after-${dead.token}`;
  if (!take(right, mark)) {
    const other = holderOf(right);
    const isGone = isDead(right) || Date.now() - touchedAt(right) > times.silentMs;
    if (!isGone || !replace(right, other, mark, times)) return false;
  }
  try {
    if (holderOf(path)?.token !== dead.token) return false; // somebody has followed it already
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
    // it was taken over at this moment
  }
}
