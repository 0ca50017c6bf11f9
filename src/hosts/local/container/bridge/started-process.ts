import { spawn, type ChildProcess, type Serializable } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { serialize } from "node:v8";
import { OUT_OF_MEMORY } from "../../../../functions/runner/protocol.ts";
import { FRAME, type BridgeEnd, type BridgeStart, type FrameKind } from "./protocol.ts";

/** The bridge's connection to the host. */
export interface BridgeOutput {
  /** Sends a frame. Returns false if the buffer is full. */
  send(kind: FrameKind, payload?: Uint8Array): boolean;
  /** Calls back once the buffer is empty. */
  onceDrained(callback: () => void): void;
  /** The process has ended, and its end has been sent. */
  onEnd(): void;
}

/** Maximum wait for the rest of the output of an ended process, in ms. */
const LAST_WORDS_MS = 500;

/** Files in which the kernel counts processes killed for lack of memory, for cgroups version 2 and version 1. */
const MEMORY_EVENTS = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"] as const;

/** The process that a container runs. */
export class StartedProcess {
  readonly #child: ChildProcess;
  readonly #output: BridgeOutput;
  readonly #memoryBytes: number | undefined;
  #hasEnded = false;
  #isPaused = false;

  constructor({ args, variables, hasMessages, memoryBytes }: BridgeStart, output: BridgeOutput) {
    this.#output = output;
    this.#memoryBytes = memoryBytes;
    this.#child = spawn(process.execPath, args, {
      env: { ...process.env, ...variables },
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", ...(hasMessages ? (["ipc"] as const) : [])],
    });
    preferForOutOfMemoryKill(this.#child.pid);
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#print(FRAME.stdout, chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => this.#print(FRAME.stderr, chunk));
    // Not paused when the buffer is full: a run sends one message.
    this.#child.on("message", (message) => void output.send(FRAME.message, serialize(message)));
    this.#child.on("error", ({ message }) => {
      if (this.#child.pid === undefined) this.#end({ code: null, signal: null, error: message });
    });
    // A child process may keep the streams open forever.
    this.#child.once("exit", () => setTimeout(() => this.#destroyStreams(), LAST_WORDS_MS));
    this.#child.once("close", (code, signal) => this.#end({ code, signal }));
  }

  /** @param onSent called when the message has been passed on, or the process has closed its channel */
  send(message: unknown, onSent: () => void): void {
    if (this.#child.connected) this.#child.send(message as Serializable, onSent);
    else onSent();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #print(kind: FrameKind, chunk: Buffer): void {
    if (this.#output.send(kind, chunk) || this.#isPaused) return;
    this.#isPaused = true;
    this.#eachStream((stream) => stream.pause());
    this.#output.onceDrained(() => {
      this.#isPaused = false;
      this.#eachStream((stream) => stream.resume());
    });
  }

  #end(end: BridgeEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (end.signal === "SIGKILL" && this.#memoryBytes !== undefined && wasOutOfMemory()) {
      this.#output.send(FRAME.stderr, Buffer.from(`\n${OUT_OF_MEMORY}${this.#memoryBytes}\n`));
    }
    this.#output.send(FRAME.end, serialize(end));
    this.#output.onEnd();
  }

  #destroyStreams(): void {
    // Paused output is still to be sent.
    if (this.#isPaused)
      this.#output.onceDrained(() => setTimeout(() => this.#destroyStreams(), LAST_WORDS_MS));
    else this.#eachStream((stream) => stream.destroy());
  }

  #eachStream(act: (stream: NonNullable<ChildProcess["stdout"]>) => void): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream !== null) act(stream);
  }
}

/** Makes the kernel kill this process first if memory runs out, so that the bridge can report it. */
function preferForOutOfMemoryKill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  } catch {
    // the end of the container is reported instead
  }
}

function wasOutOfMemory(): boolean {
  return MEMORY_EVENTS.some((path) => {
    try {
      const [, kills = "0"] = /^oom_kill (\d+)$/m.exec(readFileSync(path, "utf8")) ?? [];
      return Number(kills) > 0;
    } catch {
      return false;
    }
  });
}
