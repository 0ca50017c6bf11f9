import { createReadStream, existsSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { platformFailure } from "../failure.ts";
import { FileStore } from "../state/files.ts";
import { filesInUse } from "../state/revisions.ts";
import type { Database, Queries } from "../store/database.ts";
import { currentVersion } from "../store/migrations.ts";
import { writeBackup, type PartWithContent } from "./backup-file.ts";
import { keptTables, readRows } from "./tables.ts";

/** Options of {@link backUp}. */
export interface BackupOptions {
  readonly database: Database;
  /** The folder of the platform. */
  readonly stateDirectory: string;
  /** The file to write. One that exists is refused. */
  readonly path: string;
  /** Whether it has the key of the secrets, and that of the platform's own certificates. */
  readonly withKeys: boolean;
}

/** The content of a backup, in numbers. */
export interface BackupSummary {
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
}

/** Files of the platform's folder that are part of a backup. */
export const STATE_FILES = ["platform.toml"] as const;
/** The same with keys in them. */
export const KEY_FILES = ["secrets.key", "tls/ca.crt", "tls/ca.key"] as const;

/** Writes everything that a platform keeps into a file: one snapshot of the database, which may be in use. */
export async function backUp(options: BackupOptions): Promise<BackupSummary> {
  const { database, stateDirectory, path, withKeys } = options;
  if (existsSync(path)) throw platformFailure(`${path} exists already: give the backup another name.`);
  const files = new FileStore(join(stateDirectory, "files"));
  const temporary = `${path}.part-${process.pid}`;
  const count = { rows: 0, files: 0 };
  try {
    await database.transaction(async (queries) => {
      await queries.query("set transaction isolation level repeatable read, read only");
      const tablesVersion = await currentVersion(queries);
      const about = { tablesVersion, createdAt: new Date().toISOString(), hasKeys: withKeys };
      await writeBackup(temporary, about, partsOf(queries, { ...options, files, tablesVersion }, count));
    });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return { ...count, bytes: statSync(path).size };
}

async function* partsOf(
  queries: Queries,
  {
    stateDirectory,
    withKeys,
    files,
    tablesVersion,
  }: BackupOptions & { readonly files: FileStore; readonly tablesVersion: number },
  count: { rows: number; files: number },
): AsyncGenerator<PartWithContent> {
  for (const name of [...STATE_FILES, ...(withKeys ? KEY_FILES : [])]) {
    const file = join(stateDirectory, name);
    if (!existsSync(file)) continue;
    const content = readFileSync(file);
    yield { part: { kind: "state", name, bytes: content.length }, content: [content] };
  }
  for (const table of keptTables(tablesVersion)) {
    for await (const page of readRows(queries, table)) {
      count.rows += page.reduce((sum, byte) => sum + (byte === 0x0a ? 1 : 0), 0);
      yield { part: { kind: "rows", table, bytes: page.length }, content: [page] };
    }
  }
  for (const hash of await filesInUse(queries)) {
    const file = files.pathOf(hash);
    if (!existsSync(file)) {
      throw platformFailure(
        `The file ${hash} of a revision is missing in ${stateDirectory}: deploy it again.`,
      );
    }
    count.files++;
    const { size: bytes } = statSync(file);
    const mode = 0o100000 | files.modeOf(hash);
    yield { part: { kind: "file", hash, mode, bytes }, content: createReadStream(file) };
  }
}
