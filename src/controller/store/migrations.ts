import { platformFailure } from "../failure.ts";
import type { Database, Queries } from "./database.ts";
import { FIRST } from "./migrations/0001-first.ts";
import { VALUES } from "./migrations/0002-values.ts";
import { KEY_LIVES } from "./migrations/0003-key-lives.ts";
import { ARRIVALS } from "./migrations/0004-arrivals.ts";
import { REQUESTS } from "./migrations/0005-requests.ts";
import { OBJECTS } from "./migrations/0006-objects.ts";
import { WEBHOOKS } from "./migrations/0007-webhooks.ts";

/** A step from one version of the tables to the next. Published steps never change: a new one follows them. */
export interface Migration {
  /** 1 for the first; without gaps. */
  readonly version: number;
  readonly sql: string;
}

/** All steps in order. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: FIRST },
  { version: 2, sql: VALUES },
  { version: 3, sql: KEY_LIVES },
  { version: 4, sql: ARRIVALS },
  { version: 5, sql: REQUESTS },
  { version: 6, sql: OBJECTS },
  { version: 7, sql: WEBHOOKS },
];

/** The key of the lock that lets only one process migrate: "servable" as a number. */
const LOCK = 7_310_867_341_985_016_421n;

/**
 * Brings the tables to the newest version, forward only. Several processes may call it at once: one migrates, the others
 * wait.
 * @returns the version before, and the version now
 * @throws StartupError if the tables were made by a newer version of this package
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<{ readonly before: number; readonly now: number }> {
  return database.transaction((queries) => applyMigrations(queries, migrations));
}

/** The same in a transaction that does more. */
export async function applyMigrations(
  queries: Queries,
  migrations: readonly Migration[],
): Promise<{ readonly before: number; readonly now: number }> {
  await queries.query("select pg_advisory_xact_lock($1)", [LOCK]);
  await queries.query(
    "create table if not exists migrations (version integer primary key, applied_at timestamptz not null default now())",
  );
  const before = await currentVersion(queries);
  const now = migrations.at(-1)?.version ?? 0;
  if (before > now) {
    throw platformFailure(
      `The database has version ${before} of the tables; this version of servable knows ${now}. Install the newer version of servable again, or restore a backup.`,
    );
  }
  for (const { version, sql } of migrations.filter((each) => each.version > before)) {
    await queries.query(sql);
    await queries.query("insert into migrations (version) values ($1)", [version]);
  }
  return { before, now };
}

/** The version of the tables; 0 before the first migration. */
export async function currentVersion(queries: Queries): Promise<number> {
  const [found] = await queries.query<{ name: string | null }>(
    "select to_regclass('migrations')::text as name",
  );
  if (found?.name === null) return 0;
  const [row] = await queries.query<{ version: number | null }>(
    "select max(version) as version from migrations",
  );
  return row?.version ?? 0;
}
