import { FileLock } from "../cache/file-lock.ts";
import { DownloadDisplay } from "./display.ts";
import type { DownloadOptions } from "./options.ts";
import { diskError, type FileRecord, type StoredFile } from "./stored-file.ts";
import { Transfer, type FileSource } from "./transfer.ts";

/** A download in its place. */
interface Obtained {
  readonly place: StoredFile;
  /** For the display of progress. */
  readonly title: string;
  readonly options: Pick<DownloadOptions, "force" | "signal" | "showProgress" | "onProgress">;
  /** Whether an earlier download is the one that is wanted. */
  isWanted(record: FileRecord): boolean;
  /** Downloads it, and returns its path. */
  download(lock: FileLock, display: DownloadDisplay): Promise<string>;
}

/**
 * The path of a file in its place. Downloads it if it is missing, under a lock, so that one of several processes does it
 * and the others wait for it.
 * @param findSource called if the file must be downloaded
 */
export function obtainFile(
  place: StoredFile,
  title: string,
  options: DownloadOptions,
  findSource: () => Promise<FileSource>,
): Promise<string> {
  const { sha256, maxBytes = Infinity } = options;
  return obtain({
    place,
    title,
    options,
    isWanted: (record) =>
      record.sizeBytes <= maxBytes && (sha256 === undefined || record.sha256 === sha256.toLowerCase()),
    download: async (lock, display) =>
      new Transfer(await findSource(), place, options, { lock, display }).run(),
  });
}

/** The path of a download: of an earlier one that is wanted, also of one that another process makes meanwhile. */
export async function obtain({ place, title, options, isWanted, download }: Obtained): Promise<string> {
  const { signal, force = false } = options;
  signal?.throwIfAborted();
  const find = (): string | undefined => (force ? undefined : place.find(isWanted));
  const present = find();
  if (present !== undefined) return present;
  place.makeFolder();
  const display = new DownloadDisplay(title, options);
  try {
    const path = await downloadLocked(await takeLock(place, display, signal, find), display, download);
    display.done();
    return path;
  } catch (error) {
    display.failed();
    throw error;
  }
}

/** @param lock the path instead, if another process has made the download */
async function downloadLocked(
  lock: FileLock | string,
  display: DownloadDisplay,
  download: Obtained["download"],
): Promise<string> {
  if (typeof lock === "string") return lock;
  try {
    return await download(lock, display);
  } finally {
    lock.release();
  }
}

/** Takes the lock of a download, or returns what `find` finds meanwhile. */
async function takeLock(
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
