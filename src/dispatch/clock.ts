/** Time, as everything that waits sees it; tests give a clock of their own. */
export interface Clock {
  /** Milliseconds since some fixed point. Never goes back. */
  now(): number;
  /** Calls back once, after `ms`, or a little later; after however long, and never for Infinity. Returns what stops it. */
  after(ms: number, callback: () => void): () => void;
  /** The same to a fraction of a millisecond, for waits of a few. */
  precisely(ms: number, callback: () => void): () => void;
  /** Calls back once all that has arrived by now was looked at. Returns what stops it. */
  soon(callback: () => void): () => void;
}

/** The longest wait a Node timer takes, about 24.8 days; a longer one would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits for longer than a timer of Node's can. */
function inSteps(ms: number, callback: () => void): () => void {
  if (ms === Infinity) return () => {};
  const due = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = due - performance.now();
    if (left <= 0) return callback();
    timer = setTimeout(wait, Math.min(left, LONGEST_TIMER_MS)).unref();
  };
  wait();
  return () => clearTimeout(timer);
}

/** The machine's clock. Its timers keep no process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    if (ms > LONGEST_TIMER_MS) return inSteps(ms, callback);
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  precisely(ms, callback) {
    const due = performance.now() + ms;
    let stop: () => void;
    const wait = (): void => {
      const left = due - performance.now();
      if (left <= 0) return callback();
      // Node's timers count whole milliseconds and may come one late.
      stop = left > 2 ? systemClock.after(left - 2, wait) : systemClock.soon(wait);
    };
    stop = systemClock.soon(wait);
    return () => stop();
  },
  soon(callback) {
    const turn = setImmediate(callback);
    return () => clearImmediate(turn);
  },
};

/**
 * The promise, or what `onExpired` makes of it when it takes longer than `timeoutMs`: that should signal the work,
 * whose own outcome is ignored from then on, and return the error to reject with.
 */
export function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  clock: Clock,
  onExpired: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => reject(onExpired()));
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
