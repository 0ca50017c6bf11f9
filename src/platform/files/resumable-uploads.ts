import type { RestCall } from "../transport/rest.ts";

/** An open upload at the store: its id, and the parts that have arrived. */
export interface UploadSession {
  readonly hash: string;
  readonly uploadId: string;
  /** The ETag of each part, by part number. */
  readonly etags: Map<number, string>;
}

/** Timeout for the request that cancels an upload, in milliseconds. */
const CANCEL_TIMEOUT_MS = 5000;

/** Uploads that a closed connection interrupted. The next sync of this process continues them. */
export class ResumableUploads {
  static readonly #ofCalls = new WeakMap<RestCall, ResumableUploads>();
  readonly #sessions = new Map<string, UploadSession>();

  /** The uploads of one host and account. */
  static of(rest: RestCall): ResumableUploads {
    const known = this.#ofCalls.get(rest) ?? new ResumableUploads();
    this.#ofCalls.set(rest, known);
    return known;
  }

  /** Removes and returns an upload, so that two syncs never continue the same one. */
  take(hash: string): UploadSession | undefined {
    const session = this.#sessions.get(hash);
    this.#sessions.delete(hash);
    return session;
  }

  /** Removes and returns all uploads. */
  takeAll(): UploadSession[] {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    return sessions;
  }

  keep(session: UploadSession): void {
    this.#sessions.set(session.hash, session);
  }
}

/** Cancels uploads at the store, in parallel. Failures are ignored. */
export async function cancelUploads(rest: RestCall, sessions: readonly UploadSession[]): Promise<void> {
  await Promise.all(
    sessions.map(async ({ hash, uploadId }) => {
      try {
        const path = `/files/app/multipart/${hash}/${encodeURIComponent(uploadId)}/cancel`;
        const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS);
        const response = await rest({ method: "POST", path, signal });
        await response.arrayBuffer();
      } catch {
        // The store deletes abandoned uploads by itself.
      }
    }),
  );
}

/** Cancels the interrupted uploads of a failed sync that is not retried. */
export async function abandonUploads(rest: RestCall): Promise<void> {
  await cancelUploads(rest, ResumableUploads.of(rest).takeAll());
}
