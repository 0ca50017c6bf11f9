import { UsageError } from "../../errors.ts";
import { LogFollower } from "./log-follower.ts";
import { LogHistory } from "./log-history.ts";
import { microsOfDate, type LogLine, type RunnerLog } from "./log-line.ts";
import { RunnerLogSource, type LogRange, type RunnerLife } from "./log-source.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import type { RetryOptions } from "../transport/retries.ts";

export type { RunnerLog } from "./log-line.ts";

/** Options of reading the log of a runner. */
export interface RunnerLogsOptions {
  /**
   * Continue with new lines until the runner has ended. Default false. Without `lines` and `since` it starts one minute ago.
   */
  readonly follow?: boolean | undefined;
  /** Number of lines, the newest ones. Default: all. */
  readonly lines?: number | undefined;
  /** Take the oldest lines instead of the newest; not with `follow`. Default false. */
  readonly oldest?: boolean | undefined;
  /** Only lines that contain this text. */
  readonly search?: string | undefined;
  /** Default: the runner's start. */
  readonly since?: Date | undefined;
  /** Default: the runner's end, or now. */
  readonly until?: Date | undefined;
  /** Stops reading; its reason is then thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** Times that tests change. */
export interface RunnerLogsTiming extends RetryOptions {
  /** How often to check whether a followed runner has ended, in ms. Default 15,000. */
  readonly checkMs?: number | undefined;
}

const MINUTE_MICROS = 60_000_000;

/**
 * The log of a runner, the oldest line first.
 * @throws UsageError, PlatformError, or the signal's reason
 */
export async function* runnerLogs(
  session: PlatformSession,
  runnerId: string,
  options: RunnerLogsOptions = {},
  timing: RunnerLogsTiming = {},
): AsyncGenerator<RunnerLog, void, undefined> {
  checkOptions(options);
  const { lines, oldest = false, signal } = options;
  const search = options.search === "" ? undefined : options.search;
  signal?.throwIfAborted();
  const [rest, { credentials }] = await Promise.all([session.rest(), session.target()]);
  const source = new RunnerLogSource({ rest, credentials, runnerId, search });
  const life = await source.life(signal);
  const range = rangeOf(options, life);
  const isLive =
    options.follow === true &&
    life.endedAt === undefined &&
    (range.until === undefined || range.until > microsOfDate(new Date()));
  if (isLive) {
    for await (const { log } of followed(source, range, options, timing)) yield log;
    return;
  }
  const history = new LogHistory(source, range, signal, timing);
  if (lines === undefined) for await (const { log } of history.all()) yield log;
  else for (const { log } of await (oldest ? history.first(lines) : history.last(lines))) yield log;
}

async function* followed(
  source: RunnerLogSource,
  range: LogRange,
  { lines, signal }: RunnerLogsOptions,
  timing: RunnerLogsTiming,
): AsyncGenerator<LogLine, void, undefined> {
  const since = lines === 0 ? microsOfDate(new Date()) : range.since;
  const follower = new LogFollower(source, { ...range, since }, timing);
  if (lines !== undefined) {
    for (const line of await new LogHistory(source, range, signal, timing).last(lines)) {
      follower.remember(line);
      yield line;
    }
  }
  using end = new RunnerEnd(source, timing.checkMs);
  try {
    yield* follower.lines(signal === undefined ? end.signal : AbortSignal.any([signal, end.signal]));
    return;
  } catch (error) {
    signal?.throwIfAborted();
    if (end.at === undefined) throw error;
  }
  // Lines that the stream had not sent when the runner ended.
  const rest = new LogHistory(source, { since: follower.since, until: end.at }, signal, timing);
  yield* follower.onlyNew(rest.all());
}

/** Polls whether a runner has ended: its stream may stay open. */
class RunnerEnd implements Disposable {
  readonly #source: RunnerLogSource;
  readonly #ended = new AbortController();
  readonly #left = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #at: number | undefined;

  constructor(source: RunnerLogSource, checkMs = 15_000) {
    this.#source = source;
    this.#timer = setTimeout(async () => {
      await this.#check();
      if (this.#at === undefined && !this.#left.signal.aborted) this.#timer.refresh();
    }, checkMs);
  }

  /** Aborts once the runner has ended. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** When it ended, in microseconds since 1970. */
  get at(): number | undefined {
    return this.#at;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#left.abort();
  }

  async #check(): Promise<void> {
    // After a failed check the next one decides, or the end of the stream.
    const life = await this.#source.life(this.#left.signal).catch(() => undefined);
    if (life?.endedAt === undefined) return;
    this.#at = life.endedAt;
    this.#ended.abort();
  }
}

function checkOptions({ follow = false, lines, oldest = false, since, until }: RunnerLogsOptions): void {
  if (lines !== undefined && !(Number.isSafeInteger(lines) && lines >= 0)) {
    throw new UsageError(`The number of lines has to be a whole number from 0, not ${String(lines)}.`);
  }
  if (follow && oldest) throw new UsageError("The oldest lines are not followed by new ones.");
  for (const [name, time] of Object.entries({ since, until })) {
    if (time !== undefined && Number.isNaN(time.getTime()))
      throw new UsageError(`"${name}" is not a valid time.`);
  }
  if (since !== undefined && until !== undefined && since > until) {
    throw new UsageError('The time of "since" is after that of "until".');
  }
}

/** The requested range, limited to the runner's lifetime. */
function rangeOf(
  { follow = false, lines, since, until }: RunnerLogsOptions,
  { startedAt, endedAt }: RunnerLife,
): LogRange {
  const within = (micros: number): number =>
    Math.min(Math.max(micros, startedAt ?? -Infinity), endedAt ?? Infinity);
  const lastMinute = (endedAt ?? microsOfDate(new Date())) - MINUTE_MICROS;
  const isRecent = follow && lines === undefined;
  const first = since === undefined ? (isRecent ? lastMinute : startedAt) : microsOfDate(since);
  const last = until === undefined ? endedAt : microsOfDate(until);
  return {
    since: first === undefined ? undefined : within(first),
    until: last === undefined ? undefined : within(last),
  };
}
