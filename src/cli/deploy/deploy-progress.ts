import { isForReaders, type ApplicationLog } from "../../platform/deployment/application-logs.ts";
import type { DeployPhase } from "../../platform/deployment/deploy.ts";
import type { SyncProgress } from "../../platform/files/progress.ts";
import type { Secret } from "../../platform/target/secret.ts";
import { bytesText } from "../../output/byte-amount.ts";
import { terminalText } from "../platform/output.ts";
import { styleFor } from "../style.ts";

/** Minimum time between two updates of the upload's line, in milliseconds. */
const REDRAW_MS = 100;

/**
 * Shows the progress of a deployment on standard error: on a terminal one line that is updated, elsewhere one line for
 * each step.
 */
export class DeployProgress {
  readonly #appName: string;
  readonly #secret: Secret;
  readonly #isDebug: boolean;
  readonly #isTerminal = process.stderr.isTTY === true;
  readonly #style = styleFor(process.stderr);
  #phase: DeployPhase | undefined;
  #upload: SyncProgress | undefined;
  #drawnAt = -Infinity;
  #hasLine = false;

  constructor(appName: string, secret: Secret, isDebug: boolean) {
    this.#appName = appName;
    this.#secret = secret;
    this.#isDebug = isDebug;
  }

  /** The current phase. */
  get phase(): DeployPhase | undefined {
    return this.#phase;
  }

  readonly begin = (phase: DeployPhase): void => {
    this.#endUpload();
    this.#phase = phase;
    if (phase === "building") this.#line(`Building the image of ${this.#appName}`);
    if (phase === "registering") this.#line(`Registering ${this.#appName}`);
  };

  readonly upload = (progress: SyncProgress): void => {
    this.#upload = progress;
    const now = performance.now();
    if (!this.#isTerminal || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const { phase, bytesDone, bytesTotal, filesDone, filesTotal } = progress;
    const verb = phase === "reading" ? "Reading" : "Uploading";
    this.#draw(
      `${verb} ${filesDone} of ${filesTotal} files, ${bytesText(bytesDone)} of ${bytesText(bytesTotal)}`,
    );
  };

  readonly log = (log: ApplicationLog): void => {
    // Lines of the build were shown during the build.
    if (this.#phase === "registering" && log.source === "BUILDER") return;
    if (!this.#isDebug && !isForReaders(log)) return;
    const text = terminalText(this.#secret.removeFrom(log.message));
    const { dim, red } = this.#style;
    const paint = log.level === "ERROR" ? red : log.source === "USER" ? String : dim;
    this.#line(paint(text));
  };

  readonly warn = (message: string): void => {
    this.#line(`${this.#style.yellow("warning:")} ${message}`);
  };

  /** Clears the line that is still being updated. */
  end(): void {
    this.#clear();
  }

  #endUpload(): void {
    const upload = this.#upload;
    this.#upload = undefined;
    if (this.#phase !== "uploading" || upload?.phase !== "uploading") return this.#clear();
    const { filesTotal, bytesTotal } = upload;
    const files = filesTotal === 1 ? "1 file" : `${filesTotal} files`;
    this.#line(
      filesTotal === 0 ? "All files are there already" : `Uploaded ${files}, ${bytesText(bytesTotal)}`,
    );
  }

  #line(text: string): void {
    this.#clear();
    process.stderr.write(`${text}\n`);
  }

  #draw(text: string): void {
    this.#hasLine = true;
    process.stderr.write(`\r\u001b[2K${text.slice(0, Math.max(20, (process.stderr.columns || 80) - 1))}`);
  }

  #clear(): void {
    if (this.#hasLine) process.stderr.write("\r\u001b[2K");
    this.#hasLine = false;
  }
}
