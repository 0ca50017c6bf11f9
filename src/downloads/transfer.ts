import { createHash } from "node:crypto";
import { createReadStream, renameSync, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { FileLock } from "../cache/file-lock.ts";
import { DownloadError, FetchError } from "../file-errors.ts";
import { fetchSafely, type FetchedFile } from "../media/safe-fetch.ts";
import { Backoff } from "../processes/backoff.ts";
import { pause } from "../processes/timers.ts";
import type { DownloadDisplay } from "./display.ts";
import type { DownloadOptions } from "./options.ts";
import { PartFile } from "./part-file.ts";
import { diskError, type PartRecord, type StoredFile } from "./stored-file.ts";

/** The source of a download. */
export interface FileSource {
  readonly url: string;
  /** The URL for people: without a query. */
  readonly shown: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The name of the file; undefined: the server or the URL says it. */
  readonly fileName: string | undefined;
  /** The name if neither says one. */
  readonly lastName: string;
  readonly expected: ExpectedContent;
}

/** Properties that the content must have. */
export interface ExpectedContent {
  readonly sha256?: string | undefined;
  /** The SHA-1 that git gives the content. */
  readonly gitBlob?: string | undefined;
  readonly sizeBytes?: number | undefined;
}

/** The first and the longest wait before another attempt, in ms. */
const WAIT = { firstMs: 500, lastMs: 15_000, jitter: 0.5, isFirstImmediate: true };
/** Maximum time between two checks whether this process still holds the lock, in ms. */
const LOCK_CHECK_MS = 1000;
/** Statuses after which another attempt may succeed. */
const PASSING = new Set([408, 416, 425, 429, 500, 502, 503, 504]);

/** Downloads one file into its place, in as many attempts as are needed, and returns its path. */
export class Transfer {
  readonly #source: FileSource;
  readonly #place: StoredFile;
  readonly #options: DownloadOptions;
  readonly #lock: FileLock;
  readonly #display: DownloadDisplay;
  #checkedLockAt = performance.now();

  constructor(
    source: FileSource,
    place: StoredFile,
    options: DownloadOptions,
    parts: { readonly lock: FileLock; readonly display: DownloadDisplay },
  ) {
    this.#source = source;
    this.#place = place;
    this.#options = options;
    this.#lock = parts.lock;
    this.#display = parts.display;
  }

  async run(): Promise<string> {
    const part = await PartFile.open(this.#place, this.#options.signal);
    try {
      const { path, name } = await this.#fetchAll(part);
      if (path !== undefined) return path;
      await part.flush();
      return this.#finish(name, part);
    } finally {
      await part.close();
    }
  }

  /** Makes attempts until the file is there and verified. */
  async #fetchAll(part: PartFile): Promise<{ readonly name: string; readonly path?: string }> {
    const { signal, maxAttempts = 5 } = this.#options;
    const backoff = new Backoff(WAIT);
    let failures = 0;
    let isLastTry = false;
    for (;;) {
      const before = part.size;
      try {
        const fetched = completeName(part) ?? (await this.#attempt(part));
        if (fetched.path !== undefined) return fetched;
        if (await this.#isVerified(part, isLastTry)) return fetched;
        isLastTry = true;
        await part.clear();
        continue;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof FetchError) || !isPassing(error)) throw this.#failure(error);
        if (error.status === 416) await part.clear();
        if (part.size > before) {
          failures = 0;
          backoff.reset();
        }
        if (++failures >= maxAttempts) throw this.#failure(error, failures);
        this.#display.waits(error.message);
      }
      await pause(backoff.next(), signal);
    }
  }

  /** Requests what is missing, and appends it. */
  async #attempt(part: PartFile): Promise<{ readonly name: string; readonly path?: string }> {
    const { maxBytes = Infinity, timeoutMs = Infinity, force = false } = this.#options;
    const { allowedHosts, signal, stallTimeoutMs } = this.#options;
    const file = await fetchSafely(this.#source.url, {
      maxBytes,
      timeoutMs,
      headers: { ...this.#source.headers, ...rangeHeaders(part) },
      ...(allowedHosts === undefined ? {} : { allowedHosts }),
      ...(signal === undefined ? {} : { signal }),
      ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
    });
    try {
      const name = this.#source.fileName ?? file.fileName ?? this.#source.lastName;
      const { isContinued, totalBytes } = await this.#matched(part, file);
      this.#assertSize(totalBytes);
      if (!isContinued && !force && (await this.#isThere(name, totalBytes))) {
        const path = this.#place.pathOf(name);
        const sha256 = await hashOf(path, "sha256");
        this.#place.write(this.#record(name, totalBytes ?? 0, sha256));
        return { name, path };
      }
      part.begin(recordOf(this.#source.shown, name, file, totalBytes));
      this.#display.advance(part.size, totalBytes);
      for await (const chunk of file.body) {
        this.#assertLock();
        await part.append(chunk);
        if (part.size > maxBytes)
          throw new FetchError("too_large", `${this.#source.shown} is larger than ${maxBytes} bytes.`);
        this.#display.advance(part.size, totalBytes);
      }
      if (totalBytes !== undefined && part.size < totalBytes) {
        throw new FetchError("incomplete", `The connection broke before the end of ${this.#source.shown}.`);
      }
      return { name };
    } finally {
      file.cancel();
    }
  }

  /** Whether an answer continues the part. Clears the part if it does not. */
  async #matched(
    part: PartFile,
    file: FetchedFile,
  ): Promise<{ readonly isContinued: boolean; readonly totalBytes: number | undefined }> {
    if (file.status !== 206) {
      if (part.size > 0) await part.clear();
      return { isContinued: false, totalBytes: file.contentLength };
    }
    const [, start = "", total = ""] =
      /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(file.headers["content-range"] ?? "") ?? [];
    const totalBytes = total === "*" || total === "" ? undefined : Number(total);
    if (part.size === 0 || Number(start) !== part.size || start === "") {
      await part.clear();
      throw new FetchError(
        "incomplete",
        `${this.#source.shown} was answered with another part than requested.`,
      );
    }
    return { isContinued: true, totalBytes };
  }

  #assertSize(totalBytes: number | undefined): void {
    const { maxBytes = Infinity } = this.#options;
    const { sizeBytes } = this.#source.expected;
    if (totalBytes === undefined) return;
    if (totalBytes > maxBytes) {
      throw new FetchError("too_large", `${this.#source.shown} is larger than ${maxBytes} bytes.`);
    }
    if (sizeBytes !== undefined && totalBytes !== sizeBytes) {
      throw new DownloadError(
        "hash",
        `${this.#source.shown} has ${totalBytes} bytes instead of ${sizeBytes}.`,
      );
    }
  }

  /** Whether a file of this name, size and, if one is expected, hash is there already. */
  async #isThere(name: string, totalBytes: number | undefined): Promise<boolean> {
    const path = this.#place.pathOf(name);
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.isFile() !== true || status.size !== totalBytes) return false;
    const { sha256, gitBlob } = this.#source.expected;
    if (sha256 !== undefined && (await hashOf(path, "sha256")) !== sha256) return false;
    return gitBlob === undefined || (await gitBlobOf(path)) === gitBlob;
  }

  /**
   * Checks the whole content. False if it was put together from several answers, between which the server may have
   * changed the file, so that one more attempt is worth it.
   */
  async #isVerified(part: PartFile, isLastTry: boolean): Promise<boolean> {
    const { sha256, gitBlob, sizeBytes } = this.#source.expected;
    const found = part.sha256();
    const isRight =
      (sha256 === undefined || sha256 === found) &&
      (sizeBytes === undefined || sizeBytes === part.size) &&
      (gitBlob === undefined || (await gitBlobOf(this.#place.partPath)) === gitBlob);
    if (isRight) return true;
    if (part.isPatched && !isLastTry) return false;
    const wanted = sha256 === undefined ? "" : ` The SHA-256 is ${found} instead of ${sha256}.`;
    await part.clear();
    this.#place.removePart();
    throw new DownloadError(
      "hash",
      `${this.#source.shown} does not have the expected content.${wanted} Check the hash, or the source. The file was deleted.`,
    );
  }

  #finish(name: string, part: PartFile): string {
    this.#assertLock(true);
    const path = this.#place.pathOf(name);
    try {
      // The record comes first: without its file it counts as missing.
      this.#place.forget();
      renameSync(this.#place.partPath, path);
      this.#place.write(this.#record(name, part.size, part.sha256()));
      this.#place.removePart();
    } catch (error) {
      throw diskError(path, error);
    }
    return path;
  }

  #record(name: string, sizeBytes: number, sha256: string): Parameters<StoredFile["write"]>[0] {
    const downloadedAt = new Date().toISOString();
    return { kind: "file", source: this.#source.shown, name, sizeBytes, sha256, downloadedAt };
  }

  /** A process that was suspended for a long time has been replaced, and must not write any more. */
  #assertLock(now = false): void {
    if (!now && performance.now() - this.#checkedLockAt < LOCK_CHECK_MS) return;
    this.#checkedLockAt = performance.now();
    if (this.#lock.isHeld()) return;
    throw new DownloadError(
      "disk",
      `Another process has taken over the download of ${this.#source.shown}, because this one was suspended. Try again.`,
    );
  }

  #failure(error: unknown, attempts = 1): unknown {
    if (!(error instanceof FetchError)) return error;
    const tries = attempts === 1 ? "" : ` (after ${attempts} attempts)`;
    const where = this.#place.folder;
    return new DownloadError(
      "fetch",
      `${this.#source.shown} could not be downloaded to ${where}${tries}: ${error.message}`,
      { cause: error },
    );
  }
}

/** The name of a file whose last bytes had arrived when its process was killed. */
function completeName({
  record,
  size,
}: PartFile): { readonly name: string; readonly path?: string } | undefined {
  return record !== undefined && record.totalBytes === size ? { name: record.name } : undefined;
}

function isPassing({ reason, status }: FetchError): boolean {
  if (reason === "status") return PASSING.has(status ?? 0);
  return ["incomplete", "timeout", "network", "dns"].includes(reason);
}

/** The headers that continue a part, if the server can tell whether the file is still the same. */
function rangeHeaders(part: PartFile): Record<string, string> {
  const validator = part.record?.validator;
  if (part.size === 0 || validator === undefined) return {};
  return { range: `bytes=${part.size}-`, "if-range": validator };
}

function recordOf(
  source: string,
  name: string,
  { headers }: FetchedFile,
  totalBytes: number | undefined,
): PartRecord {
  const { etag } = headers;
  const validator = etag !== undefined && etag.startsWith('"') ? etag : headers["last-modified"];
  return {
    source,
    name,
    ...(validator === undefined ? {} : { validator }),
    ...(totalBytes === undefined ? {} : { totalBytes }),
  };
}

async function hashOf(path: string, algorithm: string, prefix = ""): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** The hash that git gives a file. */
function gitBlobOf(path: string): Promise<string> {
  return hashOf(path, "sha1", `blob ${statSync(path).size}\0`);
}
