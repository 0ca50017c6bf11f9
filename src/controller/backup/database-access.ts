import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { FileLock } from "../../cache/file-lock.ts";
import { platformFailure } from "../failure.ts";
import { Database } from "../store/database.ts";
import { takeFolder, tryTakeFolder } from "../store/folder-lock.ts";
import { PostgresServer } from "../store/postgres-server.ts";

/** The place of a platform's database. */
export interface DatabasePlace {
  readonly stateDirectory: string;
  readonly databaseUrl: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs work with the database of a platform: that of the running one, or one that is started for the work. */
export async function withDatabase<Result>(
  place: DatabasePlace,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const { stateDirectory, databaseUrl } = place;
  if (databaseUrl === undefined && !existsSync(join(stateDirectory, "postgres/data"))) {
    throw platformFailure(`There is no database in ${stateDirectory}: give --state, or --database-url.`);
  }
  const lock = databaseUrl === undefined ? await tryTakeFolder(stateDirectory) : undefined;
  if (lock instanceof FileLock) {
    using _held = lock;
    return withOwnServer(place, work);
  }
  return withConnection(databaseUrl ?? PostgresServer.connectionOf(join(stateDirectory, "postgres")), work);
}

/** Runs work with the database of a platform that does not run, and may not be started meanwhile. It is created if it is missing. */
export async function withStoppedDatabase<Result>(
  place: DatabasePlace,
  work: (open: () => Promise<Database>) => Promise<Result>,
): Promise<Result> {
  const { stateDirectory, databaseUrl } = place;
  mkdirSync(stateDirectory, { recursive: true, mode: 0o755 });
  using _held = await takeFolder(stateDirectory);
  const closing: (() => Promise<void>)[] = [];
  try {
    return await work(async () => {
      let target: Parameters<typeof Database.open>[0];
      if (databaseUrl === undefined) {
        const server = await startServer(place);
        closing.push(() => server.stop());
        target = server.connection;
      } else target = databaseUrl;
      const database = await Database.open(target);
      closing.push(() => database.close());
      return database;
    });
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

async function withOwnServer<Result>(
  place: DatabasePlace,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const server = await startServer(place);
  try {
    return await withConnection(server.connection, work);
  } finally {
    await server.stop();
  }
}

async function withConnection<Result>(
  target: Parameters<typeof Database.open>[0],
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const database = await Database.open(target);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

function startServer({ stateDirectory, signal }: DatabasePlace): Promise<PostgresServer> {
  return PostgresServer.start({
    folder: join(stateDirectory, "postgres"),
    cacheDirectory: join(stateDirectory, "cache"),
    signal,
  });
}
