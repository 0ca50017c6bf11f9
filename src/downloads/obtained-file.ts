import { FileLock } from "../cache/file-lock.ts";
import { DownloadDisplay } from "./display.ts";
import type { DownloadOptions } from "./options.ts";
import { diskError, type FileRecord, type StoredFile } from "./stored-file.ts";
import { Transfer, type FileSource } from "./transfer.ts";

/**
 * The path of a file in its place. Downloads it if it is missing, under a lock, so that one of several processes does it
 * and the others wait for it.
 * @param findSource called if the file must be downloaded
 */
export async function obtainFile(
  place: StoredFile,
  title: string,
  options: DownloadOptions,
  findSource: () => Promise<FileSource>,
): Promise<string> {
  const { signal, force = false, sha256 } = options;
  signal?.throwIfAborted();
  const { maxBytes = Infinity } = options;
  const isWanted = (record: FileRecord): boolean =>
    record.sizeBytes <= maxBytes && (sha256 === undefined || record.sha256 === sha256.toLowerCase());
  const find = (): string | undefined => (force ? undefined : place.find(isWanted));
  const present = find();
  if (present !== undefined) return present;
  place.makeFolder();
  const display = new DownloadDisplay(title, options);
  try {
    const lock = await takeLock(place, display, signal, find);
    if (typeof lock === "string") {
      display.done();
      return lock;
    }
    try {
      const path = await new Transfer(await findSource(), place, options, { lock, display }).run();
      display.done();
      return path;
    } finally {
      lock.release();
    }
  } catch (error) {
    display.failed();
    throw error;
  }
}

/** Takes the lock of a download, or returns what `find` finds meanwhile. */
export async function takeLock(
  place: StoredFile,
  display: DownloadDisplay,
  signal: AbortSignal | undefined,
  find: () => string | undefined,
): Promise<FileLock | string> {
  try {
    return await FileLock.acquire(place.lockPath, {
      ...(signal === undefined ? {} : { signal }),
      onWait: ({ pid }) => display.waitsFor(pid),
      instead: find,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw diskError(place.folder, error);
  }
}

/** Checks a hash that a caller gives. @throws TypeError */
export function assertSha256(sha256: string | undefined): void {
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new TypeError(`sha256 must be 64 hexadecimal digits, not ${JSON.stringify(sha256)}.`);
  }
}
