/** What a batch costs, and what callers expect: the setting of one measurement. */
export interface Shape {
  readonly name: string;
  /** What a batch costs whatever its size: `a`, in milliseconds. */
  readonly baseMs: number;
  /** What each item adds: `b`, in milliseconds. */
  readonly perItemMs: number;
  /** Items that a batch holds at most: `B`. */
  readonly maxSize: number;
  /** After this an answer is worth nothing: `L`, in milliseconds from the arrival. */
  readonly deadlineMs: number;
}

export const S1: Shape = { name: "S1", baseMs: 20, perItemMs: 1, maxSize: 64, deadlineMs: 100 };
export const S2: Shape = { name: "S2", baseMs: 5, perItemMs: 0.2, maxSize: 64, deadlineMs: 50 };
export const S3: Shape = { name: "S3", baseMs: 50, perItemMs: 5, maxSize: 32, deadlineMs: 500 };
export const S4: Shape = { name: "S4", baseMs: 10, perItemMs: 0.5, maxSize: 32, deadlineMs: 60 };

export const SHAPES: readonly Shape[] = [S1, S2, S3, S4];

/** What a batch of so many items costs, in milliseconds. */
export function batchCost({ baseMs, perItemMs }: Shape, size: number): number {
  return baseMs + perItemMs * size;
}
