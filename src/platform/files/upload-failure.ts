import { FalServerlessError } from "../../errors.ts";

/** What an {@link UploadFailure} says beside its message. */
export interface UploadFailureOptions extends ErrorOptions {
  /** The HTTP status the store answered with; absent when it gave no answer, or when the fault is on this side. */
  readonly status?: number;
  /** The connection or the store failed, not the files: another try may go on where this one ended. Default false. */
  readonly isPassing?: boolean;
}

/** Files of a deployment could not be read or uploaded: `UPLOAD_FAILED`. The message names the file. */
export class UploadFailure extends FalServerlessError {
  readonly status: number | undefined;
  readonly isPassing: boolean;

  constructor(message: string, options: UploadFailureOptions = {}) {
    super("UPLOAD_FAILED", message, options);
    this.status = options.status;
    this.isPassing = options.isPassing ?? false;
  }
}
