import type { RestCall } from "../transport/rest.ts";

/** An upload the store has begun to take: its id there, and the parts that have arrived. */
export interface UploadSession {
  readonly hash: string;
  readonly uploadId: string;
  /** Part number → the tag the store gave it. */
  readonly etags: Map<number, string>;
}

/** How long a server is given to hear that an upload is off, in milliseconds. */
const CANCEL_TIMEOUT_MS = 5000;

/** Uploads that a broken connection ended, so that the next sync of this process goes on with them. */
export class ResumableUploads {
  static readonly #ofCalls = new WeakMap<RestCall, ResumableUploads>();
  readonly #sessions = new Map<string, UploadSession>();

  /** Those of one host and account. */
  static of(rest: RestCall): ResumableUploads {
    const known = this.#ofCalls.get(rest) ?? new ResumableUploads();
    this.#ofCalls.set(rest, known);
    return known;
  }

  /** Hands an upload over to who goes on with it: two syncs never write into one. */
  take(hash: string): UploadSession | undefined {
    const session = this.#sessions.get(hash);
    this.#sessions.delete(hash);
    return session;
  }

  /** All of them. */
  takeAll(): UploadSession[] {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    return sessions;
  }

  keep(session: UploadSession): void {
    this.#sessions.set(session.hash, session);
  }
}

/** Tells the store that uploads are off, all at once. One that does not hear it in 5 s is left to itself. */
export async function cancelUploads(rest: RestCall, sessions: readonly UploadSession[]): Promise<void> {
  await Promise.all(
    sessions.map(async ({ hash, uploadId }) => {
      try {
        const path = `/files/app/multipart/${hash}/${encodeURIComponent(uploadId)}/cancel`;
        const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS);
        const response = await rest({ method: "POST", path, signal });
        await response.arrayBuffer();
      } catch {
        // The store drops an upload by itself that nobody goes on with.
      }
    }),
  );
}

/** Gives up what a failed sync has left to go on with, and tells the store. For who will not try again. */
export async function abandonUploads(rest: RestCall): Promise<void> {
  await cancelUploads(rest, ResumableUploads.of(rest).takeAll());
}
