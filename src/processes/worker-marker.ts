const MARKER: unique symbol = Symbol.for("servable.worker");
const slots = globalThis as { [MARKER]?: true };

/**
 * Whether this process is a worker of a pool. Workers import the module of the class. If the module serves the class
 * when it is imported, it must not do so in a worker.
 */
export function isWorkerProcess(): boolean {
  return slots[MARKER] === true;
}

/** Marks this process as a worker. */
export function markWorkerProcess(): void {
  slots[MARKER] = true;
}
