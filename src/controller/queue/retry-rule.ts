import type { Definition, RetryCondition } from "../state/revisions.ts";

/** How an attempt ended: the status of the answer, or of the error in its place, with its kind. */
export interface AttemptEnd {
  readonly status: number;
  /** The kind of the platform's own error; undefined if the app has answered. */
  readonly errorType: string | undefined;
}

/** Attempts of a request at most. */
export const MAX_ATTEMPTS = 10;
/** The first and the longest pause before another attempt, in seconds. */
const FIRST_PAUSE = 0.5;
const LONGEST_PAUSE = 30;
const CONNECTION_ERRORS: ReadonlySet<string> = new Set([
  ...["runner_connection_refused", "runner_connection_error", "runner_disconnected"],
  ...["runner_incomplete_response"],
]);

/** The reason for which an attempt may be repeated; undefined for one whose end is final. */
export function retryCondition({ status, errorType }: AttemptEnd): RetryCondition | undefined {
  if (errorType !== undefined && CONNECTION_ERRORS.has(errorType)) return "connection_error";
  if (status === 504) return "timeout";
  return status === 503 ? "server_error" : undefined;
}

/**
 * Whether there is another attempt, by the settings of the app: `retryConfig` has the retries of a condition, and
 * `skipRetryConditions` those without any.
 * @param attempt the number of the one that has ended, 1 for the first
 */
export function mayRepeat(
  condition: RetryCondition,
  attempt: number,
  { skipRetryConditions, retryConfig }: Pick<Definition, "skipRetryConditions" | "retryConfig">,
): boolean {
  if (skipRetryConditions.includes(condition)) return false;
  const retries = retriesOf(retryConfig)[condition]?.retries ?? MAX_ATTEMPTS - 1;
  return attempt <= Math.min(retries, MAX_ATTEMPTS - 1);
}

/** The pause before the next attempt, in milliseconds: doubled each time, with a random part so that not all come at once. */
export function pauseBeforeRetry(attempt: number, random: () => number): number {
  const seconds = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1));
  return Math.round(seconds * (0.75 + random() / 2) * 1_000);
}

function retriesOf(text: string | undefined): Partial<Record<RetryCondition, { readonly retries?: number }>> {
  if (text === undefined) return {};
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // another client may have sent anything
  }
}
