/** The cost of batches and the deadline of callers: the setting of one measurement. */
export interface Shape {
  readonly name: string;
  /** The fixed cost of a batch: `a`, in milliseconds. */
  readonly baseMs: number;
  /** The cost per item: `b`, in milliseconds. */
  readonly perItemMs: number;
  /** The maximum number of items in a batch: `B`. */
  readonly maxSize: number;
  /** The deadline: `L`, in milliseconds from the arrival. A later response is worthless. */
  readonly deadlineMs: number;
}

export const S1: Shape = { name: "S1", baseMs: 20, perItemMs: 1, maxSize: 64, deadlineMs: 100 };
export const S2: Shape = { name: "S2", baseMs: 5, perItemMs: 0.2, maxSize: 64, deadlineMs: 50 };
export const S3: Shape = { name: "S3", baseMs: 50, perItemMs: 5, maxSize: 32, deadlineMs: 500 };
export const S4: Shape = { name: "S4", baseMs: 10, perItemMs: 0.5, maxSize: 32, deadlineMs: 60 };

export const SHAPES: readonly Shape[] = [S1, S2, S3, S4];

/** The cost of a batch of a given size, in milliseconds. */
export function batchCost({ baseMs, perItemMs }: Shape, size: number): number {
  return baseMs + perItemMs * size;
}
