import type { Database, Queries } from "../store/database.ts";

/** Who may read an object: everybody, or its owner alone. Others learn that it is there by "forbid", nothing by "hide". */
export type ObjectAcl = "allow" | "hide" | "forbid";

/** The facts of an object that are known before its content. */
export interface ObjectFacts {
  /** The id of the key that stores it; null: an app has stored it for nobody in particular. */
  readonly keyId: string | null;
  readonly environment: string;
  readonly name: string;
  readonly type: string;
  readonly acl: ObjectAcl;
}

/** A stored file. */
export interface ObjectRow extends ObjectFacts {
  readonly id: string;
  /** The name of its content in the folder or the bucket. */
  readonly content: string;
  readonly size: number;
  /** The SHA-256 of the content. */
  readonly digest: Buffer;
  /** Null: never. */
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
}

/** An upload that was announced. */
export interface UploadRow extends ObjectFacts {
  /** Nobody can guess it: who has it may upload. */
  readonly id: string;
  readonly objectId: string;
  /** The life of the object, in seconds; null: without end. */
  readonly expirySeconds: number | null;
  /** When it can no longer be used. */
  readonly endsAt: Date;
  /** Whether its object is stored. */
  readonly isComplete: boolean;
}

const OBJECT_COLUMNS = `id, content, key_id as "keyId", environment, name, type, size, digest, acl,
  expires_at as "expiresAt", created_at as "createdAt"`;
const UPLOAD_COLUMNS = `id, object_id as "objectId", key_id as "keyId", environment, name, type, acl,
  expiry_seconds as "expirySeconds", ends_at as "endsAt", is_complete as "isComplete"`;

/** An object; undefined if there is none. It may have expired. */
export async function findObject(queries: Queries, id: string): Promise<ObjectRow | undefined> {
  const [row] = await queries.query<ObjectRow>(`select ${OBJECT_COLUMNS} from objects where id = $1`, [id]);
  return row;
}

/** Announces an upload. */
export async function createUpload(queries: Queries, upload: Omit<UploadRow, "isComplete">): Promise<void> {
  const { id, objectId, keyId, environment, name, type, acl, expirySeconds, endsAt } = upload;
  await queries.query(
    `insert into object_uploads (id, object_id, key_id, environment, name, type, acl, expiry_seconds, ends_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [id, objectId, keyId, environment, name, type, acl, expirySeconds, endsAt],
  );
}

/** An upload that can be used, or was used; undefined if there is none, or its time is over. */
export async function findUpload(queries: Queries, id: string, now: Date): Promise<UploadRow | undefined> {
  const [row] = await queries.query<UploadRow>(
    `select ${UPLOAD_COLUMNS} from object_uploads where id = $1 and ends_at > $2`,
    [id, now],
  );
  return row;
}

/** Notes that a content is about to be written, so that it is removed if no object gets it by then. */
export async function noteContent(queries: Queries, content: string, removableAt: Date): Promise<void> {
  await queries.query("insert into loose_contents (content, removable_at) values ($1, $2)", [
    content,
    removableAt,
  ]);
}

/**
 * Stores an object, whose content is written. An upload stores one object: the first.
 * @returns false if the upload has an object already
 */
export async function createObject(
  database: Database,
  object: ObjectRow,
  uploadId: string | undefined,
): Promise<boolean> {
  const { id, content, keyId, environment, name, type, size, digest, acl, expiresAt, createdAt } = object;
  return database.transaction(async (queries) => {
    if (uploadId !== undefined) {
      const claimed = await queries.query(
        "update object_uploads set is_complete = true where id = $1 and not is_complete returning id",
        [uploadId],
      );
      if (claimed.length === 0) return false;
    }
    await queries.query(
      `insert into objects (id, content, key_id, environment, name, type, size, digest, acl, expires_at, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [id, content, keyId, environment, name, type, size, digest, acl, expiresAt, createdAt],
    );
    await queries.query("delete from loose_contents where content = $1", [content]);
    return true;
  });
}

const LOOSEN = `insert into loose_contents (content, removable_at)
  select content, 'epoch' from removed on conflict (content) do nothing`;

/** Removes an object. Its content is loose from then on. False if there is none. */
export async function deleteObject(queries: Queries, id: string): Promise<boolean> {
  const rows = await queries.query(
    `with removed as (delete from objects where id = $1 returning content) ${LOOSEN} returning content`,
    [id],
  );
  return rows.length > 0;
}

/** Removes objects that have expired. Their contents are loose from then on. */
export async function deleteExpiredObjects(queries: Queries, now: Date): Promise<void> {
  await queries.query(
    `with removed as (delete from objects where expires_at <= $1 returning content) ${LOOSEN}`,
    [now],
  );
}

/** Lets all objects of an environment expire now. */
export async function expireObjectsOf(queries: Queries, environment: string): Promise<void> {
  await queries.query("update objects set expires_at = now() where environment = $1", [environment]);
}

/** Contents that can be removed. */
export async function removableContents(queries: Queries, now: Date): Promise<string[]> {
  const rows = await queries.query<{ content: string }>(
    "select content from loose_contents where removable_at <= $1 order by removable_at limit 1000",
    [now],
  );
  return rows.map(({ content }) => content);
}

/** Forgets a content that is removed. */
export async function forgetContent(queries: Queries, content: string): Promise<void> {
  await queries.query("delete from loose_contents where content = $1", [content]);
}

/** Forgets uploads whose time is over. */
export async function deleteEndedUploads(queries: Queries, now: Date): Promise<void> {
  await queries.query("delete from object_uploads where ends_at <= $1", [now]);
}

/** The uploads whose parts are kept. */
export async function openUploads(
  queries: Queries,
  now: Date,
): Promise<{ readonly id: string; readonly environment: string }[]> {
  return queries.query("select id, environment from object_uploads where ends_at > $1 and not is_complete", [
    now,
  ]);
}

/** The bytes of all objects, by environment. */
export async function objectBytes(queries: Queries): Promise<ReadonlyMap<string, number>> {
  const rows = await queries.query<{ environment: string; bytes: number }>(
    "select environment, sum(size)::bigint as bytes from objects group by environment",
  );
  return new Map(rows.map(({ environment, bytes }) => [environment, bytes]));
}
