import { once } from "node:events";
import { UsageError } from "../../errors.ts";
import type { TerminalDimensions } from "../../platform/runners/shell-session.ts";
import type { ServerlessClient } from "../../platform/serverless-client.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";

/** What is run on a runner, and how this process's streams are connected to it. */
export interface TerminalSession {
  /** Left out, a shell. */
  readonly command?: readonly string[];
  /** Pass standard input on. */
  readonly isInteractive: boolean;
  /** The command runs on a terminal of its own. */
  readonly tty: boolean;
}

/**
 * Runs a command on a runner with this process's input and output. Resolves to its exit code, to 1 when none is told.
 * A terminal here is as it was before, whatever happens.
 *
 * @throws UsageError where interactive sessions don't work
 */
export async function runOnTerminal(
  client: ServerlessClient,
  runnerId: string,
  { command, isInteractive, tty }: TerminalSession,
): Promise<number> {
  if (isInteractive && process.platform === "win32") {
    throw new UsageError(
      "Interactive sessions on a runner don't work on Windows; runners exec without -i does.",
    );
  }
  using stop = new Interruption();
  using terminal = isInteractive ? new LocalTerminal() : undefined;
  try {
    const events = client.runners.run(runnerId, {
      command,
      tty,
      input: terminal?.input,
      sizes: terminal?.sizes,
      signal: stop.signal,
    });
    for await (const event of events) {
      if (event.type === "exit") {
        if (event.exitCode !== undefined) return event.exitCode;
        process.stderr.write("The session was ended by the other side, without an exit code.\n");
        return 1;
      }
      const stream = event.type === "stderr" ? process.stderr : process.stdout;
      if (!stream.write(event.data)) await once(stream, "drain", { signal: stop.signal });
    }
    return 1;
  } catch (error) {
    if (stop.signal.aborted) return INTERRUPTED;
    throw error;
  }
}

/** This process's standard input; a terminal passes on every key, also those that it would act on itself. */
class LocalTerminal implements Disposable {
  readonly input: AsyncIterable<Uint8Array> = process.stdin;
  /** The size now, and after each change; nothing where there is no terminal. */
  readonly sizes: AsyncIterable<TerminalDimensions> | undefined;
  readonly #restore: () => void;
  readonly #onResize: () => void;
  #wake: () => void = () => {};

  constructor() {
    const { stdin } = process;
    this.#onResize = () => this.#wake();
    this.#restore = () => {
      if (stdin.isTTY && stdin.isRaw) stdin.setRawMode(false);
    };
    if (!stdin.isTTY) return;
    this.sizes = this.#sizes();
    process.on("SIGWINCH", this.#onResize);
    // Also when the process ends in a way that runs nothing else.
    process.on("exit", this.#restore);
    stdin.setRawMode(true);
  }

  async *#sizes(): AsyncGenerator<TerminalDimensions, void, undefined> {
    for (;;) {
      const resized = new Promise<void>((resolve) => (this.#wake = resolve));
      yield localSize();
      await resized;
    }
  }

  [Symbol.dispose](): void {
    this.#restore();
    process.off("exit", this.#restore);
    process.off("SIGWINCH", this.#onResize);
    // What waits for the next key would hold the process.
    process.stdin.destroy();
  }
}

/** That of whichever stream is a terminal; else the usual one. */
function localSize(): TerminalDimensions {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.isTTY) continue;
    const [columns, rows] = stream.getWindowSize();
    if (columns > 0 && rows > 0) return { rows, columns };
  }
  return { rows: 24, columns: 80 };
}
