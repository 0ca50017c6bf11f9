import { RequestTimeoutException } from "../errors.ts";
import type { Clock } from "./clock.ts";

/**
 * The promise, or a {@link RequestTimeoutException} when it takes longer than `timeoutMs`. `onExpired` is told
 * first: it should signal the work, whose own outcome is ignored from then on.
 */
export function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  clock: Clock,
  onExpired: (reason: RequestTimeoutException) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => {
      const reason = new RequestTimeoutException(timeoutMs);
      onExpired(reason);
      reject(reason);
    });
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
