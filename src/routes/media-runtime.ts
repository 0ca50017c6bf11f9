import type { Logger } from "pino";

/** Header with a policy for uploads to the caller's own bucket: a presigned POST of S3, as JSON. */
export const UPLOAD_POLICY = "x-app-fal-upload-policy";

/** How the files of a server are fetched and stored. */
export interface MediaServerOptions {
  /** The name of the app, which its folder of stored files is named after. */
  readonly appName: string;
  /** The class's setting `storage`; undefined: as the environment says. */
  readonly storage: unknown;
  /** Hosts from which files may be fetched although their addresses are not public. */
  readonly fileHosts: readonly string[];
  /** The folder for temporary files; undefined: the system's. */
  readonly temporaryFolder: string | undefined;
  readonly log: Logger;
  /** Calls back after a time. Returns a function that cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** The facts about a request that its files need. */
export interface MediaRequest {
  readonly requestId: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** A header of the request. @param name in lower case */
  header(name: string): string | undefined;
  /** The names of all headers, in lower case. */
  headerNames?(): readonly string[];
  /** The address of the server as the caller knows it, with the root path and without a slash at the end. */
  origin(): string;
}

/** A stored file that the server sends. */
export interface ServedFile {
  readonly path: string;
  readonly contentType: string;
  readonly fileName: string;
  /** Whether browsers may display it: they run no script of a picture, a sound or a video. */
  readonly isInline: boolean;
  /** Time until it is removed, in seconds. */
  readonly maxAgeSeconds: number;
}

/** A file whose URL is reserved. */
export interface ReservedFacts {
  readonly contentType?: string | undefined;
  readonly fileName?: string | undefined;
}

/** The URL of a file that is complete later. */
export interface Reservation {
  readonly url: string;
  readonly contentType: string;
  readonly fileName: string;
  /** Stores the content. @param content bytes, or the path of a file */
  complete(content: Uint8Array | string): Promise<{ readonly size: number }>;
  /** Gives the URL up. */
  abort(): Promise<void>;
}

/** The files of one call. */
export interface MediaCall {
  /** Connects the files of an input with the call. @param at where the input is, as the beginning of each `loc` */
  bind(input: unknown, at: readonly (string | number)[]): void;
  /** Fetches the files of an input now. Rejects with the error of the first one that fails. */
  load(input: unknown): Promise<void>;
  /** Stores the files of a result, and returns the result with their URLs. */
  store(result: unknown): Promise<unknown>;
  /** Reserves the URL of a file that is complete later. @throws FalServerlessError if the storage can't */
  reserve(facts: ReservedFacts): Promise<Reservation>;
  /** The result with the bytes of its files in their place. */
  withBytes(result: unknown): Promise<unknown>;
  /** Replaces files by data that can be sent to another process. */
  pack(value: unknown): Promise<unknown>;
  /** Replaces what {@link pack} has made in another process by files. */
  unpack(value: unknown): unknown;
  /** Removes the temporary files of the call. */
  end(): void;
}

/** The files of a server. */
export interface MediaServer {
  /** Whether the server has to send stored files itself. */
  readonly servesFiles: boolean;
  begin(request: MediaRequest): MediaCall;
  /** A stored file; undefined if there is none, or it has expired. */
  find(id: string, fileName: string): Promise<ServedFile | undefined>;
  /** Removes what killed processes left behind, and what has expired. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** The code of files, which the rule of a schema leads to. */
export interface MediaRuntime {
  /** @throws DefinitionError for an invalid setting `storage` */
  open(options: MediaServerOptions): MediaServer;
  /** The files of a call in a worker, whose main process has the server. */
  beginInWorker(): Pick<MediaCall, "pack" | "unpack" | "end">;
}
