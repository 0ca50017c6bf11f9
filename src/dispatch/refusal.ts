import { OverloadException } from "../errors.ts";

/**
 * The reason why a job is not accepted. Plain data: under overload most requests are refused, and the stack of an error
 * would cost more than the rest of a refusal.
 */
export interface Refusal {
  readonly message: string;
  readonly code: "QUEUE_FULL" | "OVERLOADED";
  /** The HTTP status. */
  readonly status: number;
  /** Time after which to try again, in milliseconds. */
  readonly retryAfterMs: number;
}

/** The error of a refused job. */
export function errorOf({ message, status, retryAfterMs, code }: Refusal): OverloadException {
  return new OverloadException(message, status, retryAfterMs, code);
}
