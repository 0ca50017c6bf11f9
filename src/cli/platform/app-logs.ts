import { setTimeout as delay } from "node:timers/promises";
import type { RunnerLog, RunnerLogsOptions } from "../../platform/runners/runner-logs.ts";
import type { ServerlessClient } from "../../platform/serverless-client.ts";

/** A line with the runner that wrote it. */
export interface AppLog extends RunnerLog {
  readonly runnerId: string;
}

/** Which lines are read, and until when. */
export type AppLogsOptions = Pick<RunnerLogsOptions, "lines" | "oldest" | "search" | "since" | "until"> & {
  readonly signal: AbortSignal;
};

/** Ended runners are listed for this time, in milliseconds. */
const LISTED_MS = 24 * 60 * 60 * 1_000;
/** How often new runners are looked for, in milliseconds. */
const LOOK_MS = 2_000;

/** The past lines of several runners, the oldest first. */
export async function* pastLogs(
  client: ServerlessClient,
  runnerIds: readonly string[],
  options: AppLogsOptions,
): AsyncGenerator<AppLog, void, undefined> {
  // The lines that are asked for of all runners together are among as many of each.
  yield* merged(runnerIds.map((id) => logsOf(client, id, options)));
}

/** The ids of the runners of an app, those included that have ended in the last 24 hours. */
export async function runnersOfApp(
  client: ServerlessClient,
  app: string,
  environment: string | undefined,
): Promise<readonly string[]> {
  const since = new Date(Date.now() - LISTED_MS);
  const runners = await client.apps.runners(app, { environment, since });
  return runners.map(({ runnerId }) => runnerId);
}

/** The new lines of all runners of an app, as they arrive, also of runners that start later. Ends by the signal alone. */
export async function* followApp(
  client: ServerlessClient,
  app: string,
  environment: string | undefined,
  options: AppLogsOptions,
): AsyncGenerator<AppLog, void, undefined> {
  const arrivals = new Arrivals();
  const followed = new Set<string>();
  const look = async (): Promise<void> => {
    for (let isFirst = true; ; isFirst = false) {
      for (const { runnerId } of await client.apps.runners(app, { environment })) {
        if (followed.has(runnerId)) continue;
        followed.add(runnerId);
        // A runner that has started meanwhile is shown from its start.
        const { lines: _, since, ...rest } = options;
        const range = isFirst ? options : { ...rest, since: since ?? new Date(0) };
        const source = logsOf(client, runnerId, { ...range, follow: true });
        void arrivals.take(source).catch((error: unknown) => arrivals.fail(error));
      }
      await delay(LOOK_MS, undefined, { signal: options.signal });
    }
  };
  void look().catch((error: unknown) =>
    arrivals.fail(options.signal.aborted ? options.signal.reason : error),
  );
  yield* arrivals.read();
}

/** The lines of one runner. */
export async function* logsOf(
  client: ServerlessClient,
  runnerId: string,
  options: RunnerLogsOptions,
): AsyncGenerator<AppLog, void, undefined> {
  for await (const log of client.runners.logs(runnerId, options)) yield { ...log, runnerId };
}

/** The lines of sources that are sorted by time, sorted by time. */
async function* merged(
  sources: readonly AsyncGenerator<AppLog, void, undefined>[],
): AsyncGenerator<AppLog, void, undefined> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, next: await source.next() })));
  let open = heads.filter(({ next }) => next.done !== true);
  while (open.length > 0) {
    const first = open.reduce((best, each) => (timeOf(each.next) < timeOf(best.next) ? each : best));
    yield first.next.value as AppLog;
    first.next = await first.source.next();
    if (first.next.done === true) open = open.filter((each) => each !== first);
  }
}

function timeOf(next: IteratorResult<AppLog, void>): number {
  return next.done === true ? Infinity : next.value.timestamp.getTime();
}

/** The newest lines of a log, or the oldest; all of them without a choice. */
export async function* someOf(
  logs: AsyncIterable<AppLog>,
  choice: Pick<RunnerLogsOptions, "lines" | "oldest"> | undefined,
): AsyncGenerator<AppLog, void, undefined> {
  const { lines = Infinity, oldest = false } = choice ?? {};
  if (lines === Infinity) return yield* logs;
  const kept: AppLog[] = [];
  if (lines === 0) return;
  for await (const log of logs) {
    kept.push(log);
    if (oldest && kept.length === lines) break;
    if (kept.length > lines) kept.shift();
  }
  yield* kept;
}

/** Levels of lines, the lowest first, with the names that count as each. Standard error counts as errors. */
const LEVELS = {
  debug: ["TRACE", "DEBUG"],
  info: ["INFO", "STDOUT"],
  warning: ["WARN", "WARNING"],
  error: ["ERROR", "CRITICAL", "FATAL", "STDERR"],
} as const;

/** A level of lines. */
export type LogLevel = keyof typeof LEVELS;

/** The lines of a level or a higher one; all of them without a level. */
export async function* ofLevel(
  logs: AsyncIterable<AppLog>,
  least: LogLevel | undefined,
): AsyncGenerator<AppLog, void, undefined> {
  const names = Object.keys(LEVELS) as LogLevel[];
  const low = new Set<string>(
    names.slice(0, names.indexOf(least ?? "debug")).flatMap((name) => LEVELS[name]),
  );
  for await (const log of logs) if (!low.has(log.level)) yield log;
}

/** Lines of several sources in the order of their arrival. A source waits until its line has been read. */
class Arrivals {
  readonly #lines: { readonly log: AppLog; readonly taken: () => void }[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake = (): void => {};

  async take(source: AsyncIterable<AppLog>): Promise<void> {
    for await (const log of source) {
      await new Promise<void>((resolve) => {
        this.#lines.push({ log, taken: resolve });
        this.#wake();
      });
    }
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async *read(): AsyncGenerator<AppLog, void, undefined> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        yield line.log;
        line.taken();
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
