import type { Queries } from "../store/database.ts";

/** Where a value of a KVStore is. */
export interface KvAddress {
  readonly environment: string;
  /** The name of the KVStore. */
  readonly db: string;
  readonly key: string;
}

/** A value; undefined if there is none, or it has expired. */
export async function getValue(queries: Queries, address: KvAddress): Promise<string | undefined> {
  const [row] = await queries.query<{ value: Buffer }>(
    `select value from kv_values
     where environment = $1 and db = $2 and key = $3 and (expires_at is null or expires_at > now())`,
    parametersOf(address),
  );
  return row?.value.toString("utf8");
}

/** Sets or replaces a value. @param ttlSeconds time after which it expires; undefined: never */
export async function setValue(
  queries: Queries,
  address: KvAddress,
  value: string,
  ttlSeconds: number | undefined,
): Promise<void> {
  await queries.query(
    `insert into kv_values (environment, db, key, value, expires_at)
     values ($1, $2, $3, $4, now() + $5 * interval '1 second')
     on conflict (environment, db, key) do update set value = excluded.value, expires_at = excluded.expires_at`,
    [...parametersOf(address), Buffer.from(value, "utf8"), ttlSeconds ?? null],
  );
}

/** Deletes a value, if there is one. */
export async function deleteValue(queries: Queries, address: KvAddress): Promise<void> {
  await queries.query(
    "delete from kv_values where environment = $1 and db = $2 and key = $3",
    parametersOf(address),
  );
}

/** Removes all values that have expired. */
export async function forgetExpiredValues(queries: Queries): Promise<void> {
  await queries.query("delete from kv_values where expires_at <= now()");
}

function parametersOf({ environment, db, key }: KvAddress): [string, string, Buffer] {
  return [environment, db, Buffer.from(key, "utf8")];
}
