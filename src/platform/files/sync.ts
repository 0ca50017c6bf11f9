import { setMaxListeners } from "node:events";
import type { CollectedFile } from "../../build-context/collected-files.ts";
import { FileUpload, type UploadContext } from "./file-upload.ts";
import { hashFiles, type HashedFile } from "./hash.ts";
import { ProgressCounter, type SyncProgress } from "./progress.ts";
import type { RestCall } from "../transport/rest.ts";
import { mapParallel, Semaphore } from "./concurrency.ts";
import { StoreRequests, UploadFailure, type StoreRetryOptions } from "./store-requests.ts";
import { cancelUploads, ResumableUploads, type UploadSession } from "./resumable-uploads.ts";

/** What {@link syncFiles} takes. */
export interface SyncOptions extends StoreRetryOptions {
  /** As `collectFiles` returns them. */
  readonly files: readonly CollectedFile[];
  /** Sends requests. The same function has to be given again for an upload that broke off to be resumed. */
  readonly rest: RestCall;
  /** Told of each step: often, so draw at a rate of your own. What it throws ends the sync. */
  readonly onProgress?: ((progress: SyncProgress) => void) | undefined;
  /** Told in a sentence what went wrong without ending the sync. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Ends the sync and cancels its uploads at the store. */
  readonly signal?: AbortSignal | undefined;
}

/** A file as a deployment refers to it. */
export interface SyncedFile {
  readonly hash: string;
  readonly relativePath: string;
}

/** What a sync has done. */
export interface SyncResult {
  /** All files, in the order they were given. */
  readonly files: SyncedFile[];
  /** How many the store lacked and has now. */
  readonly uploaded: number;
  /** Their size in all, in bytes. */
  readonly bytes: number;
}

/** As many requests run at once. */
const PARALLEL_REQUESTS = 10;

/**
 * Brings files to the store of a control plane: asks once which of them it lacks, and uploads those, in parts, ten
 * requests at a time. Without files it asks nothing.
 *
 * An upload that a broken connection ended is kept: another sync of the same process sends the parts that are missing.
 * One that was cancelled or refused is cancelled at the store.
 *
 * @throws UploadFailure when a file can't be read, changes while it is sent, or the store refuses it or can't be
 * reached; or the signal's reason.
 */
export async function syncFiles(options: SyncOptions): Promise<SyncResult> {
  const { files, rest, signal, onProgress } = options;
  using sync = new SyncAbort(signal);
  const tell = (step: SyncProgress): void => {
    try {
      onProgress?.(step);
    } catch (error) {
      sync.abort(error); // called from within a request, where it would pass for a broken connection
    }
  };
  const reading = new ProgressCounter("reading", files, tell);
  const hashed = await hashFiles(files, {
    signal: sync.signal,
    onHashed: (bytes) => reading.add(bytes, 1),
  });
  const requests = new StoreRequests(rest, options);
  let doubt: string | undefined;
  const missing = await findMissing(hashed, requests, sync.signal, (reason) => (doubt = reason));
  const progress = new ProgressCounter("uploading", missing, tell);
  const ground = { requests, slots: new Semaphore(PARALLEL_REQUESTS), progress, signal: sync.signal };
  await uploadAll(missing, rest, ground, sync);
  sync.signal.throwIfAborted();
  // Told last: an upload that fails has most likely the same reason, and says it itself.
  if (doubt !== undefined) options.onWarning?.(`${doubt} All files were uploaded.`);
  return {
    files: hashed.map(({ hash, relativePath }) => ({ hash, relativePath })),
    uploaded: missing.length,
    bytes: missing.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
  };
}

/** The files the store lacks, one for each content; all of them when it does not say. */
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
    if (!Array.isArray(answer)) throw new UploadFailure(`${what} failed: the answer is no list.`);
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
  ground: UploadContext,
  sync: SyncAbort,
): Promise<void> {
  const unfinished = ResumableUploads.of(rest);
  const broken: UploadSession[] = [];
  const surplus: UploadSession[] = [];
  try {
    await mapParallel(files, PARALLEL_REQUESTS, async (file) => {
      const upload = new FileUpload(file, ground, unfinished.take(file.hash));
      try {
        ground.signal.throwIfAborted();
        await upload.run();
        if (upload.surplus !== undefined) surplus.push(upload.surplus);
      } catch (error) {
        if (upload.session !== undefined) broken.push(upload.session);
        sync.abort(error); // the others end now, and for the same reason
        throw error;
      }
    });
    // What was broken off and is not among the files any more, and what somebody else was faster with.
    await cancelUploads(rest, [...unfinished.takeAll(), ...surplus]);
  } catch (error) {
    if (error instanceof UploadFailure && error.isPassing)
      for (const session of broken) unfinished.keep(session);
    else await cancelUploads(rest, broken);
    await cancelUploads(rest, surplus);
    throw error;
  }
}

/** The end of a sync before its time: by the caller's signal, or by its own first failure. */
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
