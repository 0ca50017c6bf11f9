import type { Queries } from "../store/database.ts";
import { MIGRATIONS } from "../store/migrations.ts";

/** Rows that are read at once. */
const PAGE = 1_000;
/** The same for tables whose rows may have megabytes. */
const PAGES: Readonly<Record<string, number>> = { kv_values: 8 };
/**
 * Runners belong to their machine: a restored platform starts its own. It must neither run requests once more that have
 * run, nor send their webhooks again, and has no parts of uploads.
 */
const NOT_KEPT: ReadonlySet<string> = new Set([
  ...["runners", "requests", "request_payloads", "request_results", "queue_holders"],
  ...["webhooks", "webhook_attempts"],
  ...["object_uploads", "loose_contents"],
]);

/** The tables that a version of the migrations has made, in the order of their creation. */
export function tablesOf(version: number): readonly string[] {
  return MIGRATIONS.filter((each) => each.version <= version).flatMap(({ sql }) =>
    [...sql.matchAll(/^create table (\w+)/gm)].map(([, name = ""]) => name),
  );
}

/** The tables of a backup: a table comes after those that it refers to, as the migrations have made them. */
export function keptTables(version: number): readonly string[] {
  return tablesOf(version).filter((table) => !NOT_KEPT.has(table));
}

/** The rows of a table as lines of JSON, in pages. PostgreSQL makes and reads the JSON, so that no value is rounded. */
export async function* readRows(queries: Queries, table: string): AsyncGenerator<Buffer> {
  await queries.query(`declare backup_rows cursor for select to_jsonb(t)::text as line from ${table} t`);
  for (;;) {
    const rows = await queries.query<{ line: string }>(`fetch ${PAGES[table] ?? PAGE} from backup_rows`);
    if (rows.length === 0) break;
    yield Buffer.from(rows.map(({ line }) => `${line}\n`).join(""));
  }
  await queries.query("close backup_rows");
}

/** Inserts rows of {@link readRows}. */
export async function writeRows(queries: Queries, table: string, lines: readonly string[]): Promise<void> {
  await queries.query(
    `insert into ${table} overriding system value
     select (jsonb_populate_record(null::${table}, line::jsonb)).* from unnest($1::text[]) line`,
    [lines],
  );
}

/** Lets the counters of a table's columns continue after its rows. */
export async function continueCounters(queries: Queries, table: string): Promise<void> {
  const columns = await queries.query<{ name: string }>(
    "select column_name as name from information_schema.columns where table_schema = current_schema() and table_name = $1 and is_identity = 'YES'",
    [table],
  );
  for (const { name } of columns) {
    await queries.query(
      `select setval(pg_get_serial_sequence('${table}', '${name}'), coalesce((select max("${name}") from ${table}), 0) + 1, false)`,
    );
  }
}
