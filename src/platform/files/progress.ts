/** The progress of a sync. */
export interface SyncProgress {
  /** First all files are hashed, then the missing ones are uploaded. */
  readonly phase: "reading" | "uploading";
  /** Bytes of this phase. It decreases when a part has to be sent again. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly filesDone: number;
  readonly filesTotal: number;
}

/** Counts the progress of one phase and reports each step. */
export class ProgressCounter {
  readonly #phase: SyncProgress["phase"];
  readonly #bytesTotal: number;
  readonly #filesTotal: number;
  readonly #report: (progress: SyncProgress) => void;
  #bytesDone = 0;
  #filesDone = 0;

  constructor(
    phase: SyncProgress["phase"],
    files: readonly { readonly sizeBytes: number }[],
    report: (progress: SyncProgress) => void,
  ) {
    this.#phase = phase;
    this.#filesTotal = files.length;
    this.#bytesTotal = files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
    this.#report = report;
    this.add(0);
  }

  /** Adds bytes and completed files. Negative bytes are subtracted. */
  add(bytes: number, files: number = 0): void {
    this.#bytesDone += bytes;
    this.#filesDone += files;
    this.#report({
      phase: this.#phase,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      filesDone: this.#filesDone,
      filesTotal: this.#filesTotal,
    });
  }
}
