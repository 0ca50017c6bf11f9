import { FalServerlessError } from "../errors.ts";
import type { MediaCall, MediaRequest, Reservation, ReservedFacts } from "../routes/media-runtime.ts";
import type { FileStorage, StoredFile } from "../storage/file-storage.ts";
import type { TemporaryFolder } from "../temporary-folder.ts";
import { CallFiles } from "./call-files.ts";
import { typeOfName } from "./content-inspection.ts";
import { contentOfBytes, contentOfPath } from "./file-content.ts";
import { storedName } from "./file-names.ts";
import { filesIn, replaceFiles } from "./file-walk.ts";
import type { MediaFile } from "./media-file.ts";
import { packFiles, unpackFiles } from "./packed-files.ts";
import { recordOf } from "./wire-file.ts";

/** The files of one call on a server. */
export class FileCall implements MediaCall {
  readonly #request: MediaRequest;
  readonly #storage: FileStorage;
  readonly #allowedHosts: readonly string[];
  readonly #files: CallFiles;

  constructor(parts: {
    request: MediaRequest;
    storage: FileStorage;
    allowedHosts: readonly string[];
    folder: TemporaryFolder;
  }) {
    this.#request = parts.request;
    this.#storage = parts.storage;
    this.#allowedHosts = parts.allowedHosts;
    this.#files = new CallFiles(parts.folder);
  }

  bind(input: unknown, at: readonly (string | number)[]): void {
    for (const { file, path } of filesIn(input)) {
      const { limits } = file;
      if (limits === undefined) continue;
      const { signal } = this.#request;
      const allowedHosts = this.#allowedHosts;
      file.bind({ limits, loc: [...at, ...path], signal, temporary: this.#files, allowedHosts });
    }
  }

  async load(input: unknown): Promise<void> {
    await Promise.all(filesIn(input).map(({ file }) => file.load()));
  }

  async store(result: unknown): Promise<unknown> {
    const files = new Set(filesIn(result).map(({ file }) => file));
    if (files.size === 0) return result;
    const records = new Map<MediaFile, unknown>();
    const stored: StoredFile[] = [];
    const outcomes = await Promise.allSettled(
      [...files].map(async (file) => records.set(file, await this.#store(file, stored))),
    );
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return replaceFiles(result, (file) => records.get(file));
    // Nobody gets the URLs of the others.
    await Promise.allSettled(stored.map((each) => each.remove?.()));
    throw failed.reason;
  }

  async reserve({ contentType, fileName }: ReservedFacts): Promise<Reservation> {
    const storage = this.#storage;
    if (storage.reserve === undefined) {
      const message = `The storage "${storage.name}" can't reserve a URL: choose "local", "s3" or "fal".`;
      throw new FalServerlessError("STORAGE_FAILED", message);
    }
    const type = contentType ?? typeOfName(fileName) ?? "application/octet-stream";
    const facts = { contentType: type, fileName: storedName(fileName, type) };
    const reserved = await storage.reserve(facts, this.#request);
    return {
      url: reserved.url,
      ...facts,
      async complete(given) {
        const content = typeof given === "string" ? await contentOfPath(given) : contentOfBytes(given);
        await reserved.complete({ ...content, ...facts });
        return { size: content.size };
      },
      abort: () => reserved.abort(),
    };
  }

  async withBytes(result: unknown): Promise<unknown> {
    const files = new Set(filesIn(result).map(({ file }) => file));
    if (files.size === 0) return result;
    const bytes = new Map<MediaFile, Uint8Array>();
    await Promise.all([...files].map(async (file) => bytes.set(file, await file.bytes())));
    return replaceFiles(result, (file) => bytes.get(file));
  }

  pack(value: unknown): Promise<unknown> {
    return packFiles(value, this.#files, false);
  }

  unpack(value: unknown): unknown {
    return unpackFiles(value, this.#files);
  }

  end(): void {
    this.#files.remove();
  }

  async #store(file: MediaFile, stored: StoredFile[]): Promise<unknown> {
    const { url } = file;
    if (url !== undefined) return recordOf(file.kind, url, file.stated);
    const { signal } = this.#request;
    signal.throwIfAborted();
    const { content, facts } = await file.settle(this.#files);
    const { contentType = "application/octet-stream" } = facts;
    const fileName = storedName(facts.fileName, contentType);
    const added = await this.#storage.store({ ...content, contentType, fileName }, this.#request);
    stored.push(added);
    return recordOf(file.kind, added.url, { ...facts, contentType, fileName });
  }
}
