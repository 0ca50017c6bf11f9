import { backUp } from "../../controller/backup/backup.ts";
import {
  withDatabase,
  withStoppedDatabase,
  type DatabasePlace,
} from "../../controller/backup/database-access.ts";
import { restore } from "../../controller/backup/restore.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";
import { stateDirectory } from "./state-directory.ts";

interface PlaceOptions {
  readonly state?: string;
  readonly databaseUrl?: string;
}

/** Writes a backup of the platform in a folder. Resolves to the exit code. */
export async function backUpPlatform(
  path: string,
  { keys, ...options }: PlaceOptions & { readonly keys: boolean },
): Promise<number> {
  return interruptible(options, async (place) => {
    const { rows, files, bytes } = await withDatabase(place, (database) =>
      backUp({ database, stateDirectory: place.stateDirectory, path, withKeys: keys }),
    );
    console.log(`Wrote ${path}: ${rows} rows, ${files} files, ${megabytes(bytes)}.`);
    process.stderr.write(
      keys
        ? "It has the key that opens the secrets: keep it safe.\n"
        : `It does not have the key of the secrets: without ${place.stateDirectory}/secrets.key, they can't be opened.\n`,
    );
  });
}

/** Restores the platform in a folder. Resolves to the exit code. */
export async function restorePlatform(
  path: string,
  { replace = false, ...options }: PlaceOptions & { readonly replace?: boolean },
): Promise<number> {
  return interruptible(options, async (place) => {
    const { stateDirectory: folder } = place;
    const { rows, files } = await withStoppedDatabase(place, (openDatabase) =>
      restore({ path, stateDirectory: folder, openDatabase, replaces: replace }),
    );
    console.log(`Restored ${rows} rows and ${files} files into ${folder}.`);
    process.stderr.write(
      `Start the platform: servable up${options.state === undefined ? "" : ` --state ${options.state}`}\n`,
    );
  });
}

/** Ctrl-C ends the process at once: both commands change nothing before their last step. */
async function interruptible(
  { state, databaseUrl }: PlaceOptions,
  work: (place: DatabasePlace) => Promise<void>,
): Promise<number> {
  using stop = new Interruption();
  const place = {
    stateDirectory: stateDirectory(state),
    databaseUrl: databaseUrl ?? process.env["SERVABLE_DATABASE_URL"],
    signal: stop.signal,
  };
  try {
    await stop.orStop(work(place));
    return 0;
  } catch (error) {
    if (stop.caused(error)) return INTERRUPTED;
    throw error;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
