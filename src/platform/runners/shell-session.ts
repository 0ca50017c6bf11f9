/**
 * Runs a command or a shell on a runner. It loads the gRPC libraries, so import it by `import()`.
 * @module
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { UsageError } from "../../errors.ts";
import { IsolateController, type ShellRunnerInputSchema } from "../generated/controller_pb.ts";
import type { PlatformSession } from "../transport/platform-session.ts";

/** The size of a terminal, in characters. */
export interface TerminalDimensions {
  readonly rows: number;
  readonly columns: number;
}

/** A command to run on a runner, and its input. */
export interface RunnerCommandOptions {
  /** The program with its arguments; none opens a login shell. */
  readonly command?: readonly string[] | undefined;
  /** Run it on a terminal. Default: true for a shell, false for a command. */
  readonly tty?: boolean | undefined;
  /** Its standard input. Default: empty. */
  readonly input?: AsyncIterable<Uint8Array> | undefined;
  /** The terminal's size: the present one, then one for each change. Only with `tty`. */
  readonly sizes?: AsyncIterable<TerminalDimensions> | undefined;
  /** Ends the command. */
  readonly signal?: AbortSignal | undefined;
}

/** Output of a command, or finally its exit code. */
export type RunnerCommandEvent =
  | { readonly type: "stdout" | "stderr"; readonly data: Uint8Array }
  | {
      readonly type: "exit";
      /** Undefined if the control plane ended the session without one. */
      readonly exitCode: number | undefined;
    };

type Input = MessageInitShape<typeof ShellRunnerInputSchema>;

const STDERR = 2;

/** Runs a command on a runner. The last event is the exit code. @throws UsageError, PlatformError, or the signal's reason */
export async function* runnerCommand(
  session: PlatformSession,
  runnerId: string,
  options: RunnerCommandOptions,
): AsyncGenerator<RunnerCommandEvent, void, undefined> {
  const { command = [], input, sizes, signal } = options;
  const tty = options.tty ?? command.length === 0;
  if (command.length > 0 && command[0]?.trim() === "")
    throw new UsageError("The command to run has no name.");
  const { connection } = await session.grpc();
  const inputs = new Inputs();
  void inputs.push({ runnerId, command: [...command], tty });
  if (tty && sizes !== undefined)
    void inputs.follow(sizes, ({ rows, columns }) => sizeMessage(rows, columns));
  if (input !== undefined) {
    void inputs
      .follow(input, (data) => (data.length === 0 ? undefined : { data }))
      .then(() => inputs.end(!tty));
  } else if (!tty) {
    // A program without input gets the end at once. A terminal has no end: the control plane ends the session.
    inputs.end(true);
  }
  try {
    const outputs = connection.duplex(IsolateController.method.shellRunner, inputs.messages(), { signal });
    for await (const { data, stream, exitCode, close } of outputs) {
      if (data.length > 0) yield { type: stream === STDERR ? "stderr" : "stdout", data };
      if (exitCode !== undefined) return yield { type: "exit", exitCode };
      if (close) break;
    }
    yield { type: "exit", exitCode: undefined };
  } finally {
    inputs.end(false);
  }
}

function sizeMessage(rows: number, columns: number): Input {
  return { ttySize: { height: rows, width: columns } };
}

/** Merges messages from several sources, with back-pressure. */
class Inputs {
  readonly #waiting: { readonly message: Input; readonly onTaken: () => void }[] = [];
  #failure: { readonly error: unknown } | undefined;
  #isEnded = false;
  #wake: () => void = () => {};

  /** Resolves once the message was sent. */
  push(message: Input): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    return new Promise((onTaken) => {
      this.#waiting.push({ message, onTaken });
      this.#wake();
    });
  }

  /** Pushes the items of a source, until it or the session has ended. */
  async follow<T>(source: AsyncIterable<T>, toMessage: (item: T) => Input | undefined): Promise<void> {
    try {
      for await (const item of source) {
        const message = toMessage(item);
        if (message !== undefined) await this.push(message);
        if (this.#isEnded) return;
      }
    } catch (error) {
      this.#failure = { error };
      this.#wake();
    }
  }

  /** Ends the messages after the queued ones. `withClose` sends a close message, too. */
  end(withClose: boolean): void {
    if (this.#isEnded) return;
    if (withClose) void this.push({ close: true });
    this.#isEnded = true;
    this.#wake();
  }

  async *messages(): AsyncGenerator<Input, void, undefined> {
    for (;;) {
      for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
        yield item.message;
        item.onTaken();
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
