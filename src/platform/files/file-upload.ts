import { open, type FileHandle } from "node:fs/promises";
import { unreadable } from "../../build-context/file-failures.ts";
import { partRange, PART_BYTES, type HashedFile } from "./hash.ts";
import { PartBody } from "./part-body.ts";
import type { ProgressCounter } from "./progress.ts";
import type { Semaphore } from "./concurrency.ts";
import { UploadFailure, type StoreRequests } from "./store-requests.ts";
import type { UploadSession } from "./resumable-uploads.ts";

/** Maximum time after an abort for the response that opens an upload, in milliseconds. */
const LAST_ANSWER_MS = 2_000;

/** Objects that all uploads of one sync share. */
export interface UploadContext {
  readonly requests: StoreRequests;
  /** Limits the requests of all files together. */
  readonly semaphore: Semaphore;
  readonly progress: ProgressCounter;
  readonly signal: AbortSignal;
}

/** Uploads one file in parts. */
export class FileUpload {
  readonly #file: HashedFile;
  readonly #context: UploadContext;
  readonly #what: string;
  #session: UploadSession | undefined;
  #surplus: UploadSession | undefined;
  #counted = 0;

  /** @param session an interrupted upload of the same content, which is continued */
  constructor(file: HashedFile, context: UploadContext, session: UploadSession | undefined) {
    this.#file = file;
    this.#context = context;
    this.#session = session;
    this.#what = `Uploading ${file.relativePath}`;
  }

  /** The open upload at the store, to continue or to cancel; undefined once the upload is complete. */
  get session(): UploadSession | undefined {
    return this.#session;
  }

  /** An open upload to cancel, because another client has uploaded the file meanwhile. */
  get surplus(): UploadSession | undefined {
    return this.#surplus;
  }

  /** Uploads the missing parts. Resolves when the store has the file. */
  async run(): Promise<void> {
    try {
      if (this.#session !== undefined && (await this.#isFinished(this.#session))) return this.#done();
      if (await this.#isFinished(await this.#initiate())) return this.#done();
      // The store no longer has the upload. If it was completed and the response was lost, the next one is refused with 409.
      if (await this.#isFinished(await this.#initiate())) return this.#done();
    } catch (error) {
      if (!(error instanceof UploadFailure) || error.status !== 409) throw error;
      this.#surplus = this.#session;
      return this.#done(); // the store has the file already
    }
    throw new UploadFailure(`${this.#what} failed: the store has lost the upload, twice.`, {
      isRetryable: true,
    });
  }

  #done(): void {
    this.#session = undefined;
    this.#context.progress.add(this.#file.sizeBytes - this.#counted, 1);
  }

  get #metadata(): Readonly<Record<string, string>> {
    const { sizeBytes, modifiedSeconds, mode, hash } = this.#file;
    return { size: String(sizeBytes), mtime: String(modifiedSeconds), mode: String(mode), hash };
  }

  /** Opens an upload at the store. An abort waits for the response, because it has the id that is needed to cancel. */
  async #initiate(): Promise<UploadSession> {
    const { requests, semaphore, signal } = this.#context;
    const { hash } = this.#file;
    const path = `/files/app/multipart/${hash}/initiate`;
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      timer = setTimeout(() => late.abort(signal.reason), LAST_ANSWER_MS);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const answer = await semaphore.run(() => {
        signal.throwIfAborted();
        return requests.post(path, this.#metadata, { what: this.#what, signal: late.signal });
      });
      this.#session = { hash, uploadId: this.#text(answer, "upload_id"), etags: new Map() };
      signal.throwIfAborted();
      return this.#session;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Completes an upload; false if the store no longer has it. */
  async #isFinished(session: UploadSession): Promise<boolean> {
    try {
      await this.#sendParts(session);
      const parts = [...session.etags]
        .sort(([a], [b]) => a - b)
        .map(([part_number, etag]) => ({ part_number, etag }));
      const answer = await this.#post(`${pathOf(session)}/complete`, { parts, metadata: this.#metadata });
      this.#text(answer, "etag");
      return true;
    } catch (error) {
      if (!(error instanceof UploadFailure) || error.status !== 404) throw error;
      this.#count(-this.#counted);
      this.#session = undefined;
      return false;
    }
  }

  async #sendParts(session: UploadSession): Promise<void> {
    const numbers = Array.from(
      { length: Math.max(1, Math.ceil(this.#file.sizeBytes / PART_BYTES)) },
      (_, i) => i + 1,
    );
    const missing = numbers.filter((part) => !session.etags.has(part));
    for (const part of session.etags.keys()) this.#count(partRange(this.#file, part).length);
    if (missing.length === 0) return;
    await using handle = await this.#open();
    // After a failure, waits for the running parts, so that the parts at the store are known.
    const failures: unknown[] = [];
    await Promise.all(
      missing.map((part) =>
        this.#context.semaphore.run(async () => {
          if (failures.length > 0) return;
          try {
            session.etags.set(part, await this.#sendPart(session, handle, part));
          } catch (error) {
            failures.push(error);
          }
        }),
      ),
    );
    if (failures.length > 0) throw failures[0];
  }

  async #open(): Promise<FileHandle> {
    try {
      return await open(this.#file.absolutePath, "r");
    } catch (error) {
      throw unreadable(this.#file.relativePath, error);
    }
  }

  async #sendPart(session: UploadSession, handle: FileHandle, part: number): Promise<string> {
    const { requests, signal } = this.#context;
    let counted = 0;
    const takeBack = (): void => {
      this.#count(-counted);
      counted = 0;
    };
    try {
      const answer = await requests.send(
        (onBytes) => {
          takeBack();
          const body = new PartBody(this.#file, handle, part, (bytes) => {
            onBytes();
            counted += bytes;
            this.#count(bytes);
          });
          return {
            request: {
              method: "PUT",
              path: `${pathOf(session)}/${part}`,
              body: body.stream,
              headers: body.headers,
            },
            get failure() {
              return body.failure;
            },
          };
        },
        { what: this.#what, signal },
      );
      return this.#text(answer, "etag");
    } catch (error) {
      takeBack();
      throw error;
    }
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const { requests, semaphore, signal } = this.#context;
    return semaphore.run(() => requests.post(path, body, { what: this.#what, signal }));
  }

  #count(bytes: number): void {
    this.#counted += bytes;
    if (bytes !== 0) this.#context.progress.add(bytes);
  }

  #text(answer: unknown, field: string): string {
    const fields: object = typeof answer === "object" && answer !== null ? answer : {};
    const value = (fields as Readonly<Record<string, unknown>>)[field];
    if (typeof value === "string" && value !== "") return value;
    throw new UploadFailure(
      `${this.#what} failed: the answer has no ${field}; is the host the REST side of a control plane?`,
    );
  }
}

function pathOf({ hash, uploadId }: UploadSession): string {
  return `/files/app/multipart/${hash}/${encodeURIComponent(uploadId)}`;
}
