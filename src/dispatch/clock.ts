/** The source of time for everything that waits. Tests pass a clock of their own. */
export interface Clock {
  /** Milliseconds since a fixed point. Monotonic. */
  now(): number;
  /** Calls back once after `ms`, possibly a little later; never for Infinity. Returns a cancel function. */
  after(ms: number, callback: () => void): () => void;
  /** Like {@link after}, accurate to a fraction of a millisecond: for waits of a few milliseconds. */
  precisely(ms: number, callback: () => void): () => void;
  /** Calls back after all I/O events that are pending now were processed. Returns a cancel function. */
  soon(callback: () => void): () => void;
}

/** The longest delay of a Node timer, about 24.8 days. A longer delay would fire immediately. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits longer than a single Node timer can. */
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

/** The system's clock. Its timers do not keep the process alive. */
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
      // Node's timers have a resolution of 1 ms and may fire 1 ms late.
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
 * Settles as `work` does, or rejects with the error that `onExpired` returns after `timeoutMs`. `onExpired` should
 * abort the work, whose outcome is ignored from then on.
 */
export function withDeadline<T>(
  work: PromiseLike<T>,
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
