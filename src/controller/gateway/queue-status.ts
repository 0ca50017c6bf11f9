import type { RequestRow } from "../state/requests.ts";

/** The addresses of a request. */
export interface RequestUrls {
  readonly response_url: string;
  readonly status_url: string;
  readonly cancel_url: string;
}

/** The parts of a status that are not in the request's row. */
export interface StatusFacts {
  /** The requests before it. */
  readonly position: number;
  /** Why the first of them waits. */
  readonly waitReason: string;
  readonly urls: RequestUrls;
  readonly withLogs: boolean;
}

/** The status of a request, as clients read it. */
export function statusAnswer(
  row: RequestRow,
  { position, waitReason, urls, withLogs }: StatusFacts,
): { readonly status: "IN_QUEUE" | "IN_PROGRESS" | "COMPLETED" } & Record<string, unknown> {
  const about = { request_id: row.id, ...urls };
  const logs = withLogs ? [] : null;
  switch (row.state) {
    case "queued":
    case "delayed":
      return {
        ...{ status: "IN_QUEUE", ...about, queue_position: position, attempt: row.attempt },
        reason: reasonOf(row, position, waitReason),
      };
    case "running":
      return { status: "IN_PROGRESS", ...about, logs, attempt: row.attempt, runner: row.runner };
    default:
      return {
        ...{ status: "COMPLETED", ...about, logs },
        metrics: { inference_time: row.runSeconds },
        ...(row.error === null ? {} : { error: row.error }),
        ...(row.errorType === null ? {} : { error_type: row.errorType }),
      };
  }
}

/** For people: why a request waits. */
function reasonOf(
  { state, reason, dueAt, attempt }: RequestRow,
  position: number,
  waitReason: string,
): string {
  const last = reason === null ? "" : `; attempt ${attempt - 1}: ${reason}`;
  if (state === "delayed") return `attempt ${attempt} begins at ${dueAt?.toISOString() ?? "once"}${last}`;
  if (position === 0) return `${waitReason}${last}`;
  return `behind ${position} request${position === 1 ? "" : "s"}, ${waitReason}${last}`;
}
