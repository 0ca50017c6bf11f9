import type { Ending } from "../state/requests.ts";

/** The status of the answers that the queue gives in the place of an app. */
const STATUS = {
  client_cancelled: 499,
  internal_error: 500,
  runner_disconnected: 503,
  startup_timeout: 504,
} as const;

/** The answer of a request that the queue ends itself. */
export function errorAnswer(
  errorType: keyof typeof STATUS,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Pick<Ending, "answer" | "error" | "errorType"> {
  const body = Buffer.from(JSON.stringify({ detail: message, error_type: errorType, message }));
  return {
    error: message,
    errorType,
    answer: {
      status: STATUS[errorType],
      headers: { "content-type": "application/json", "x-fal-error-type": errorType, ...headers },
      body,
    },
  };
}
