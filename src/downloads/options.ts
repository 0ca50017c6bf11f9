/** How much of a file has arrived. */
export interface DownloadProgress {
  /** Bytes that are there, with those of an earlier attempt. */
  readonly receivedBytes: number;
  /** Size of the whole file; undefined if the server does not say it. */
  readonly totalBytes: number | undefined;
}

/** Options of downloading a file. */
export interface DownloadOptions {
  /** The SHA-256 of the file, in hexadecimal. A file with another hash is deleted and reported as an error. */
  readonly sha256?: string;
  /** Whether to download a file again that is there. Default false. */
  readonly force?: boolean;
  /** Headers of the request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Maximum size of the file, in bytes. Default: unlimited. */
  readonly maxBytes?: number;
  /** Maximum time of one attempt, in ms. Default: unlimited. */
  readonly timeoutMs?: number;
  /** Maximum time without data from the server, in ms. Default 30,000. */
  readonly stallTimeoutMs?: number;
  /** Maximum number of attempts in a row without progress. Default 5. */
  readonly maxAttempts?: number;
  /** Hosts that may be inside, as for `fetchSafely()`. */
  readonly allowedHosts?: readonly string[];
  /** Ends the download. The part that has arrived is kept, and the next download continues it. */
  readonly signal?: AbortSignal;
  /** Called when data has arrived, at most ten times per second. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Whether to show the progress on standard error. Default true. */
  readonly showProgress?: boolean;
}

/** Options of `downloadFile()`. */
export interface DownloadFileOptions extends DownloadOptions {
  /** The name of the file. Default: the name that the server gives it, otherwise the end of the URL. */
  readonly fileName?: string;
}

/** Options of `downloadModelWeights()`. */
export interface ModelWeightsOptions extends DownloadOptions {
  /** A token of the hub, for private models. Default: the variable `HF_TOKEN`. */
  readonly token?: string;
  /** The address of the hub. Default: the variable `HF_ENDPOINT`, otherwise `https://huggingface.co`. */
  readonly hubUrl?: string;
}

/** Options of `cloneRepository()`. */
export interface CloneOptions {
  /** The commit to check out: 8 to 64 hexadecimal digits. Default: the newest commit of the default branch. */
  readonly commit?: string;
  /** The folder that the clone is put into. Default: a folder in the cache. */
  readonly folder?: string;
  /** The name of the clone's folder. Default: the repository's, with the first 8 digits of the commit. */
  readonly name?: string;
  /** Whether to clone again if it is there. Default false. */
  readonly force?: boolean;
  /** Ends the clone, and removes its incomplete folder. */
  readonly signal?: AbortSignal;
  /** Whether to show the progress on standard error. Default true. */
  readonly showProgress?: boolean;
}
