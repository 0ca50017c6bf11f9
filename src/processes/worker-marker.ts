const MARKER: unique symbol = Symbol.for("servable.worker");
const slots = globalThis as { [MARKER]?: true };

/**
 * Whether this process is a worker of a pool. A module that serves its class when it is imported must not do so here:
 * the workers import it, too.
 */
export function isWorkerProcess(): boolean {
  return slots[MARKER] === true;
}

/** Makes this process a worker. */
export function markWorkerProcess(): void {
  slots[MARKER] = true;
}
