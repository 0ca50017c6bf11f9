import { setMaxListeners } from "node:events";
import type { CollectedFile } from "../../build-context/collected-files.ts";
import { FileUpload, type UploadContext } from "./file-upload.ts";
import { hashFiles, type HashedFile } from "./hash.ts";
import { ProgressCounter, type SyncProgress } from "./progress.ts";
import type { RestCall } from "../transport/rest.ts";
import { mapParallel, Semaphore } from "./concurrency.ts";
import { StoreRequests, UploadFailure, type StoreRetryOptions } from "./store-requests.ts";
import { cancelUploads, ResumableUploads, type UploadSession } from "./resumable-uploads.ts";

/** Options of {@link syncFiles}. */
export interface SyncOptions extends StoreRetryOptions {
  /** The result of `collectFiles`. */
  readonly files: readonly CollectedFile[];
  /** Sends requests. An interrupted upload is continued by a later sync with the same function. */
  readonly rest: RestCall;
  /** Called very often, for each step. An error that it throws ends the sync. */
  readonly onProgress?: ((progress: SyncProgress) => void) | undefined;
  /** Receives a message for each problem that does not end the sync. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Ends the sync and cancels its uploads at the store. */
  readonly signal?: AbortSignal | undefined;
}

/** A file as a deployment request names it. */
export interface SyncedFile {
  readonly hash: string;
  readonly relativePath: string;
}

/** The result of a sync. */
export interface SyncResult {
  /** All files, in the order of the options. */
  readonly files: SyncedFile[];
  /** The number of files that were uploaded. */
  readonly uploaded: number;
  /** The total size of the uploaded files, in bytes. */
  readonly bytes: number;
}

/** Maximum number of requests at once. */
const PARALLEL_REQUESTS = 10;

/**
 * Uploads files to the store of a control plane: asks once which ones are missing and uploads those in parts, with ten
 * requests at a time. Without files it sends no request.
 *
 * An upload that a closed connection interrupts is kept: the next sync of the same process sends the remaining parts. An
 * aborted or refused upload is cancelled at the store.
 * @throws FalServerlessError with code UPLOAD_FAILED if a file can't be read or changes during the upload, or the store
 * refuses it or can't be reached; the signal's reason
 */
export async function syncFiles(options: SyncOptions): Promise<SyncResult> {
  const { files, rest, signal, onProgress } = options;
  using sync = new SyncAbort(signal);
  const report = (step: SyncProgress): void => {
    try {
      onProgress?.(step);
    } catch (error) {
      sync.abort(error); // an abort, because an error thrown within a request looks like a failed connection
    }
  };
  const reading = new ProgressCounter("reading", files, report);
  const hashed = await hashFiles(files, {
    signal: sync.signal,
    onHashed: (bytes) => reading.add(bytes, 1),
  });
  const requests = new StoreRequests(rest, options);
  let doubt: string | undefined;
  const missing = await findMissing(hashed, requests, sync.signal, (reason) => (doubt = reason));
  const progress = new ProgressCounter("uploading", missing, report);
  const context = { requests, semaphore: new Semaphore(PARALLEL_REQUESTS), progress, signal: sync.signal };
  await uploadAll(missing, rest, context, sync);
  sync.signal.throwIfAborted();
  // Reported last, because a failed upload most likely has the same cause.
  if (doubt !== undefined) options.onWarning?.(`${doubt} All files were uploaded.`);
  return {
    files: hashed.map(({ hash, relativePath }) => ({ hash, relativePath })),
    uploaded: missing.length,
    bytes: missing.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
  };
}

/** The files that the store lacks, one for each content; all files if the store does not answer. */
async function findMissing(
  files: readonly HashedFile[],
  requests: StoreRequests,
  signal: AbortSignal,
  onDoubt: (reason: string) => void,
): Promise<HashedFile[]> {
  const byHash = new Map(files.map((file) => [file.hash, file]));
  if (byHash.size === 0) return [];
  try {
    const body = { hashes: [...byHash.keys()] };
    const what = "Asking for the files that are missing";
    const answer = await requests.post("/files/missing_hashes", body, { what, signal });
    if (!Array.isArray(answer)) throw new UploadFailure(`${what} failed: the answer is not a list.`);
    const lacking = new Set<unknown>(answer);
    return [...byHash.values()].filter(({ hash }) => lacking.has(hash));
  } catch (error) {
    if (!(error instanceof UploadFailure)) throw error;
    onDoubt(error.message);
    return [...byHash.values()];
  }
}

async function uploadAll(
  files: readonly HashedFile[],
  rest: RestCall,
  context: UploadContext,
  sync: SyncAbort,
): Promise<void> {
  const unfinished = ResumableUploads.of(rest);
  const broken: UploadSession[] = [];
  const surplus: UploadSession[] = [];
  try {
    await mapParallel(files, PARALLEL_REQUESTS, async (file) => {
      const upload = new FileUpload(file, context, unfinished.take(file.hash));
      try {
        context.signal.throwIfAborted();
        await upload.run();
        if (upload.surplus !== undefined) surplus.push(upload.surplus);
      } catch (error) {
        if (upload.session !== undefined) broken.push(upload.session);
        sync.abort(error); // also ends the other uploads
        throw error;
      }
    });
    // Interrupted uploads of files that have changed since, and files that another client has uploaded.
    await cancelUploads(rest, [...unfinished.takeAll(), ...surplus]);
  } catch (error) {
    if (error instanceof UploadFailure && error.isRetryable)
      for (const session of broken) unfinished.keep(session);
    else await cancelUploads(rest, broken);
    await cancelUploads(rest, surplus);
    throw error;
  }
}

/** Aborts a sync on the caller's signal or on the first failure. */
class SyncAbort {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #stop = (): void => this.#controller.abort(this.#outer?.reason);

  constructor(outer: AbortSignal | undefined) {
    outer?.throwIfAborted();
    this.#outer = outer;
    outer?.addEventListener("abort", this.#stop, { once: true });
    setMaxListeners(0, this.signal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#outer?.removeEventListener("abort", this.#stop);
  }
}
