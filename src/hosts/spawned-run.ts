import { RequestCancelledException } from "../errors.ts";
import type { FunctionTarget, SpawnInfo } from "../functions/host.ts";
import type { LogEntry } from "../log-entry.ts";
import { assertSerializable } from "../functions/serializable-values.ts";

/** The receiver of a run's output and address. */
export interface RunListener {
  readonly signal: AbortSignal | undefined;
  onLog(entry: LogEntry): void;
  /** Called with the address of a served function, once it can be reached. */
  onUrl?(url: string): void;
}

/** @throws FalSerializationError that names the argument */
export function checkArguments({ name }: FunctionTarget, args: readonly unknown[]): void {
  for (const [index, value] of args.entries()) assertSerializable(value, `argument ${index + 1} of ${name}`);
}

/**
 * Starts a run in the background.
 * @param signal cancels the run, in addition to `cancel()`
 */
export function spawnRun(
  start: (listener: Required<RunListener>) => Promise<unknown>,
  signal: AbortSignal | undefined,
): SpawnInfo {
  const controller = new AbortController();
  const logs = new LogQueue();
  let onUrl!: (url: string) => void;
  const reachable = new Promise<string>((resolve) => (onUrl = resolve));
  const result = start({
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    onLog: (entry) => logs.push(entry),
    onUrl,
  });
  const url = Promise.race([reachable, result.then(() => undefined)]);
  url.catch(() => {}); // no unhandled rejections
  void result.catch(() => {}).then(() => logs.end());
  const cancel = (reason: unknown = new RequestCancelledException("The run was cancelled.")): void =>
    controller.abort(reason);
  return { logs, result, url, stream: { cancel } };
}

/** Number of unread lines kept; older ones are dropped. */
const MAX_LINES = 10_000;

/** The unread lines of a run. */
export class LogQueue implements AsyncIterable<LogEntry> {
  readonly #lines: LogEntry[] = [];
  readonly #readers: ((result: IteratorResult<LogEntry>) => void)[] = [];
  #hasEnded = false;

  push(entry: LogEntry): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) reader({ value: entry, done: false });
    else if (this.#lines.push(entry) > MAX_LINES) this.#lines.shift();
  }

  /** Ends the iteration after the lines pushed so far. */
  end(): void {
    this.#hasEnded = true;
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<LogEntry> {
    return { next: () => this.#next() };
  }

  #next(): Promise<IteratorResult<LogEntry>> {
    const entry = this.#lines.shift();
    if (entry !== undefined) return Promise.resolve({ value: entry, done: false });
    if (this.#hasEnded) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#readers.push(resolve));
  }
}
