import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import type { Queries } from "../store/database.ts";
import { PERMISSIONS, type Permission } from "./permissions.ts";

/** A key without its secret. */
export interface KeyRow {
  readonly id: string;
  readonly description: string | null;
  /** The preset that it was made with; null if its permissions were given one by one. */
  readonly preset: string | null;
  readonly permissions: readonly Permission[];
  readonly createdAt: Date;
}

/** The description and the permissions of a new key. */
export interface NewKey {
  readonly description?: string | undefined;
  readonly preset?: string | undefined;
  readonly permissions: readonly Permission[];
}

const COLUMNS = 'id, description, preset, permissions, created_at as "createdAt"';

/** Creates a key. Its secret is returned only here; the database has its hash. */
export async function createKey(
  queries: Queries,
  { description, preset, permissions }: NewKey,
): Promise<{ readonly id: string; readonly secret: string }> {
  const id = randomUUID();
  // 256 random bits: a slow hash, as passwords need it, would add nothing.
  const secret = randomBytes(32).toString("hex");
  await queries.query(
    "insert into keys (id, secret_hash, description, preset, permissions) values ($1, $2, $3, $4, $5)",
    [id, hashOf(secret), description ?? null, preset ?? null, permissions],
  );
  return { id, secret };
}

/** All keys, oldest first. */
export async function listKeys(queries: Queries): Promise<KeyRow[]> {
  return queries.query<KeyRow>(`select ${COLUMNS} from keys order by created_at, id`);
}

/** Removes a key. False if there is none of this id. */
export async function revokeKey(queries: Queries, id: string): Promise<boolean> {
  const rows = await queries.query("delete from keys where id = $1 returning id", [id]);
  return rows.length > 0;
}

/** The key with this id and secret; undefined if there is none. The comparison takes the same time for any secret. */
export async function findKey(queries: Queries, id: string, secret: string): Promise<KeyRow | undefined> {
  const [row] = await queries.query<KeyRow & { readonly secretHash: Buffer }>(
    `select ${COLUMNS}, secret_hash as "secretHash" from keys where id = $1`,
    [id],
  );
  if (row === undefined || !timingSafeEqual(hashOf(secret), row.secretHash)) return undefined;
  const { secretHash: _, ...key } = row;
  return { ...key, permissions: key.permissions.filter((name) => PERMISSIONS.includes(name)) };
}

/** The hash that is stored for a secret with 256 random bits. */
export function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
