import { appendFileSync, readFileSync, statSync, truncateSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { OutputStream, RunnerOutput } from "./runner-output.ts";

/** One line of a runner's output. */
export interface RunnerLine {
  /** Microseconds since 1970. No two lines of a runner have the same. */
  readonly micros: number;
  /** The level of a line of a logger, otherwise the name of its stream. */
  readonly level: string;
  readonly stream: OutputStream;
  readonly message: string;
}

/** The sizes of both files at a time. */
interface Moment {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** How often the sizes are noted, in milliseconds: the precision of the lines' times. */
const NOTE_MS = 250;
/** A longer line is split, in bytes. */
const MAX_LINE = 64 * 1024;
const LEVELS: Readonly<Record<number, string>> = {
  10: "TRACE",
  20: "DEBUG",
  30: "INFO",
  40: "WARN",
  50: "ERROR",
  60: "ERROR",
};

/**
 * The times of runners' output. Runners write to files themselves, without times; the sizes of the files are noted in a
 * third file, `times`, while they grow. Output that was written while the platform was away gets the time of its return.
 */
export class RunnerLogs {
  readonly #output: RunnerOutput;
  readonly #watched = new Map<string, Moment>();
  /** How often the output of a runner was truncated. */
  readonly #cuts = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(output: RunnerOutput) {
    this.#output = output;
  }

  /** Notes the growth of a runner's output from now on. */
  watch(id: string): void {
    this.#watched.set(id, this.#moments(id).at(-1) ?? { at: 0, stdout: 0, stderr: 0 });
    this.#timer ??= setInterval(() => {
      for (const each of this.#watched.keys()) this.#note(each);
    }, NOTE_MS).unref();
  }

  /** Whether a runner is running, so that its output may grow. */
  isWatched(id: string): boolean {
    return this.#watched.has(id);
  }

  /** Removes the output of a running runner so far. @param notice the first line from then on */
  cut(id: string, notice: string): void {
    this.#cuts.set(id, (this.#cuts.get(id) ?? 0) + 1);
    // A runner appends to the files: its next line is written at their new end.
    for (const stream of ["stdout", "stderr"] as const) truncateSync(this.#output.pathOf(id, stream));
    truncateSync(this.#path(id));
    appendFileSync(this.#output.pathOf(id, "stderr"), `${notice}\n`);
    this.#watched.set(id, { at: this.#watched.get(id)?.at ?? 0, stdout: 0, stderr: 0 });
  }

  /** Notes the end of a runner's output. */
  end(id: string): void {
    if (!this.#watched.has(id)) return;
    this.#note(id);
    this.#watched.delete(id);
    this.#cuts.delete(id);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * The lines of a runner, oldest first.
   * @param since only later ones, in microseconds since 1970
   */
  async *lines(id: string, since = -Infinity): AsyncGenerator<RunnerLine> {
    const reader = await LogReader.open(this.#output, id);
    if (reader === undefined) return;
    try {
      for (const moment of this.#moments(id)) yield* after(reader.linesUntil(moment), since);
      yield* after(reader.rest(), since);
    } finally {
      await reader.close();
    }
  }

  /**
   * The lines of a runner as they are written, until it ends or the signal aborts.
   * @param intervalMs how often its output is looked at
   */
  async *follow(
    id: string,
    since: number,
    signal: AbortSignal,
    intervalMs: number = NOTE_MS,
  ): AsyncGenerator<RunnerLine> {
    const reader = await LogReader.open(this.#output, id);
    if (reader === undefined) return;
    try {
      let seen = 0;
      let cuts = this.#cuts.get(id);
      while (!signal.aborted) {
        const isRunning = this.#watched.has(id);
        if (isRunning) this.#note(id);
        const moments = this.#moments(id);
        if (isRunning && this.#cuts.get(id) !== cuts) {
          cuts = this.#cuts.get(id);
          seen = 0;
          reader.rewind();
        }
        for (const moment of moments.slice(seen)) yield* after(reader.linesUntil(moment), since);
        seen = moments.length;
        if (!isRunning) {
          yield* after(reader.rest(), since);
          return;
        }
        await delay(intervalMs, undefined, { signal }).catch(() => {});
      }
    } finally {
      await reader.close();
    }
  }

  #note(id: string): void {
    const last = this.#watched.get(id);
    const [stdout, stderr] = (["stdout", "stderr"] as const).map((stream) =>
      sizeOf(this.#output.pathOf(id, stream)),
    );
    if (last === undefined || stdout === undefined || stderr === undefined) return;
    if (last.stdout === stdout && last.stderr === stderr) return;
    const moment = { at: Math.max(Date.now(), last.at + 1), stdout, stderr };
    try {
      appendFileSync(this.#path(id), `${moment.at} ${stdout} ${stderr}\n`, { mode: 0o600 });
      this.#watched.set(id, moment);
    } catch {
      // A full disk: noted later, with a later time.
    }
  }

  #moments(id: string): readonly Moment[] {
    let text: string;
    try {
      text = readFileSync(this.#path(id), "utf8");
    } catch {
      return [];
    }
    return text
      .split("\n")
      .map((line) => line.split(" ").map(Number))
      .flatMap(([at, stdout, stderr]) =>
        at === undefined || stdout === undefined || stderr === undefined ? [] : [{ at, stdout, stderr }],
      );
  }

  #path(id: string): string {
    return join(this.#output.folderOf(id), "times");
  }
}

/** Reads both files of a runner in step. */
class LogReader {
  readonly #files: Readonly<Record<OutputStream, FileHandle>>;
  readonly #positions = { stdout: 0, stderr: 0 };
  /** Lines whose ends are not written yet. */
  readonly #begun = { stdout: "", stderr: "" };
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  #at = 0;
  #count = 0;

  private constructor(files: Readonly<Record<OutputStream, FileHandle>>) {
    this.#files = files;
  }

  /** Undefined if the runner has no output. */
  static async open(output: RunnerOutput, id: string): Promise<LogReader | undefined> {
    const stdout = await open(output.pathOf(id, "stdout")).catch(() => undefined);
    const stderr = await open(output.pathOf(id, "stderr")).catch(() => undefined);
    if (stdout !== undefined && stderr !== undefined) return new LogReader({ stdout, stderr });
    await stdout?.close();
    await stderr?.close();
    return undefined;
  }

  /** Reads from the start again. */
  rewind(): void {
    this.#positions.stdout = this.#positions.stderr = 0;
    this.#begun.stdout = this.#begun.stderr = "";
  }

  /** The lines that were complete at a moment, and were not read before. */
  async *linesUntil(moment: Moment): AsyncGenerator<RunnerLine> {
    this.#at = moment.at;
    this.#count = 0;
    for (const stream of ["stdout", "stderr"] as const) yield* this.#read(stream, moment[stream]);
  }

  /** Lines at the end without a line feed: of a runner that was killed, or is writing. */
  async *rest(): AsyncGenerator<RunnerLine> {
    for (const stream of ["stdout", "stderr"] as const) {
      const text = this.#begun[stream];
      this.#begun[stream] = "";
      if (text !== "") yield this.#line(stream, text);
    }
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#files).map((file) => file.close()));
  }

  async *#read(stream: OutputStream, end: number): AsyncGenerator<RunnerLine> {
    const decoder = this.#decoders[stream];
    const buffer = Buffer.allocUnsafe(MAX_LINE);
    while (this.#positions[stream] < end) {
      const wanted = Math.min(buffer.length, end - this.#positions[stream]);
      const { bytesRead } = await this.#files[stream].read(buffer, 0, wanted, this.#positions[stream]);
      if (bytesRead === 0) return;
      this.#positions[stream] += bytesRead;
      const lines = (
        this.#begun[stream] + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })
      ).split("\n");
      const begun = lines.pop() ?? "";
      for (const line of lines) yield this.#line(stream, line);
      if (begun.length > MAX_LINE) yield this.#line(stream, begun);
      this.#begun[stream] = begun.length > MAX_LINE ? "" : begun;
    }
  }

  #line(stream: OutputStream, message: string): RunnerLine {
    return {
      micros: this.#at * 1_000 + this.#count++,
      level: levelOf(message) ?? stream.toUpperCase(),
      stream,
      message,
    };
  }
}

async function* after(lines: AsyncGenerator<RunnerLine>, since: number): AsyncGenerator<RunnerLine> {
  for await (const line of lines) if (line.micros > since) yield line;
}

/** The level of a line of pino: `{"level":30,…}`. */
function levelOf(message: string): string | undefined {
  const number = /^\{"level":(\d\d),/.exec(message)?.[1];
  return number === undefined ? undefined : LEVELS[Number(number)];
}

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch {
    return undefined;
  }
}
