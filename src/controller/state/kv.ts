import type { Queries } from "../store/database.ts";

/** Where a value of a KVStore is. */
export interface KvAddress {
  readonly environment: string;
  /** The name of the KVStore. */
  readonly db: string;
  readonly key: string;
}

/** An environment has more values than it may have. */
export class ValueQuotaExceeded extends Error {}

/** The quota of the values of each environment. The platform is the only one that writes them, so that it can count along. */
export class ValueQuota {
  readonly #maxBytes: number;
  /** At least the bytes of the values of an environment: those that were replaced, deleted or have expired may be among them. */
  readonly #usedBytes = new Map<string, number>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Counts a value that is to be stored. @throws ValueQuotaExceeded if there is no room for it */
  async take(queries: Queries, address: KvAddress, bytes: number): Promise<void> {
    const { environment } = address;
    const counted = this.#usedBytes.get(environment);
    // Counted anew only when it seems too much.
    const used =
      counted !== undefined && counted + bytes <= this.#maxBytes
        ? counted
        : await bytesWithout(queries, address);
    if (used + bytes > this.#maxBytes) {
      throw new ValueQuotaExceeded(
        `The values of KVStores in ${environment} use ${Math.round(used / 1e6)} MB, and this one has ${Math.round(bytes / 1e6)} MB: ` +
          "more than quotas.values_mb of platform.toml allows. Raise it, or delete values.",
      );
    }
    this.#usedBytes.set(environment, used + bytes);
  }
}

/** The bytes of the values of an environment but one. */
async function bytesWithout(queries: Queries, address: KvAddress): Promise<number> {
  const [row] = await queries.query<{ bytes: number }>(
    `select coalesce(sum(octet_length(value)), 0)::bigint as bytes from kv_values
     where environment = $1 and not (db = $2 and key = $3) and (expires_at is null or expires_at > now())`,
    parametersOf(address),
  );
  return row?.bytes ?? 0;
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
