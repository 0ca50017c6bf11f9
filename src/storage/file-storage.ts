import type { Logger } from "pino";

/** A file to store. */
export interface StorableFile {
  /** Its name: not empty, without folders. */
  readonly fileName: string;
  readonly contentType: string;
  /** Number of bytes. */
  readonly size: number;
  /** The content, if it is in memory. */
  readonly bytes?: Uint8Array;
  /** The path of the content, if it is not in memory. Not to be changed. */
  readonly path?: string;
}

/** The facts about a call that a storage may need. */
export interface StoreRequest {
  readonly requestId: string;
  /** Ends the upload. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** A header of the request. @param name in lower case */
  header(name: string): string | undefined;
  /** The names of all headers of the request, in lower case. */
  headerNames?(): readonly string[];
  /** The address of the server as the caller knows it, without a slash at the end. */
  origin(): string;
}

/** A stored file. */
export interface StoredFile {
  readonly url: string;
  /** Removes it again. Undefined if the storage can't. */
  readonly remove?: () => Promise<void>;
}

/** A URL whose file comes later. */
export interface ReservedFile {
  readonly url: string;
  /** Stores the content. */
  complete(file: StorableFile): Promise<void>;
  /** Gives the URL up. */
  abort(): Promise<void>;
}

/** A place where the files of answers are stored. */
export interface FileStorage {
  /** Its name in messages and settings. */
  readonly name: string;
  /** @throws FalServerlessError with code STORAGE_FAILED, or the reason of the signal */
  store(file: StorableFile, request: StoreRequest): Promise<StoredFile>;
  /** Reserves a URL for a file that is complete later. Undefined if the storage can't. */
  reserve?(
    file: Pick<StorableFile, "fileName" | "contentType">,
    request: StoreRequest,
  ): Promise<ReservedFile>;
}

/** Parts that storages need. */
export interface StorageParts {
  readonly appName: string;
  readonly log: Logger;
  /** Calls back after a time. Returns a function that cancels it. */
  after(ms: number, callback: () => void): () => void;
}
