import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Time without a call before memory is freed, in milliseconds. Node 20 frees it only after more than 5 s of rest. */
const REST_MS = 6_000;
/** Collecting the garbage of a larger heap would delay the next call too long. In bytes. */
const MAX_HEAP_BYTES = 64e6;

/** The calls of a worker. */
export interface WorkerActivity {
  /** Number of calls so far. */
  readonly count: number;
  readonly isRunning: boolean;
}

/**
 * Frees the memory that loading the code of an app leaves behind, once a worker is idle. Loading lets V8 extend the
 * space for new objects to its largest size, which it would keep as long as nothing is called.
 */
export function freeMemoryOnceIdle(activity: WorkerActivity): void {
  let count = activity.count;
  const timer = setInterval(() => {
    const isIdle = !activity.isRunning && activity.count === count;
    count = activity.count;
    if (!isIdle) return;
    clearInterval(timer);
    if (getHeapStatistics().used_heap_size < MAX_HEAP_BYTES) collectGarbage();
  }, REST_MS);
  timer.unref();
}

type CollectGarbage = (options: object) => void;

/** Node has no other way to this function than to enable it for a new context. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as CollectGarbage;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
