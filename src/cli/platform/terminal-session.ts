import { once } from "node:events";
import { UsageError } from "../../errors.ts";
import type { TerminalDimensions } from "../../platform/runners/shell-session.ts";
import type { ServerlessClient } from "../../platform/serverless-client.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";

/** A command on a runner, and how this process's streams connect to it. */
export interface TerminalSession {
  /** Default: a shell. */
  readonly command?: readonly string[];
  /** Forward standard input. */
  readonly isInteractive: boolean;
  /** Whether the command runs on a terminal on the runner. */
  readonly tty: boolean;
}

/**
 * Runs a command on a runner with this process's input and output. Resolves to its exit code, or 1 if the control plane sends
 * none. Always restores the terminal.
 *
 * @throws UsageError for an interactive session on Windows
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

/** This process's standard input. A terminal is put into raw mode, so that Ctrl-C too is sent to the runner. */
class LocalTerminal implements Disposable {
  readonly input: AsyncIterable<Uint8Array> = process.stdin;
  /** The size now and after each change; undefined without a terminal. */
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
    // Restores it however the process ends.
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
    // A pending read would keep the process alive.
    process.stdin.destroy();
  }
}

/** The size of the output that is a terminal; else 24 by 80. */
function localSize(): TerminalDimensions {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.isTTY) continue;
    const [columns, rows] = stream.getWindowSize();
    if (columns > 0 && rows > 0) return { rows, columns };
  }
  return { rows: 24, columns: 80 };
}
