import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync } from "node:fs";
import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { TemporaryFolder } from "../temporary-folder.ts";
import { storageFailure } from "./failures.ts";
import type {
  FileStorage,
  ReservedFile,
  StorableFile,
  StorageParts,
  StoredFile,
  StoreRequest,
} from "./file-storage.ts";

/** The path below which a server sends its stored files. */
const FILES_PATH = "/_files";

/** How files are stored in a folder. */
export interface LocalStorageOptions {
  /** Default: a folder of the app in the system's folder for temporary files. */
  readonly folder?: string | undefined;
  /** Time that a file is kept, in seconds. Default 3,600. */
  readonly expirySeconds?: number | undefined;
  /** The address under which callers reach the server. Default: the one that they called. */
  readonly publicUrl?: string | undefined;
}

const DEFAULT_EXPIRY_SECONDS = 3_600;
/** Files that expire are removed at this interval, in ms. */
const SWEEP_MS = 60_000;
/** Bytes of an id: enough that nobody can guess one. */
const ID_BYTES = 24;
const ID = /^[A-Za-z0-9_-]{32}$/;

/** A file that is found by its URL. */
export interface FoundFile {
  readonly path: string;
  readonly contentType: string;
  readonly fileName: string;
  readonly isInline: boolean;
  readonly maxAgeSeconds: number;
}

/**
 * Stores files in a folder, from which the server sends them: `<folder>/<id>/<type>~<name>`. They survive a restart of the
 * server, and are removed when they have expired. Servers may share a folder.
 */
export class LocalStorage implements FileStorage {
  readonly name = "local";
  readonly #folder: string;
  readonly #isOwn: boolean;
  readonly #expiryMs: number;
  readonly #publicUrl: string | undefined;
  readonly #after: StorageParts["after"];
  readonly #log: Pick<Logger, "warn">;
  /** Holds files until they are complete. It is below the folder, so that they can be moved from one to the other. */
  readonly #unfinished: TemporaryFolder;
  #created: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(
    { folder, expirySeconds = DEFAULT_EXPIRY_SECONDS, publicUrl }: LocalStorageOptions,
    { appName, after, log }: StorageParts,
  ) {
    this.#isOwn = folder === undefined;
    this.#folder = folder ?? join(tmpdir(), `servable-files-${userName()}`, appName);
    this.#expiryMs = expirySeconds * 1_000;
    this.#publicUrl = publicUrl?.replace(/\/+$/, "");
    this.#after = after;
    this.#log = log;
    this.#unfinished = new TemporaryFolder(this.#folder, log);
  }

  async store(file: StorableFile, request: StoreRequest): Promise<StoredFile> {
    const id = newId();
    try {
      await this.#write(id, file, request.signal);
    } catch (error) {
      request.signal.throwIfAborted();
      throw storageFailure(this.name, messageOf(error), error);
    }
    return { url: this.#urlOf(id, file.fileName, request), remove: () => this.#remove(id) };
  }

  async reserve({ fileName }: Pick<StorableFile, "fileName">, request: StoreRequest): Promise<ReservedFile> {
    const id = newId();
    return {
      url: this.#urlOf(id, fileName, request),
      complete: async (file) => {
        await this.#write(id, { ...file, fileName }, undefined).catch((error: unknown) => {
          throw storageFailure(this.name, messageOf(error), error);
        });
      },
      abort: () => this.#remove(id),
    };
  }

  /** Finds a file by the parts of its URL; undefined if there is none, or it has expired. */
  async find(id: string, fileName: string): Promise<FoundFile | undefined> {
    if (!ID.test(id)) return undefined;
    const folder = join(this.#folder, id);
    try {
      const [entry] = await readdir(folder);
      const [, type = "", name = ""] = /^([^~]*)~(.*)$/s.exec(entry ?? "") ?? [];
      if (entry === undefined || name !== fileName) return undefined;
      const path = join(folder, entry);
      const leftMs = (await stat(path)).mtimeMs + this.#expiryMs - Date.now();
      if (leftMs <= 0) return undefined;
      const contentType = decodeURIComponent(type);
      return {
        path,
        contentType,
        fileName,
        isInline: isHarmless(contentType),
        maxAgeSeconds: Math.floor(leftMs / 1_000),
      };
    } catch {
      return undefined;
    }
  }

  /** Removes expired files and those that a killed process has not completed, now and from time to time. */
  async start(): Promise<void> {
    this.#unfinished.removeLeftovers();
    await this.#sweep();
    this.#cancel = this.#after(SWEEP_MS, () => void this.start());
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#unfinished.remove();
  }

  async #write(id: string, file: StorableFile, signal: AbortSignal | undefined): Promise<void> {
    const folder = this.#create();
    const unfinished = this.#unfinished.newFile();
    await mkdir(unfinished, { mode: 0o700 });
    try {
      const path = join(unfinished, `${encodeURIComponent(file.contentType)}~${file.fileName}`);
      if (file.bytes !== undefined) await writeFile(path, file.bytes, { mode: 0o600, signal });
      else await copyFile(file.path as string, path);
      signal?.throwIfAborted();
      await rename(unfinished, join(folder, id));
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true });
      throw error;
    }
  }

  #create(): string {
    if (this.#created !== undefined) return this.#created;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    if (this.#isOwn) for (const path of [join(this.#folder, ".."), this.#folder]) assertOwn(path);
    return (this.#created = this.#folder);
  }

  #urlOf(id: string, fileName: string, request: StoreRequest): string {
    return `${this.#publicUrl ?? request.origin()}${FILES_PATH}/${id}/${encodeURIComponent(fileName)}`;
  }

  async #remove(id: string): Promise<void> {
    await rm(join(this.#folder, id), { recursive: true, force: true });
  }

  async #sweep(): Promise<void> {
    let names: string[];
    try {
      names = await readdir(this.#folder);
    } catch {
      return; // nothing has been stored yet
    }
    for (const name of names) {
      if (!ID.test(name)) continue; // not of this storage
      try {
        const path = join(this.#folder, name);
        const [entry = "."] = await readdir(path);
        const { mtimeMs } = await stat(join(path, entry));
        if (mtimeMs + this.#expiryMs <= Date.now()) await rm(path, { recursive: true, force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT")
          this.#log.warn({ err: error, name }, "could not remove an expired file");
      }
    }
  }
}

function newId(): string {
  return randomBytes(ID_BYTES).toString("base64url");
}

/** Types that browsers display without running scripts. */
function isHarmless(contentType: string): boolean {
  return (
    /^(?:image|audio|video)\//.test(contentType) && !contentType.startsWith("image/svg") // may have scripts
  );
}

/** Another user who owned the folder could exchange its files. @throws Error */
function assertOwn(path: string): void {
  const { getuid } = process;
  const state = lstatSync(path);
  if (getuid === undefined || (state.isDirectory() && state.uid === getuid() && (state.mode & 0o022) === 0))
    return;
  throw new Error(
    `${path} is not a folder that only this user can write to; remove it, or name another folder`,
  );
}

function userName(): string {
  try {
    return String(userInfo().uid < 0 ? userInfo().username : userInfo().uid);
  } catch {
    return "unknown"; // a user without an entry in the system's list
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
