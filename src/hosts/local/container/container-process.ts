import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { deserialize, serialize } from "node:v8";
import { failureReason } from "../../../packaging/engines.ts";
import {
  FRAME,
  FrameDecoder,
  writeFrame,
  type BridgeEnd,
  type BridgeFrame,
  type BridgeStart,
} from "./bridge/protocol.ts";
import type { ContainerEngine } from "./engine.ts";

import { runArguments, type ContainerRun } from "./run-arguments.ts";

/** What a process in a container is started with. */
export interface ContainerProcessParts {
  readonly engine: ContainerEngine;
  readonly run: ContainerRun;
  readonly start: BridgeStart;
  /** A folder for the engine's program to work in: Podman leaves a file "oom" there when memory has run out. */
  readonly directory: string;
  onMessage(message: unknown): void;
  /** It is no more, and all that it printed can be read. Told once. */
  onEnd(end: ContainerEnd): void;
}

/** How a process in a container ended. */
export interface ContainerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started, or nothing more is known of it. */
  readonly error?: Error;
}

/** So many bytes of messages may be on their way to the process; the others wait here, so that `kill` overtakes them. */
const WINDOW_BYTES = 2 ** 20;
/** A container that has not ended so long after it was told to is removed, in milliseconds. */
const KILL_GRACE_MS = 1000;
/** An engine's program that has not ended so long after its container is ended as well, in milliseconds. */
const CLIENT_GRACE_MS = 10_000;
/** So many characters of what the engine's program says are kept. */
const KEPT_CHARACTERS = 8192;

/** A process in a container of its own, reached through the bridge. It ends with this process, however that ends. */
export class ContainerProcess {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #parts: ContainerProcessParts;
  readonly #client: ChildProcess;
  readonly #input: Writable;
  readonly #output: Readable;
  readonly #stdout = new PassThrough();
  readonly #stderr = new PassThrough();
  readonly #decoder = new FrameDecoder();
  readonly #waiting: Uint8Array[] = [];
  readonly #untaken: number[] = [];
  #untakenBytes = 0;
  #said = "";
  #isReady = false;
  #hasEnded = false;
  #isBeingKilled = false;

  constructor(parts: ContainerProcessParts) {
    this.#parts = parts;
    const { engine, run, start, directory } = parts;
    this.stdout = this.#stdout;
    this.stderr = this.#stderr;
    this.#client = spawn(engine.command, runArguments(run, engine.flavor, engine.isConfined), {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: directory,
      // A terminal's Ctrl-C is for this process to answer.
      detached: process.platform !== "win32",
      windowsHide: true,
    });
    // Where this process may open no more files, Node gives no streams, and tells so by an event.
    this.#input = this.#client.stdin ?? new PassThrough();
    this.#output = this.#client.stdout ?? new PassThrough();
    this.#input.on("error", () => {}); // the end of the program is told by itself
    this.#output.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#client.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-KEPT_CHARACTERS);
    });
    this.#client.on("error", (error) => {
      if (this.#client.pid === undefined) this.#end({ code: null, signal: null, error });
    });
    this.#client.once("close", (code, signal) => this.#end(this.#endOfClient(code, signal)));
    writeFrame(this.#input, FRAME.start, serialize(start));
  }

  /** The process of the engine's program on this machine. */
  get pid(): number | undefined {
    return this.#client.pid;
  }

  /** @throws when the message can't be cloned */
  send(message: unknown): void {
    this.#waiting.push(serialize(message));
    this.#hand();
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#hasEnded || this.#isBeingKilled) return;
    this.#isBeingKilled = true;
    writeFrame(this.#input, FRAME.kill);
    this.#input.end();
    setTimeout(() => this.#remove(), KILL_GRACE_MS).unref();
  }

  /** Whether this process stays alive for it. */
  hold(isHeld: boolean): void {
    const method = isHeld && !this.#hasEnded ? "ref" : "unref";
    this.#client[method]();
    const { stderr } = this.#client;
    for (const stream of [this.#input, this.#output, stderr])
      (stream as Partial<Socket> | null)?.[method]?.();
  }

  #hand(): void {
    while (this.#untakenBytes < WINDOW_BYTES && !this.#isBeingKilled) {
      const payload = this.#waiting.shift();
      if (payload === undefined) return;
      this.#untaken.push(payload.byteLength);
      this.#untakenBytes += payload.byteLength;
      writeFrame(this.#input, FRAME.message, payload);
    }
  }

  #read(chunk: Buffer): void {
    if (this.#hasEnded) return;
    try {
      for (const frame of this.#decoder.write(chunk)) this.#receive(frame);
    } catch (error) {
      this.#end({ code: null, signal: null, error: error as Error });
      this.#remove();
    }
  }

  #receive({ kind, payload }: BridgeFrame): void {
    if (kind === FRAME.ready) this.#isReady = true;
    else if (kind === FRAME.message) this.#parts.onMessage(deserialize(payload));
    else if (kind === FRAME.stdout) this.#print(this.#stdout, payload);
    else if (kind === FRAME.stderr) this.#print(this.#stderr, payload);
    else if (kind === FRAME.taken) {
      this.#untakenBytes -= this.#untaken.shift() ?? 0;
      this.#hand();
    } else if (kind === FRAME.end) {
      const { code, signal, error } = deserialize(payload) as BridgeEnd;
      this.#end({ code, signal, ...(error === undefined ? {} : { error: new Error(error) }) });
    }
  }

  #print(stream: PassThrough, chunk: Buffer): void {
    if (stream.write(chunk)) return;
    this.#output.pause();
    stream.once("drain", () => this.#output.resume());
  }

  #end(end: ContainerEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.hold(false);
    this.#input.end();
    setTimeout(() => this.#remove(), CLIENT_GRACE_MS).unref();
    let open = 2;
    for (const stream of [this.#stdout, this.#stderr]) {
      stream.once("end", () => {
        if (--open === 0) this.#parts.onEnd(end);
      });
      stream.end();
    }
  }

  /** What the end of the engine's program tells, where the bridge has told nothing. */
  #endOfClient(code: number | null, signal: string | null): ContainerEnd {
    if (!this.#isReady && !this.#isBeingKilled) {
      const { command } = this.#parts.engine;
      const words = failureReason(this.#said) || `it ended with ${signal ?? `exit code ${code}`}`;
      return { code, signal, error: new Error(`${command}: ${words}`) };
    }
    // Whatever the program makes of it: the bridge tells of every end but its own.
    return code === 0 ? { code: null, signal: "SIGKILL" } : { code, signal, ...signalOf(code) };
  }

  /** Removes what goes neither by itself nor by being told. */
  #remove(): void {
    if (this.#client.exitCode !== null || this.#client.signalCode !== null) return;
    const { engine, run } = this.#parts;
    const removal = spawn(engine.command, ["rm", "--force", run.name], {
      stdio: "ignore",
      windowsHide: true,
    });
    removal.unref();
    removal.on("error", () => {});
    removal.once("close", () => this.#client.kill("SIGKILL"));
  }
}

/** An engine's program tells a signal as its shell would: 137 for SIGKILL. */
function signalOf(code: number | null): Partial<ContainerEnd> {
  if (code === null || code <= 128) return {};
  const [name] = Object.entries(constants.signals).find(([, number]) => number === code - 128) ?? [];
  return name === undefined ? {} : { code: null, signal: name };
}
