import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { deserialize, serialize } from "node:v8";
import { failureReason, signalOfExitCode } from "../../../packaging/engines.ts";
import type { WorkerEnd } from "../../../processes/worker-channel.ts";
import {
  FRAME,
  FrameDecoder,
  writeFrame,
  type BridgeEnd,
  type BridgeFrame,
  type BridgeStart,
} from "./bridge/protocol.ts";
import type { ContainerEngine } from "../../../packaging/container-engine.ts";
import { runArguments, type ContainerRun } from "./run-arguments.ts";

/** Parts of a {@link ContainerProcess}. */
export interface ContainerProcessParts {
  readonly engine: ContainerEngine;
  readonly run: ContainerRun;
  readonly start: BridgeStart;
  /** The working directory of the engine's program. Podman writes a file "oom" there if memory runs out. */
  readonly directory: string;
  onMessage(message: unknown): void;
  /** The process has ended and its output is complete. Called once. */
  onEnd(end: WorkerEnd): void;
}

/** Maximum size of unacknowledged messages, in bytes. Further messages are queued here, so that `kill` overtakes them. */
const WINDOW_BYTES = 2 ** 20;
/** Maximum time for a container to end after a kill, in ms; then it is removed. */
const KILL_GRACE_MS = 1000;
/** Maximum time for the engine's program to end after its container, in ms; then it is killed. */
const ENGINE_GRACE_MS = 10_000;
/** Number of characters kept of the engine's error output. */
const KEPT_CHARACTERS = 8192;

/** A process in a separate container, connected through the bridge. It always ends when this process ends. */
export class ContainerProcess {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #parts: ContainerProcessParts;
  readonly #engineProcess: ChildProcess;
  readonly #input: Writable;
  readonly #output: Readable;
  readonly #stdout = new PassThrough();
  readonly #stderr = new PassThrough();
  readonly #decoder = new FrameDecoder();
  readonly #queue: Uint8Array[] = [];
  readonly #unacknowledged: number[] = [];
  #unacknowledgedBytes = 0;
  #engineOutput = "";
  #isReady = false;
  #hasEnded = false;
  #isBeingKilled = false;

  constructor(parts: ContainerProcessParts) {
    this.#parts = parts;
    const { engine, run, start, directory } = parts;
    this.stdout = this.#stdout;
    this.stderr = this.#stderr;
    this.#engineProcess = spawn(engine.command, runArguments(run, engine.flavor, engine.isConfined), {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: directory,
      // Not in this process's group, so that a terminal's Ctrl-C reaches this process only.
      detached: process.platform !== "win32",
      windowsHide: true,
    });
    // If no more files can be opened, the streams are missing and an "error" event follows.
    this.#input = this.#engineProcess.stdin ?? new PassThrough();
    this.#output = this.#engineProcess.stdout ?? new PassThrough();
    this.#input.on("error", () => {}); // "close" reports the end
    this.#output.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#engineProcess.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#engineOutput = (this.#engineOutput + text).slice(-KEPT_CHARACTERS);
    });
    this.#engineProcess.on("error", (error) => {
      if (this.#engineProcess.pid === undefined) this.#end({ code: null, signal: null, error });
    });
    this.#engineProcess.once("close", (code, signal) => this.#end(this.#endOfEngine(code, signal)));
    writeFrame(this.#input, FRAME.start, serialize(start));
  }

  /** The process id of the engine's program on this machine. */
  get pid(): number | undefined {
    return this.#engineProcess.pid;
  }

  /** @throws if the message can't be cloned */
  send(message: unknown): void {
    this.#queue.push(serialize(message));
    this.#sendQueued();
  }

  /** Ends the process immediately. */
  kill(): void {
    if (this.#hasEnded || this.#isBeingKilled) return;
    this.#isBeingKilled = true;
    writeFrame(this.#input, FRAME.kill);
    this.#input.end();
    setTimeout(() => this.#remove(), KILL_GRACE_MS).unref();
  }

  /** Sets whether this process stays alive for it. */
  hold(isHeld: boolean): void {
    const method = isHeld && !this.#hasEnded ? "ref" : "unref";
    this.#engineProcess[method]();
    const { stderr } = this.#engineProcess;
    for (const stream of [this.#input, this.#output, stderr])
      (stream as Partial<Socket> | null)?.[method]?.();
  }

  #sendQueued(): void {
    while (this.#unacknowledgedBytes < WINDOW_BYTES && !this.#isBeingKilled) {
      const payload = this.#queue.shift();
      if (payload === undefined) return;
      this.#unacknowledged.push(payload.byteLength);
      this.#unacknowledgedBytes += payload.byteLength;
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
    else if (kind === FRAME.acknowledged) {
      this.#unacknowledgedBytes -= this.#unacknowledged.shift() ?? 0;
      this.#sendQueued();
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

  #end(end: WorkerEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.hold(false);
    this.#input.end();
    setTimeout(() => this.#remove(), ENGINE_GRACE_MS).unref();
    let open = 2;
    for (const stream of [this.#stdout, this.#stderr]) {
      stream.once("end", () => {
        if (--open === 0) this.#parts.onEnd(end);
      });
      stream.end();
    }
  }

  /** The end of the process, derived from the end of the engine's program if the bridge has not reported it. */
  #endOfEngine(code: number | null, signal: string | null): WorkerEnd {
    if (!this.#isReady && !this.#isBeingKilled) {
      const { command } = this.#parts.engine;
      const words = failureReason(this.#engineOutput) || `it ended with ${signal ?? `exit code ${code}`}`;
      return { code, signal, error: new Error(`${command}: ${words}`) };
    }
    // The bridge reports every end except its own: exit code 0 without a report means that it was killed.
    return code === 0 ? { code: null, signal: "SIGKILL" } : { code, signal, ...endOf(code) };
  }

  /** Removes the container if it has not ended. */
  #remove(): void {
    if (this.#engineProcess.exitCode !== null || this.#engineProcess.signalCode !== null) return;
    const { engine, run } = this.#parts;
    const removal = spawn(engine.command, ["rm", "--force", run.name], {
      stdio: "ignore",
      windowsHide: true,
    });
    removal.unref();
    removal.on("error", () => {});
    removal.once("close", () => this.#engineProcess.kill("SIGKILL"));
  }
}

function endOf(code: number | null): Partial<WorkerEnd> {
  const signal = signalOfExitCode(code ?? 0);
  return signal === undefined ? {} : { code: null, signal };
}
