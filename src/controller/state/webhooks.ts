import type { Queries } from "../store/database.ts";

/** The largest answer that a webhook has with it, in bytes. Larger ones are fetched from the queue. */
export const MAX_ANSWER_BYTES = 4 * 2 ** 20;

/** A webhook that one sender has taken for an attempt. */
export interface DueWebhook {
  readonly id: string;
  readonly requestId: string;
  readonly url: string;
  readonly host: string;
  /** The attempt of the request that gave the answer; 1 for the first. */
  readonly requestAttempt: number;
  readonly status: number;
  /** Null if it is larger than {@link MAX_ANSWER_BYTES}. */
  readonly answer: Buffer | null;
  readonly answerBytes: number;
  /** The number of this attempt; 1 for the first. */
  readonly attempt: number;
  /** Attempts before it was sent again by hand. */
  readonly earlierAttempts: number;
}

/** How an attempt ended. */
export interface WebhookAttempt {
  readonly attempt: number;
  readonly startedAt: Date;
  readonly durationMs: number;
  /** The status of the receiver's answer; null without an answer. */
  readonly status: number | null;
  /** Why the webhook was not delivered; null if it was. */
  readonly error: string | null;
}

/** The state of a webhook after an attempt. */
export type WebhookOutcome =
  { readonly state: "delivered" | "failed" } | { readonly state: "waiting"; readonly nextAt: Date };

/** A webhook as it is listed. */
export interface WebhookRow {
  readonly id: string;
  readonly environment: string;
  readonly app: string;
  readonly requestId: string;
  readonly url: string;
  readonly state: "waiting" | "delivered" | "failed";
  /** The time of the next attempt; null if there is none. */
  readonly nextAt: Date | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
  readonly attempts: readonly WebhookAttempt[];
}

/**
 * Takes webhooks that are due. They are due again at `until`, for the case that their sender ends meanwhile.
 * @param busyHosts hosts that get no more at the moment
 */
export async function takeDueWebhooks(
  queries: Queries,
  {
    now,
    until,
    limit,
    busyHosts,
  }: {
    readonly now: Date;
    readonly until: Date;
    readonly limit: number;
    readonly busyHosts: readonly string[];
  },
): Promise<readonly DueWebhook[]> {
  return queries.query<DueWebhook>(
    `update webhooks set attempts = attempts + 1, next_at = $2
     where id in (
       select id from webhooks
       where state = 'waiting' and next_at <= $1 and not (host = any($4::text[]))
       order by next_at limit $3 for update skip locked)
     returning id, request_id as "requestId", url, host, request_attempt as "requestAttempt", status, answer,
       answer_bytes as "answerBytes", attempts as attempt,
       earlier_attempts as "earlierAttempts"`,
    [now, until, limit, busyHosts],
  );
}

/** Records an attempt, and what follows. Nothing happens if another sender has taken the webhook meanwhile. */
export async function finishAttempt(
  queries: Queries,
  id: string,
  attempt: WebhookAttempt,
  outcome: WebhookOutcome,
): Promise<void> {
  const { startedAt, durationMs, status, error } = attempt;
  const finishedAt = new Date(startedAt.getTime() + durationMs);
  await queries.query(
    `with mine as (
       update webhooks set state = $3, next_at = $4, finished_at = $5
       where id = $1 and attempts = $2 and state = 'waiting' returning id)
     insert into webhook_attempts (webhook, attempt, started_at, duration_ms, status, error)
     select id, $2, $6, $7, $8, $9 from mine`,
    [
      ...[id, attempt.attempt, outcome.state],
      outcome.state === "waiting" ? outcome.nextAt : finishedAt,
      outcome.state === "waiting" ? null : finishedAt,
      ...[startedAt, durationMs, status, error],
    ],
  );
}

/** The webhooks of a request, the oldest first, with their attempts. */
export async function listWebhooks(queries: Queries, requestId: string): Promise<readonly WebhookRow[]> {
  const rows = await queries.query<
    WebhookRow & {
      readonly attempts: readonly (Omit<WebhookAttempt, "startedAt"> & { readonly startedAt: string })[];
    }
  >(
    `select w.id, w.environment, w.app, w.request_id as "requestId", w.url, w.state,
       case when w.state = 'waiting' then w.next_at end as "nextAt",
       w.created_at as "createdAt", w.finished_at as "finishedAt",
       coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'startedAt', a.started_at,
         'durationMs', a.duration_ms, 'status', a.status, 'error', a.error) order by a.attempt)
         filter (where a.webhook is not null), '[]') as attempts
     from webhooks w left join webhook_attempts a on a.webhook = w.id
     where w.request_id = $1 group by w.id order by w.created_at, w.id`,
    [requestId],
  );
  return rows.map((row) => ({
    ...row,
    attempts: row.attempts.map((each) => ({ ...each, startedAt: new Date(each.startedAt) })),
  }));
}

/** Makes a webhook due at once, whatever became of it. False if there is none with this id. */
export async function sendWebhookAgain(queries: Queries, id: string, now: Date): Promise<boolean> {
  const rows = await queries.query(
    `update webhooks set state = 'waiting', next_at = $2, finished_at = null, earlier_attempts = attempts
     where id = $1 returning id`,
    [id, now],
  );
  return rows.length > 0;
}

/** Removes webhooks that have ended before `before`. */
export async function forgetWebhooks(queries: Queries, before: Date): Promise<void> {
  await queries.query("delete from webhooks where state <> 'waiting' and finished_at < $1", [before]);
}
