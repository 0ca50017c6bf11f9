/** How far a sync of files is. */
export interface SyncProgress {
  /** First all files are read for their hashes, then those that the store lacks are uploaded. */
  readonly phase: "reading" | "uploading";
  /** Bytes of this phase. Those of a part that has to be sent again are taken back. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly filesDone: number;
  readonly filesTotal: number;
}

/** Counts one phase of a sync and tells of each step. */
export class ProgressCounter {
  readonly #phase: SyncProgress["phase"];
  readonly #bytesTotal: number;
  readonly #filesTotal: number;
  readonly #tell: (progress: SyncProgress) => void;
  #bytesDone = 0;
  #filesDone = 0;

  constructor(
    phase: SyncProgress["phase"],
    files: readonly { readonly sizeBytes: number }[],
    tell: (progress: SyncProgress) => void,
  ) {
    this.#phase = phase;
    this.#filesTotal = files.length;
    this.#bytesTotal = files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
    this.#tell = tell;
    this.add(0);
  }

  /** Counts bytes, and takes them back when negative; `files` that are done with them. */
  add(bytes: number, files: number = 0): void {
    this.#bytesDone += bytes;
    this.#filesDone += files;
    this.#tell({
      phase: this.#phase,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      filesDone: this.#filesDone,
      filesTotal: this.#filesTotal,
    });
  }
}
