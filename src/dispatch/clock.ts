/** Time, as everything that waits sees it; tests give a clock of their own. */
export interface Clock {
  /** Milliseconds since some fixed point. Never goes back. */
  now(): number;
  /** Calls back once, after `ms`, or a little later. Returns what stops it. */
  after(ms: number, callback: () => void): () => void;
  /** The same to a fraction of a millisecond, for waits of a few. */
  precisely(ms: number, callback: () => void): () => void;
  /** Calls back once all that has arrived by now was looked at. Returns what stops it. */
  soon(callback: () => void): () => void;
}

/** The machine's clock. Its timers keep no process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
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
