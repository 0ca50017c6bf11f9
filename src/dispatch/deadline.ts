import type { Clock } from "./clock.ts";

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
