import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { constants } from "node:os";
import { endGroup, endTree } from "../../processes/process-tree.ts";
import { onTerminal, type ShellProgram } from "./terminal.ts";

/** A piece of the output of a program. */
interface ShellOutput {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
}

/** A program that runs beside an app, and its input. It belongs to one caller, and is killed when this one leaves. */
export class Shell implements Disposable {
  readonly #child: ChildProcess;
  readonly #sizes: Writable | undefined;
  readonly #ended: Promise<number>;
  /** Why it has no terminal although one was asked for. */
  readonly notice: string | undefined;

  /** @throws Error of the system if the program can't be started */
  static async start(program: ShellProgram, tty: boolean): Promise<Shell> {
    const terminal = tty ? onTerminal(program, program.environment["PATH"]) : undefined;
    const { command, args, directory, environment } = terminal?.program ?? program;
    const child = spawn(command, args, {
      cwd: directory,
      env: tty ? { TERM: "xterm-256color", ...environment } : { ...environment },
      // A group of its own, so that all that it starts ends with it.
      detached: true,
      stdio: terminal?.hasSizes === true ? ["pipe", "pipe", "pipe", "pipe"] : "pipe",
    });
    await once(child, "spawn"); // throws the error of the system
    const notice =
      tty && terminal === undefined
        ? "This machine can't make a terminal: install Python 3. The program runs without one.\n"
        : undefined;
    return new Shell(child, notice);
  }

  private constructor(child: ChildProcess, notice: string | undefined) {
    this.#child = child;
    this.notice = notice;
    this.#sizes = (child.stdio[3] as Writable | null | undefined) ?? undefined;
    // The program may end before it has read everything.
    for (const stream of [child.stdin, this.#sizes]) stream?.on("error", () => {});
    this.#ended = once(child, "exit").then(([code, signal]) =>
      code === null ? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0) : (code as number),
    );
  }

  /** Writes to its standard input. Resolves when it takes more. */
  async write(data: Uint8Array): Promise<void> {
    const { stdin } = this.#child;
    if (stdin === null || stdin.destroyed || stdin.writableEnded) return;
    if (!stdin.write(data)) await Promise.race([once(stdin, "drain"), once(stdin, "close")]).catch(() => {});
  }

  /** Ends its standard input. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Sets the size of its terminal. Without a terminal nothing changes. */
  resize({ rows, columns }: { readonly rows: number; readonly columns: number }): void {
    this.#sizes?.write(`${rows} ${columns}\n`);
  }

  /** Its output, as it comes, to the end. */
  async *output(): AsyncGenerator<ShellOutput> {
    const { stdout, stderr } = this.#child;
    const pieces: ShellOutput[] = [];
    let open = 0;
    let wake = (): void => {};
    const follow = (stream: ShellOutput["stream"], source: Readable | null): void => {
      if (source === null) return;
      open++;
      source.on("data", (data: Buffer) => {
        pieces.push({ stream, data });
        // Read on when the caller has taken this one.
        source.pause();
        wake();
      });
      source.once("close", () => {
        open--;
        wake();
      });
    };
    follow("stdout", stdout);
    follow("stderr", stderr);
    while (open > 0 || pieces.length > 0) {
      for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
        yield piece;
        (piece.stream === "stdout" ? stdout : stderr)?.resume();
      }
      if (open > 0) await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  /** Its exit code: 128 and the number of the signal if one has ended it. */
  get exitCode(): Promise<number> {
    return this.#ended;
  }

  [Symbol.dispose](): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined) return;
    if (exitCode === null && signalCode === null) endTree(pid);
    // Programs that it has left behind.
    else endGroup(pid);
    for (const stream of this.#child.stdio) stream?.destroy();
  }
}
