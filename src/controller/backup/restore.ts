import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { writeFileAtomic } from "../../processes/atomic-file.ts";
import { platformFailure } from "../failure.ts";
import { FileStore } from "../state/files.ts";
import type { Database, Queries } from "../store/database.ts";
import { applyMigrations, currentVersion, MIGRATIONS } from "../store/migrations.ts";
import { KEY_FILES, STATE_FILES, type BackupSummary } from "./backup.ts";
import { BackupReader } from "./backup-file.ts";
import { continueCounters, keptTables, tablesOf, writeRows } from "./tables.ts";

/** Options of {@link restore}. */
export interface RestoreOptions {
  readonly path: string;
  /** The folder of the platform, which must not run. */
  readonly stateDirectory: string;
  /** Opens the database: only after the backup was checked. */
  readonly openDatabase: () => Promise<Database>;
  /** Replaces the present platform. Without it, a platform that has keys or apps is left as it is. */
  readonly replaces: boolean;
}

/**
 * Restores a platform from a backup: one transaction for the tables. A backup of older tables is brought to the newest
 * version.
 * @throws StartupError before anything has changed if the backup is damaged, foreign or newer, or the platform has data
 */
export async function restore(options: RestoreOptions): Promise<Omit<BackupSummary, "bytes">> {
  const { path, stateDirectory, openDatabase, replaces } = options;
  const { tablesVersion } = await checked(path);
  await assertSecretsOpen(options);
  const database = await openDatabase();
  await using reader = await BackupReader.open(path);
  const files = new FileStore(join(stateDirectory, "files"));
  const stateFiles = new Map<string, Buffer>();
  const tables = keptTables(tablesVersion);
  const count = { rows: 0, files: 0 };
  await database.transaction(async (queries) => {
    if (!replaces) await assertEmpty(queries, stateDirectory);
    await prepareTables(queries, tablesVersion);
    for await (const { part, content } of reader.parts()) {
      if (part.kind === "rows") {
        const lines = (await whole(content)).toString("utf8").split("\n").slice(0, -1);
        // The name becomes a part of a statement.
        if (!tables.includes(part.table))
          throw platformFailure(`${path} has rows of the unknown table ${part.table}.`);
        await writeRows(queries, part.table, lines);
        count.rows += lines.length;
      } else if (part.kind === "state") stateFiles.set(part.name, await whole(content));
      else {
        count.files++;
        if (!files.has(part.hash)) await storeFile(files, part, content);
      }
    }
    for (const table of tables) await continueCounters(queries, table);
    await applyMigrations(queries, MIGRATIONS);
    // Before the commit: with the tables of the backup, only its key opens the secrets.
    for (const name of [...STATE_FILES, ...KEY_FILES]) {
      const content = stateFiles.get(name);
      if (content === undefined) continue;
      mkdirSync(dirname(join(stateDirectory, name)), { recursive: true, mode: 0o700 });
      writeFileAtomic(join(stateDirectory, name), content, { mode: 0o600, isFlushed: true });
    }
  });
  return count;
}

async function checked(path: string): Promise<{ readonly tablesVersion: number }> {
  await using reader = await BackupReader.open(path);
  const { tablesVersion } = reader.header;
  const newest = MIGRATIONS.at(-1)?.version ?? 0;
  if (tablesVersion > newest) {
    throw platformFailure(
      `${path} has version ${tablesVersion} of the tables; this version of servable knows ${newest}. Install the newer version of servable.`,
    );
  }
  await reader.verify();
  return { tablesVersion };
}

/** @throws StartupError if the backup has secrets, but neither it nor the folder has their key */
async function assertSecretsOpen({ path, stateDirectory }: RestoreOptions): Promise<void> {
  const keyFile = join(stateDirectory, "secrets.key");
  if (existsSync(keyFile)) return;
  await using reader = await BackupReader.open(path);
  let hasSecrets = false;
  for await (const { part } of reader.parts()) {
    if (part.kind === "state" && part.name === "secrets.key") return;
    if (part.kind === "rows" && part.table === "secrets") hasSecrets = true;
  }
  if (!hasSecrets) return;
  throw platformFailure(
    `${path} was made without keys, and has secrets: copy the file secrets.key of the former platform to ${keyFile} first.`,
  );
}

async function assertEmpty(queries: Queries, stateDirectory: string): Promise<void> {
  if ((await currentVersion(queries)) === 0) return;
  const [row] = await queries.query<{ keys: number; apps: number }>(
    "select (select count(*) from keys) as keys, (select count(*) from apps) as apps",
  );
  const { keys = 0, apps = 0 } = row ?? {};
  if (keys === 0 && apps === 0) return;
  throw platformFailure(
    `The platform in ${stateDirectory} has ${keys} keys and ${apps} apps, which would be lost: give --replace to replace them, or another --state.`,
  );
}

/** Makes the empty tables of a version, in the place of those that are there. */
async function prepareTables(queries: Queries, version: number): Promise<void> {
  const newest = MIGRATIONS.at(-1)?.version ?? 0;
  const all = [...tablesOf(newest), "migrations"];
  await queries.query(`drop table if exists ${all.join(", ")} cascade`);
  await applyMigrations(
    queries,
    MIGRATIONS.filter((each) => each.version <= version),
  );
  // Migrations may have made rows, which the backup has as well.
  await queries.query(`truncate ${tablesOf(version).join(", ")}`);
}

async function whole(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function storeFile(
  files: FileStore,
  { hash, mode }: { readonly hash: string; readonly mode: number },
  content: AsyncIterable<Buffer>,
): Promise<void> {
  const upload = randomUUID();
  await files.writePart(upload, 1, Readable.from(content, { objectMode: false }));
  await files.complete(upload, [1], hash, mode);
}
