/** One request to the REST side of a control plane. */
export interface RestRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With its leading `/`, escaped as in a URL. */
  readonly path: string;
  /** The body as it goes out. A stream is sent as it is read, and can be sent once: see {@link STREAMED_BODY}. */
  readonly body?: string | ReadableStream<Uint8Array> | undefined;
  /** Beside those of the credentials. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request with the host and the credentials it is bound to. Resolves with the answer, of whatever status, as
 * soon as its head is there; rejects when there is no answer, or with the signal's reason.
 */
export type RestCall = (request: RestRequest) => Promise<Response>;

/**
 * What `fetch` has to be told beside a body that is a stream. Where a redirect could follow, it makes a copy of the stream
 * to send again, and so keeps all of what was sent in memory.
 */
export const STREAMED_BODY = { duplex: "half", redirect: "error", window: null } as const;
