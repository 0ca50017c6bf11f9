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
  /** Null: never. */
  readonly expiresAt: Date | null;
  /** To the minute; null: never. */
  readonly lastUsedAt: Date | null;
  /** When the secret before the last rotation expires; null if there is none. */
  readonly previousExpiresAt: Date | null;
}

/** The description and the permissions of a new key. */
export interface NewKey {
  readonly description?: string | undefined;
  readonly preset?: string | undefined;
  readonly permissions: readonly Permission[];
  /** Default: never. */
  readonly expiresAt?: Date | undefined;
}

const COLUMNS = `id, description, preset, permissions, created_at as "createdAt", expires_at as "expiresAt",
  last_used_at as "lastUsedAt", previous_expires_at as "previousExpiresAt"`;

/** Creates a key. Its secret is returned only here; the database has its hash. */
export async function createKey(
  queries: Queries,
  { description, preset, permissions, expiresAt }: NewKey,
): Promise<{ readonly id: string; readonly secret: string }> {
  const id = randomUUID();
  const secret = newSecret();
  await queries.query(
    "insert into keys (id, secret_hash, description, preset, permissions, expires_at) values ($1, $2, $3, $4, $5, $6)",
    [id, hashOf(secret), description ?? null, preset ?? null, permissions, expiresAt ?? null],
  );
  return { id, secret };
}

/** 256 random bits: a slow hash, as passwords need it, would add nothing. */
function newSecret(): string {
  return randomBytes(32).toString("hex");
}

/**
 * Gives a key another secret. The former one is valid until `graceEnd`; without it, it is invalid at once. One from before
 * the last rotation is invalid in any case.
 * @returns the secret; undefined if there is no such key
 */
export async function rotateKey(
  queries: Queries,
  id: string,
  graceEnd: Date | undefined,
): Promise<string | undefined> {
  const secret = newSecret();
  const rows = await queries.query(
    `update keys set
       previous_secret_hash = case when $3::timestamptz is null then null else secret_hash end,
       previous_expires_at = $3, secret_hash = $2
     where id = $1 returning id`,
    [id, hashOf(secret), graceEnd ?? null],
  );
  return rows.length > 0 ? secret : undefined;
}

/** Records that a key is in use, once a minute. */
export async function noteUse(queries: Queries, id: string): Promise<void> {
  await queries.query(
    "update keys set last_used_at = now() where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')",
    [id],
  );
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

/** A key with the time at which the secret that it was found by expires. */
export interface FoundKey extends KeyRow {
  /** Undefined: never. */
  readonly secretExpiresAt: Date | undefined;
}

/**
 * The key with this id and secret; undefined if there is none, or one of them has expired. The comparison takes the same
 * time for any secret.
 */
export async function findKey(queries: Queries, id: string, secret: string): Promise<FoundKey | undefined> {
  type Hashes = { readonly secretHash: Buffer; readonly previousSecretHash: Buffer | null };
  const [row] = await queries.query<KeyRow & Hashes>(
    `select ${COLUMNS}, secret_hash as "secretHash", previous_secret_hash as "previousSecretHash" from keys
     where id = $1 and (expires_at is null or expires_at > now())`,
    [id],
  );
  if (row === undefined) return undefined;
  const { secretHash, previousSecretHash, ...key } = row;
  const hash = hashOf(secret);
  const isPresent = timingSafeEqual(hash, secretHash);
  const isPrevious = timingSafeEqual(hash, previousSecretHash ?? secretHash);
  const ends = [key.expiresAt, isPresent ? null : key.previousExpiresAt].filter((end) => end !== null);
  const secretExpiresAt = ends.toSorted((a, b) => a.getTime() - b.getTime())[0];
  if (!isPresent && !isPrevious) return undefined;
  if (secretExpiresAt !== undefined && secretExpiresAt.getTime() <= Date.now()) return undefined;
  return {
    ...key,
    secretExpiresAt,
    permissions: key.permissions.filter((name) => PERMISSIONS.includes(name)),
  };
}

/** Whether there is a key of this id that has not expired. */
export async function isValidKey(queries: Queries, id: string): Promise<boolean> {
  const rows = await queries.query(
    "select 1 from keys where id = $1 and (expires_at is null or expires_at > now())",
    [id],
  );
  return rows.length > 0;
}

/** The hash that is stored for a secret with 256 random bits. */
export function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
