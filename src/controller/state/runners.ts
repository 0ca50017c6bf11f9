import { json, type Queries } from "../store/database.ts";

/**
 * The life of a runner: waiting for the engine, starting, taking requests, finishing them, ending, ended.
 */
export type RunnerState = "pending" | "setup" | "ready" | "draining" | "terminating" | "terminated";

/** A process or a container that runs one revision. */
export interface RunnerRow {
  readonly id: string;
  readonly app: string;
  readonly environment: string;
  readonly revision: string;
  /** The name of the engine that it runs in. */
  readonly engine: string;
  /** Identifies it for the engine; null before it was started. */
  readonly handle: unknown;
  readonly state: RunnerState;
  /** Why it is in this state, for people. */
  readonly reason: string;
  /** Where it takes requests, such as `http://127.0.0.1:41234`; null before it is ready. */
  readonly address: string | null;
  readonly createdAt: Date;
  readonly readyAt: Date | null;
  readonly endedAt: Date | null;
  /** How it ended, with its last words. */
  readonly ending: string | null;
}

const COLUMNS =
  'id, app, environment, revision, engine, handle, state, reason, address, created_at as "createdAt", ready_at as "readyAt", ended_at as "endedAt", ending';

/** Records a runner that is about to be started. */
export async function createRunner(
  queries: Queries,
  runner: Pick<RunnerRow, "id" | "app" | "environment" | "revision" | "engine" | "reason"> & {
    readonly tokenHash: Buffer;
  },
): Promise<void> {
  const { id, app, environment, revision, engine, reason, tokenHash } = runner;
  await queries.query(
    `insert into runners (id, app, environment, revision, engine, state, reason, token_hash)
     values ($1, $2, $3, $4, $5, 'pending', $6, $7)`,
    [id, app, environment, revision, engine, reason, tokenHash],
  );
}

/** A change of a runner. */
export interface RunnerChange {
  readonly state?: RunnerState;
  readonly reason?: string;
  readonly handle?: unknown;
  readonly address?: string;
  readonly ending?: string;
}

/** Records a change of a runner. One that has ended does not change any more. */
export async function updateRunner(queries: Queries, id: string, change: RunnerChange): Promise<void> {
  const { state, reason, handle, address, ending } = change;
  await queries.query(
    `update runners set
       state = coalesce($2, state),
       reason = coalesce($3, reason),
       handle = coalesce($4, handle),
       address = coalesce($5, address),
       ending = coalesce($6, ending),
       ready_at = case when $2 = 'ready' then coalesce(ready_at, now()) else ready_at end,
       ended_at = case when $2 = 'terminated' then now() else ended_at end
     where id = $1 and state <> 'terminated'`,
    [
      id,
      state ?? null,
      reason ?? null,
      handle === undefined ? null : json(handle),
      address ?? null,
      ending ?? null,
    ],
  );
}

/** Which runners are listed. */
export interface RunnerFilter {
  readonly environment?: string | undefined;
  readonly app?: string | undefined;
  /** Also those that have ended since this time. Default: none that have ended. */
  readonly endedSince?: Date | undefined;
}

/** The runners of a filter, oldest first. */
export async function listRunners(queries: Queries, filter: RunnerFilter = {}): Promise<RunnerRow[]> {
  const { environment, app, endedSince } = filter;
  return queries.query<RunnerRow>(
    `select ${COLUMNS} from runners
     where ($1::text is null or environment = $1) and ($2::text is null or app = $2)
     and (state <> 'terminated' or ended_at >= $3)
     order by created_at, id`,
    [environment ?? null, app ?? null, endedSince ?? null],
  );
}

/** A runner; undefined if there is none of this id. */
export async function findRunner(queries: Queries, id: string): Promise<RunnerRow | undefined> {
  const [row] = await queries.query<RunnerRow>(`select ${COLUMNS} from runners where id = $1`, [id]);
  return row;
}

/** The hash of the token by which a runner identifies itself; undefined if it does not run any more. */
export async function runnerTokenHash(queries: Queries, id: string): Promise<Buffer | undefined> {
  const [row] = await queries.query<{ hash: Buffer }>(
    "select token_hash as hash from runners where id = $1 and state in ('pending', 'setup')",
    [id],
  );
  return row?.hash;
}

/** Removes the records of runners that have ended before a time. @returns their ids, whose logs can be removed */
export async function forgetRunners(queries: Queries, before: Date): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    "delete from runners where state = 'terminated' and ended_at < $1 returning id",
    [before],
  );
  return rows.map(({ id }) => id);
}

/** The ids of the runners that have ended, in the order of their ends. */
export async function endedRunners(queries: Queries): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    "select id from runners where state = 'terminated' order by ended_at",
  );
  return rows.map(({ id }) => id);
}
