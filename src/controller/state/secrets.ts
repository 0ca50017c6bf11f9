import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { platformFailure } from "../failure.ts";
import type { Queries } from "../store/database.ts";

/** A secret without its value. */
export interface SecretRow {
  readonly name: string;
  readonly environment: string;
  readonly isExposedByDefault: boolean;
  readonly createdAt: Date;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts secrets for the database: AES-256-GCM, with a key that lies in a file of the platform, not in the database. */
export class SecretBox {
  readonly #key: Buffer;

  private constructor(key: Buffer) {
    this.#key = key;
  }

  /** Opens the box with the key in a file, which is created for its owner alone if it does not exist. */
  static open(path: string): SecretBox {
    try {
      writeFileSync(path, randomBytes(32), { mode: 0o600, flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const key = readFileSync(path);
    if (key.length !== 32)
      throw platformFailure(`${path} is not a key: it has ${key.length} bytes instead of 32.`);
    return new SecretBox(key);
  }

  /** @param context bound to the value: it can't be opened as that of another name */
  seal(value: string, context: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws Error if it was sealed with another key or in another context, or changed */
  open(sealed: Buffer, context: string): string {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", this.#key, nonce)
      .setAAD(Buffer.from(context))
      .setAuthTag(tag);
    const rest = sealed.subarray(NONCE_BYTES + TAG_BYTES);
    return Buffer.concat([decipher.update(rest), decipher.final()]).toString("utf8");
  }
}

/** Stores a secret, or replaces its value. */
export async function setSecret(
  queries: Queries,
  box: SecretBox,
  secret: Pick<SecretRow, "name" | "environment" | "isExposedByDefault"> & { readonly value: string },
): Promise<void> {
  const { environment, name, value, isExposedByDefault } = secret;
  await queries.query(
    `insert into secrets (environment, name, sealed, is_exposed_by_default) values ($1, $2, $3, $4)
     on conflict (environment, name) do update
     set sealed = excluded.sealed, is_exposed_by_default = excluded.is_exposed_by_default, created_at = now()`,
    [environment, name, box.seal(value, contextOf(environment, name)), isExposedByDefault],
  );
}

/** Deletes a secret. False if there is none. */
export async function deleteSecret(queries: Queries, environment: string, name: string): Promise<boolean> {
  const rows = await queries.query(
    "delete from secrets where environment = $1 and name = $2 returning name",
    [environment, name],
  );
  return rows.length > 0;
}

/** The secrets of an environment without their values; those of all environments if none is given. */
export async function listSecrets(queries: Queries, environment: string | undefined): Promise<SecretRow[]> {
  return queries.query<SecretRow>(
    `select name, environment, is_exposed_by_default as "isExposedByDefault", created_at as "createdAt"
     from secrets where $1::text is null or environment = $1 order by environment, name`,
    [environment ?? null],
  );
}

/**
 * The values that a runner gets as environment variables: those of the names, or those that are exposed by default.
 * @returns the values, and the names that do not exist
 */
export async function openSecrets(
  queries: Queries,
  box: SecretBox,
  environment: string,
  names: readonly string[] | undefined,
): Promise<{ readonly values: Readonly<Record<string, string>>; readonly missing: readonly string[] }> {
  const rows = await queries.query<{ name: string; sealed: Buffer }>(
    `select name, sealed from secrets where environment = $1
     and (case when $2::text[] is null then is_exposed_by_default else name = any($2) end)`,
    [environment, names ?? null],
  );
  const values = Object.fromEntries(
    rows.map(({ name, sealed }) => [name, box.open(sealed, contextOf(environment, name))]),
  );
  return { values, missing: (names ?? []).filter((name) => !Object.hasOwn(values, name)) };
}

function contextOf(environment: string, name: string): string {
  return JSON.stringify([environment, name]);
}
