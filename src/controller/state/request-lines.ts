import type { Queries } from "../store/database.ts";
import { REQUEST_COLUMNS, type AppName, type LinePlace, type RequestRow } from "./requests.ts";

/** The waiting requests of an app. */
export interface LineLength extends AppName {
  /** Up to the limit that was asked for. */
  readonly waiting: number;
  /** The requests among them that wait for their next attempt. */
  readonly delayed: number;
  readonly oldestAt: Date;
  /** The first one's place; null if all are delayed. */
  readonly front: LinePlace | null;
}

/** Renews the lease of a holder on all its requests. */
export async function renewLease(queries: Queries, holder: string, until: Date): Promise<void> {
  await queries.query(
    `insert into queue_holders (id, lease_until) values ($1, $2)
     on conflict (id) do update set lease_until = excluded.lease_until`,
    [holder, until],
  );
}

/** The lines of all apps that have requests in them. @param limit more of an app are not counted */
export async function readLines(queries: Queries, limit: number): Promise<LineLength[]> {
  type Row = Omit<LineLength, "front"> & { readonly priority: number | null; readonly seq: number | null };
  const rows = await queries.query<Row>(
    `select a.environment, a.name as app, q.count + d.count as waiting, d.count as delayed,
       least(q.oldest, d.oldest) as "oldestAt", q.front[1]::integer as priority, q.front[2] as seq
     from apps a
     cross join lateral (
       select count(*) as count, min(submitted_at) as oldest, min(array[priority::bigint, seq]) as front from (
         select priority, seq, submitted_at from requests
         where environment = a.environment and app = a.name and state = 'queued' order by priority, seq limit $1) first
     ) q
     left join lateral (
       select count(*) as count, min(submitted_at) as oldest from requests
       where environment = a.environment and app = a.name and state = 'delayed'
     ) d on true
     where q.count + d.count > 0`,
    [limit],
  );
  return rows.map(({ priority, seq, ...row }) => ({
    ...row,
    front: priority === null || seq === null ? null : { priority, seq },
  }));
}

/** Requests that the sweep has put back, and those that have to be ended. */
export interface Swept {
  readonly queued: readonly RequestRow[];
  /** Too late to start, lost too often, or to be cancelled. */
  readonly over: readonly RequestRow[];
}

/** Rows that have to be ended, of one sweep. */
const MAX_OVER = 500;

/**
 * Puts requests back to the front of their lines whose holders have lost their lease, and those whose next attempt is due;
 * finds those that are over.
 */
export async function sweepRequests(
  queries: Queries,
  { now, maxAttempts }: { readonly now: Date; readonly maxAttempts: number },
): Promise<Swept> {
  const rows = await queries.query<RequestRow & { readonly isOver: boolean }>(
    `with lost as (
       select id, attempt >= $2 or is_cancel_asked or not may_retry as is_over from requests x
       where state = 'running'
         and not exists (select from queue_holders h where h.id = x.holder and h.lease_until > $1)
     ), late as (
       select id from requests where state in ('queued', 'delayed') and start_by <= $1 limit ${MAX_OVER}
     ), returned as (
       update requests u set state = 'queued', attempt = attempt + 1, holder = null, started_at = null,
         reason = 'the process that ran it has ended'
       from lost where u.id = lost.id and not lost.is_over and u.state = 'running' returning u.*
     ), due as (
       update requests u set state = 'queued', due_at = null
       where state = 'delayed' and due_at <= $1 and (start_by is null or start_by > $1) returning u.*
     )
     select ${REQUEST_COLUMNS}, false as "isOver" from (select * from returned union all select * from due) r
     union all
     select ${REQUEST_COLUMNS}, true as "isOver" from requests r
     where id in (select id from late union all select id from lost where is_over)`,
    [now, maxAttempts],
  );
  return { queued: rows.filter(({ isOver }) => !isOver), over: rows.filter(({ isOver }) => isOver) };
}

/** Waiting requests whose app was deleted. */
export async function findOrphans(queries: Queries): Promise<RequestRow[]> {
  return queries.query<RequestRow>(
    `select ${REQUEST_COLUMNS} from requests r
     where state in ('queued', 'delayed')
       and not exists (select from apps a where a.environment = r.environment and a.name = r.app) limit ${MAX_OVER}`,
  );
}

/** The number of requests before a place in the queue of an app, up to a limit. */
export async function countBefore(
  queries: Queries,
  { environment, app }: AppName,
  { priority, seq }: LinePlace,
  { limit, from = { priority: 0, seq: 0 } }: { readonly limit: number; readonly from?: LinePlace },
): Promise<number> {
  const [row] = await queries.query<{ count: number }>(
    `select count(*) as count from (
       select from requests where environment = $1 and app = $2 and state = 'queued'
         and (priority, seq) < ($3::smallint, $4::bigint) and (priority, seq) >= ($5::smallint, $6::bigint) limit $7) before`,
    [environment, app, priority, seq, from.priority, from.seq, limit],
  );
  return row?.count ?? 0;
}

/** Every n-th place in the line of an app, the first included. */
export async function sampleLine(
  queries: Queries,
  { environment, app }: AppName,
  step: number,
): Promise<LinePlace[]> {
  return queries.query<LinePlace>(
    `select priority, seq from (
       select priority, seq, row_number() over (order by priority, seq) - 1 as number from requests
       where environment = $1 and app = $2 and state = 'queued') line
     where number % $3 = 0 order by priority, seq`,
    [environment, app, step],
  );
}

/** The first requests in the line of an app, in their order. */
export async function firstInLine(
  queries: Queries,
  { environment, app }: AppName,
  limit: number,
): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    `select id from requests where environment = $1 and app = $2 and state = 'queued' order by priority, seq limit $3`,
    [environment, app, limit],
  );
  return rows.map(({ id }) => id);
}

/** Requests by their ids. */
export async function findRequests(queries: Queries, ids: readonly string[]): Promise<RequestRow[]> {
  return queries.query<RequestRow>(`select ${REQUEST_COLUMNS} from requests r where id = any($1::uuid[])`, [
    ids,
  ]);
}

/** The requests of an app that have not ended, in the order in which they run. */
export async function listUnfinished(
  queries: Queries,
  { environment, app }: AppName,
  { limit, caller, isWaiting = false }: { limit: number; caller?: string | undefined; isWaiting?: boolean },
): Promise<RequestRow[]> {
  return queries.query<RequestRow>(
    `select ${REQUEST_COLUMNS} from requests r
     where environment = $1 and app = $2 and state in ('queued', 'delayed', 'running')
       and ($4::text is null or caller = $4) and (not $5 or state <> 'running')
     order by state <> 'running', priority, seq limit $3`,
    [environment, app, limit, caller ?? null, isWaiting],
  );
}

/** The number of waiting requests of an app by caller. */
export async function countByCaller(
  queries: Queries,
  { environment, app }: AppName,
): Promise<ReadonlyMap<string, number>> {
  const rows = await queries.query<{ caller: string; count: number }>(
    `select caller, count(*) as count from requests
     where environment = $1 and app = $2 and state in ('queued', 'delayed') group by caller`,
    [environment, app],
  );
  return new Map(rows.map(({ caller, count }) => [caller, count]));
}

/** Removes requests that ended before a time, with their inputs and answers, and holders that ended long ago. */
export async function forgetRequests(queries: Queries, before: Date): Promise<void> {
  await queries.query(
    `with removed as (
       delete from requests where state in ('completed', 'cancelled') and completed_at < $1 returning id
     ), inputs as (delete from request_payloads p using removed where p.id = removed.id),
     answers as (delete from request_results a using removed where a.id = removed.id)
     delete from queue_holders where lease_until < $1`,
    [before],
  );
}
