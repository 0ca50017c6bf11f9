import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { DownloadError } from "../file-errors.ts";
import { writeFileAtomic } from "../processes/atomic-file.ts";

/** The record of a complete download, beside it. */
export interface FileRecord {
  readonly kind: "file" | "repository";
  /** Where it came from, without a query. */
  readonly source: string;
  /** The name of the file or folder. */
  readonly name: string;
  readonly sizeBytes: number;
  /** The SHA-256 of a file. */
  readonly sha256?: string;
  /** The commit of a repository. */
  readonly commit?: string;
  readonly downloadedAt: string;
}

/** Properties of a file whose download has begun. */
export interface PartRecord {
  readonly source: string;
  /** The name that the file will have. */
  readonly name: string;
  /** The validator to continue it with: a strong ETag, or the time of the last change. */
  readonly validator?: string;
  readonly totalBytes?: number;
}

/** Interval at which the time of the last use is noted, in ms. */
const USE_INTERVAL_MS = 24 * 3600_000;

/** The key of a source: the first digits of its hash. */
export function sourceKey(source: string): string {
  return createHash("sha256").update(source).digest("hex").slice(0, 32);
}

/**
 * The files of one download in its folder, where K is the key of its source:
 *
 *     NAME                     the file, or the folder of a repository
 *     .servable-K.json         its record, whose time is that of the last use; written last
 *     .servable-K.part         the beginning of a file
 *     .servable-K.part.json    the record of the beginning
 *     .servable-K.lock         the lock of the process that downloads it
 */
export class StoredFile {
  readonly folder: string;
  readonly key: string;
  readonly #prefix: string;

  constructor(folder: string, key: string) {
    this.folder = folder;
    this.key = key;
    this.#prefix = join(folder, `.servable-${key}`);
  }

  get partPath(): string {
    return `${this.#prefix}.part`;
  }

  get lockPath(): string {
    return `${this.#prefix}.lock`;
  }

  get #recordPath(): string {
    return `${this.#prefix}.json`;
  }

  get #partRecordPath(): string {
    return `${this.#prefix}.part.json`;
  }

  pathOf(name: string): string {
    return join(this.folder, name);
  }

  /** Creates the folder. */
  makeFolder(): void {
    try {
      mkdirSync(this.folder, { recursive: true });
    } catch (error) {
      throw diskError(this.folder, error);
    }
  }

  /** The record of a complete download; undefined if it, or what it describes, is missing or damaged. */
  record(): FileRecord | undefined {
    const record = readJson<FileRecord>(this.#recordPath);
    if (typeof record?.name !== "string") return undefined;
    const status = statSync(this.pathOf(record.name), { throwIfNoEntry: false });
    const isWhole = record.kind === "file" ? status?.size === record.sizeBytes : status?.isDirectory();
    return isWhole === true ? record : undefined;
  }

  /** The path of the complete download if it is the wanted one. Notes the use. */
  find(isWanted: (record: FileRecord) => boolean): string | undefined {
    const record = this.record();
    if (record === undefined || !isWanted(record)) return undefined;
    const usedAt = this.usedAt()?.getTime() ?? 0;
    if (Math.abs(Date.now() - usedAt) > USE_INTERVAL_MS) this.#noteUse();
    return this.pathOf(record.name);
  }

  /** The time of the last use, which may be up to a day later. */
  usedAt(): Date | undefined {
    return statSync(this.#recordPath, { throwIfNoEntry: false })?.mtime;
  }

  write(record: FileRecord): void {
    writeFileAtomic(this.#recordPath, JSON.stringify(record), { isFlushed: true });
  }

  /** Forgets the complete download, but keeps its file. */
  forget(): void {
    rmSync(this.#recordPath, { force: true });
  }

  partRecord(): PartRecord | undefined {
    return readJson<PartRecord>(this.#partRecordPath);
  }

  writePart(record: PartRecord): void {
    writeFileAtomic(this.#partRecordPath, JSON.stringify(record));
  }

  removePart(): void {
    rmSync(this.partPath, { force: true });
    rmSync(this.#partRecordPath, { force: true });
  }

  #noteUse(): void {
    const now = new Date();
    try {
      utimesSync(this.#recordPath, now, now);
    } catch {
      // the cache is read-only
    }
  }
}

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return undefined; // it does not exist, or the machine stopped while it was written
  }
}

/** The error for a file that can't be written. */
export function diskError(path: string, cause: unknown): DownloadError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const advice =
    code === "ENOSPC" ? "Free space, or use another folder" : "Make it writable, or use another folder";
  return new DownloadError("disk", `A download can't be stored in ${path} (${code}). ${advice}.`, { cause });
}
