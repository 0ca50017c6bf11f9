import type { Queries } from "../store/database.ts";
import { packed } from "./packed.ts";
import { MAX_ANSWER_BYTES } from "./webhooks.ts";

/** The place of a waiting request in the line of its app: those of priority 0 come first, then by number. */
export interface LinePlace {
  /** 0: normal, 1: low. */
  readonly priority: number;
  readonly seq: number;
}

/** An app, by its name in an environment. */
export interface AppName {
  readonly environment: string;
  readonly app: string;
}

/** The input of a runner. */
export interface Payload {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer | null;
}

/** A request to be queued. */
export interface NewRequest extends AppName, Payload {
  readonly id: string;
  /** The id of the caller's key. */
  readonly caller: string;
  /** The caller's own id: submitting it again answers the first request. */
  readonly idempotencyKey: string | undefined;
  readonly priority: number;
  readonly submittedAt: Date;
  /** When it has to run at the latest. */
  readonly startBy: Date | undefined;
  readonly mayRetry: boolean;
  /** Whether input and answer are kept after the caller has got the answer. */
  readonly keepsData: boolean;
  readonly webhookUrl: string | undefined;
  readonly hint: string | undefined;
}

/** Where a request is in its life. */
type RequestState = "queued" | "delayed" | "running" | "completed" | "cancelled";

/** A request without its input and answer. */
export interface RequestRow extends AppName, LinePlace {
  readonly id: string;
  readonly caller: string;
  readonly state: RequestState;
  /** 1 for the first. */
  readonly attempt: number;
  readonly holder: string | null;
  readonly runner: string | null;
  /** Why it waits after an attempt. */
  readonly reason: string | null;
  readonly submittedAt: Date;
  readonly startBy: Date | null;
  readonly dueAt: Date | null;
  readonly startedAt: Date | null;
  readonly completedAt: Date | null;
  readonly isCancelAsked: boolean;
  readonly mayRetry: boolean;
  readonly keepsData: boolean;
  readonly webhookUrl: string | null;
  readonly hint: string | null;
  /** The status of the answer. */
  readonly status: number | null;
  readonly error: string | null;
  readonly errorType: string | null;
  /** Time on the runner, of the last attempt. */
  readonly runSeconds: number | null;
}

/** The answer of a request. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
}

/** Proves that a request is still its holder's: a former holder can change nothing. */
export interface Fence {
  readonly id: string;
  readonly attempt: number;
  /** Null for a request that waits. */
  readonly holder: string | null;
}

/** The end of a request. */
export interface Ending extends Fence {
  readonly state: "completed" | "cancelled";
  readonly answer: StoredAnswer;
  readonly error: string | undefined;
  readonly errorType: string | undefined;
  readonly runner: string | undefined;
  readonly runSeconds: number | undefined;
}

export const REQUEST_COLUMNS = `r.id, r.seq, r.environment, r.app, r.caller, r.priority, r.state, r.attempt, r.holder, r.runner, r.reason,
  r.submitted_at as "submittedAt", r.start_by as "startBy", r.due_at as "dueAt", r.started_at as "startedAt",
  r.completed_at as "completedAt", r.is_cancel_asked as "isCancelAsked", r.may_retry as "mayRetry", r.keeps_data as "keepsData",
  r.webhook_url as "webhookUrl", r.hint, r.status, r.error, r.error_type as "errorType", r.run_seconds as "runSeconds"`;

/**
 * Queues requests in their order, in one statement. Requests with a known id, or a known id of the caller's own, are left
 * out. @returns the places of the queued ones
 */
export async function insertRequests(
  queries: Queries,
  requests: readonly NewRequest[],
): Promise<(LinePlace & { readonly id: string })[]> {
  const bodies = packed(requests.map(({ body }) => body));
  const column = (read: (request: NewRequest) => string | undefined): (string | null)[] =>
    requests.map((each) => read(each) ?? null);
  return queries.query(
    `with input as (
       select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::timestamptz[],
         $8::timestamptz[], $9::boolean[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[],
         $16::integer[], $17::integer[])
       with ordinality as i (id, environment, app, caller, idempotency_key, priority, submitted_at, start_by, may_retry,
         keeps_data, webhook_url, hint, method, path, headers, body_from, body_length, place)
     ), inserted as (
       insert into requests (id, environment, app, caller, idempotency_key, priority, state, submitted_at, start_by, may_retry,
         keeps_data, webhook_url, hint)
       select id, environment, app, caller, idempotency_key, priority, 'queued', submitted_at, start_by, may_retry, keeps_data,
         webhook_url, hint from input order by place
       on conflict do nothing returning id, priority, seq
     ), payloads as (
       insert into request_payloads (id, method, path, headers, body)
       select i.id, i.method, i.path, i.headers,
         case when i.body_length >= 0 then substring($18::bytea from i.body_from for i.body_length) end
       from input i join inserted using (id)
     )
     select id, priority, seq from inserted`,
    [
      column(({ id }) => id),
      column(({ environment }) => environment),
      column(({ app }) => app),
      column(({ caller }) => caller),
      column(({ idempotencyKey }) => idempotencyKey),
      column(({ priority }) => String(priority)),
      column(({ submittedAt }) => submittedAt.toISOString()),
      column(({ startBy }) => startBy?.toISOString()),
      column(({ mayRetry }) => String(mayRetry)),
      column(({ keepsData }) => String(keepsData)),
      column(({ webhookUrl }) => webhookUrl),
      column(({ hint }) => hint),
      column(({ method }) => method),
      column(({ path }) => path),
      column(({ headers }) => JSON.stringify(headers)),
      bodies.from,
      bodies.length,
      bodies.bytes,
    ],
  );
}

/** The request that a caller has submitted before with an id of its own; undefined if there is none. */
export async function findByIdempotencyKey(
  queries: Queries,
  { environment, app, caller, idempotencyKey = "" }: NewRequest,
): Promise<RequestRow | undefined> {
  const [row] = await queries.query<RequestRow>(
    `select ${REQUEST_COLUMNS} from requests r
     where environment = $1 and app = $2 and caller = $3 and idempotency_key = $4`,
    [environment, app, caller, idempotencyKey],
  );
  return row;
}

/** A request that a holder has claimed, with its input. */
export interface ClaimedRequest extends RequestRow {
  readonly payload: Payload;
}

interface ClaimRow extends RequestRow {
  readonly method: string;
  readonly path: string;
  readonly headers: Payload["headers"];
  readonly body: Buffer | null;
}

/**
 * Claims the first waiting requests of an app, one for each runner.
 * @param from a place before which none waits: removed rows before it are not read
 */
export async function claimRequests(
  queries: Queries,
  { environment, app }: AppName,
  {
    runners,
    from,
    holder,
    now,
  }: {
    readonly runners: readonly string[];
    readonly from: LinePlace;
    readonly holder: string;
    readonly now: Date;
  },
): Promise<ClaimedRequest[]> {
  const rows = await queries.query<ClaimRow>(
    `with picked as (
       select id from requests
       where environment = $1 and app = $2 and state = 'queued' and (priority, seq) >= ($3::smallint, $4::bigint)
         and (start_by is null or start_by > $5)
       order by priority, seq limit cardinality($6::text[]) for update skip locked
     ), numbered as (
       select id, row_number() over () as number from picked
     ), r as (
       update requests u set state = 'running', holder = $7, started_at = $5, runner = ($6::text[])[n.number]
       from numbered n where u.id = n.id returning u.*
     )
     select ${REQUEST_COLUMNS}, p.method, p.path, p.headers, p.body
     from r join request_payloads p using (id) order by r.priority, r.seq`,
    [environment, app, from.priority, from.seq, now, runners, holder],
  );
  return rows.map(({ method, path, headers, body, ...row }) => ({
    ...row,
    payload: { method, path, headers, body },
  }));
}

/**
 * Ends requests that are still their holders', and stores their answers.
 * @returns the ended ones, without requests that were lost meanwhile
 */
export async function finishRequests(
  queries: Queries,
  endings: readonly Ending[],
  now: Date,
): Promise<RequestRow[]> {
  const bodies = packed(endings.map(({ answer }) => answer.body));
  const column = (read: (ending: Ending) => string | number | null | undefined): (string | null)[] =>
    endings.map((each) => read(each)?.toString() ?? null);
  // Every end of a request is in this statement, so that its webhook is stored exactly if it has ended.
  return queries.query<RequestRow>(
    `with input as (
       select * from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[],
         $8::text[], $9::double precision[], $10::jsonb[], $11::integer[], $12::integer[])
       as i (id, attempt, holder, state, status, error, error_type, runner, run_seconds, headers, body_from, body_length)
     ), r as (
       update requests u set state = i.state, status = i.status, error = i.error, error_type = i.error_type,
         runner = coalesce(i.runner, u.runner), run_seconds = i.run_seconds, completed_at = $13, holder = null, due_at = null
       from input i
       where u.id = i.id and u.attempt = i.attempt and u.holder is not distinct from i.holder
         and u.state in ('queued', 'delayed', 'running')
       returning u.*
     ), results as (
       insert into request_results (id, headers, body)
       select i.id, i.headers, substring($14::bytea from i.body_from for i.body_length) from input i join r using (id)
     ), inputs as (
       delete from request_payloads p using r where p.id = r.id and not r.keeps_data
     ), calls as (
       insert into webhooks (environment, app, request_id, url, host, request_attempt, status, answer, answer_bytes,
         next_at, created_at)
       select r.environment, r.app, r.id, r.webhook_url, regexp_replace(r.webhook_url, '^[a-z]+://([^/?#]*).*$', '\\1'),
         r.attempt, i.status,
         case when i.body_length <= $15 then substring($14::bytea from i.body_from for i.body_length) end,
         i.body_length, $13, $13
       from input i join r using (id) where r.webhook_url is not null
     )
     select ${REQUEST_COLUMNS} from r`,
    [
      column(({ id }) => id),
      column(({ attempt }) => attempt),
      column(({ holder }) => holder),
      column(({ state }) => state),
      column(({ answer }) => answer.status),
      column(({ error }) => error),
      column(({ errorType }) => errorType),
      column(({ runner }) => runner),
      column(({ runSeconds }) => runSeconds),
      column(({ answer }) => JSON.stringify(answer.headers)),
      bodies.from,
      bodies.length,
      now,
      bodies.bytes,
      MAX_ANSWER_BYTES,
    ],
  );
}

/** Puts a request back to the front of its line, for another attempt. False if it is lost, or its caller wants to cancel it. */
export async function delayRequest(
  queries: Queries,
  { id, attempt, holder }: Fence,
  { dueAt, reason }: { readonly dueAt: Date; readonly reason: string },
): Promise<boolean> {
  const rows = await queries.query(
    `update requests set state = 'delayed', attempt = attempt + 1, holder = null, due_at = $4, reason = $5, started_at = null
     where id = $1 and attempt = $2 and holder = $3 and state = 'running' and not is_cancel_asked returning id`,
    [id, attempt, holder, dueAt, reason],
  );
  return rows.length > 0;
}

/**
 * Puts requests of an app back that a holder has claimed without knowing it: the answer to its claim was lost, and no runner
 * has got them.
 * @param known those that it does run
 * @returns their number
 */
export async function giveBackUnknown(
  queries: Queries,
  { environment, app }: AppName,
  { holder, known }: { readonly holder: string; readonly known: readonly string[] },
): Promise<number> {
  const rows = await queries.query(
    `update requests set state = 'queued', holder = null, started_at = null, runner = null
     where environment = $1 and app = $2 and holder = $3 and state = 'running' and id <> all($4::uuid[]) returning id`,
    [environment, app, holder, known],
  );
  return rows.length;
}

/** Gives back all requests of a holder that ends. @returns their number */
export async function giveBackRequests(queries: Queries, holder: string): Promise<number> {
  const rows = await queries.query(
    `with lease as (delete from queue_holders where id = $1)
     update requests set state = 'queued', attempt = attempt + 1, holder = null, started_at = null,
       reason = 'the platform was stopped'
     where holder = $1 and state = 'running' returning id`,
    [holder],
  );
  return rows.length;
}

/** Notes that a running request shall be cancelled. @returns it; undefined if it does not run */
export async function askToCancel(queries: Queries, id: string): Promise<RequestRow | undefined> {
  const [row] = await queries.query<RequestRow>(
    `update requests r set is_cancel_asked = true where id = $1 and state = 'running' returning ${REQUEST_COLUMNS}`,
    [id],
  );
  return row;
}

/** A request; undefined if there is none of this id. */
export async function findRequest(queries: Queries, id: string): Promise<RequestRow | undefined> {
  const [row] = await queries.query<RequestRow>(`select ${REQUEST_COLUMNS} from requests r where id = $1`, [
    id,
  ]);
  return row;
}

/** The answer of a request that has ended; undefined if it was removed. */
export async function findAnswer(
  queries: Queries,
  id: string,
): Promise<Omit<StoredAnswer, "status"> | undefined> {
  const [row] = await queries.query<Omit<StoredAnswer, "status">>(
    "select headers, body from request_results where id = $1",
    [id],
  );
  return row;
}

/** Removes the answer of a request. */
export async function removeAnswer(queries: Queries, id: string): Promise<void> {
  await queries.query("delete from request_results where id = $1", [id]);
}
