import { createProgress, type Progress, type ProgressStream } from "../output/progress.ts";
import { bytesText } from "../output/byte-amount.ts";
import type { DownloadOptions } from "./options.ts";

/** Interval at which progress is reported, in ms. */
const REPORT_MS = 100;
/** Time over which the speed is measured, in ms. */
const SPEED_MS = 3000;

const VERBS = { doing: "downloading", done: "downloaded" };

/** Shows and reports the progress of one download. */
export class DownloadDisplay {
  readonly #progress: Progress | undefined;
  readonly #report: DownloadOptions["onProgress"];
  #reportedAt = -Infinity;
  #last: { readonly receivedBytes: number; readonly totalBytes: number | undefined } | undefined;
  #isReported = true;
  #timer: NodeJS.Timeout | undefined;
  #thrown: { readonly error: unknown } | undefined;
  /** The beginning of the time over which the speed is measured. */
  #mark: { at: number; bytes: number; speed: number | undefined } | undefined;

  constructor(
    title: string,
    { showProgress = true, onProgress }: Pick<DownloadOptions, "showProgress" | "onProgress">,
    stream: ProgressStream = process.stderr,
  ) {
    this.#progress = showProgress ? createProgress(VERBS, stream) : undefined;
    this.#progress?.start(title);
    this.#report = onProgress;
  }

  /** Shows that another process downloads the file. */
  waitsFor(pid: number): void {
    this.#progress?.log(`process ${pid} does it`);
  }

  /** Shows why there is a wait. */
  waits(why: string): void {
    this.#progress?.log(`${why} Trying again.`);
  }

  /** Shows another activity. */
  says(what: string): void {
    this.#progress?.log(what);
  }

  advance(receivedBytes: number, totalBytes: number | undefined): void {
    if (this.#thrown !== undefined) throw this.#thrown.error;
    const now = performance.now();
    this.#last = { receivedBytes, totalBytes };
    this.#isReported = false;
    // Later, so that the last data before a pause is reported too.
    const waitMs = this.#reportedAt + REPORT_MS - now;
    if (waitMs <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flushLate(), waitMs).unref();
  }

  done(): void {
    clearTimeout(this.#timer);
    this.#reportLast();
    this.#progress?.done();
  }

  failed(): void {
    clearTimeout(this.#timer);
    this.#progress?.failed();
  }

  /** Keeps an error of `onProgress` until it can be thrown to the caller of the download. */
  #flushLate(): void {
    try {
      this.#flush();
    } catch (error) {
      this.#thrown = { error };
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#last === undefined) return;
    this.#reportedAt = performance.now();
    this.#progress?.log(this.#text(this.#last.receivedBytes, this.#last.totalBytes, this.#reportedAt));
    this.#reportLast();
  }

  #reportLast(): void {
    if (this.#isReported || this.#last === undefined) return;
    this.#isReported = true;
    this.#report?.(this.#last);
  }

  #text(received: number, total: number | undefined, now: number): string {
    this.#mark ??= { at: now, bytes: received, speed: undefined };
    const mark = this.#mark;
    if (now - mark.at >= SPEED_MS) {
      const speed = ((received - mark.bytes) / (now - mark.at)) * 1000;
      this.#mark = { at: now, bytes: received, speed };
    }
    const { speed } = this.#mark;
    const amount =
      total === undefined || total === 0
        ? bytesText(received)
        : `${Math.floor((received / total) * 100)} % of ${bytesText(total)}`;
    if (speed === undefined || speed <= 0) return amount;
    const left = total === undefined ? "" : ` · ${duration((total - received) / speed)} left`;
    return `${amount} · ${bytesText(speed)}/s${left}`;
  }
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
