import { spawn, type ChildProcess, type Serializable } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { serialize } from "node:v8";
import { OUT_OF_MEMORY } from "../../../../functions/runner/protocol.ts";
import { FRAME, type BridgeEnd, type BridgeStart, type FrameKind } from "./protocol.ts";

/** The way out of the container. */
export interface BridgeOutput {
  /** Sends a frame. False when no more is wanted for now. */
  tell(kind: FrameKind, payload?: Uint8Array): boolean;
  /** Calls back once more is wanted. */
  whenTaken(callback: () => void): void;
  /** The process has ended, and its end is told. */
  onEnd(): void;
}

/** How long the output of a process is waited for that has ended, in milliseconds. */
const LAST_WORDS_MS = 500;

/** Where a container's kernel says how often it ended a process for want of memory: by cgroups version 2, and 1. */
const MEMORY_EVENTS = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"] as const;

/** The process that a container is for. */
export class StartedProcess {
  readonly #child: ChildProcess;
  readonly #output: BridgeOutput;
  readonly #memoryBytes: number | undefined;
  #hasEnded = false;
  #isHeldUp = false;

  constructor({ args, variables, hasMessages, memoryBytes }: BridgeStart, output: BridgeOutput) {
    this.#output = output;
    this.#memoryBytes = memoryBytes;
    this.#child = spawn(process.execPath, args, {
      env: { ...process.env, ...variables },
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", ...(hasMessages ? (["ipc"] as const) : [])],
    });
    preferToKill(this.#child.pid);
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#print(FRAME.stdout, chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => this.#print(FRAME.stderr, chunk));
    // These can't be held up: a run sends one answer.
    this.#child.on("message", (message) => void output.tell(FRAME.message, serialize(message)));
    this.#child.on("error", ({ message }) => {
      if (this.#child.pid === undefined) this.#end({ code: null, signal: null, error: message });
    });
    // A process that was started by it may hold the streams for ever.
    this.#child.once("exit", () => setTimeout(() => this.#destroyStreams(), LAST_WORDS_MS));
    this.#child.once("close", (code, signal) => this.#end({ code, signal }));
  }

  /** @param onTaken told when the message has been handed over, or there is nobody any more to take it */
  send(message: unknown, onTaken: () => void): void {
    if (this.#child.connected) this.#child.send(message as Serializable, onTaken);
    else onTaken();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #print(kind: FrameKind, chunk: Buffer): void {
    if (this.#output.tell(kind, chunk) || this.#isHeldUp) return;
    this.#isHeldUp = true;
    this.#eachStream((stream) => stream.pause());
    this.#output.whenTaken(() => {
      this.#isHeldUp = false;
      this.#eachStream((stream) => stream.resume());
    });
  }

  #end(end: BridgeEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (end.signal === "SIGKILL" && this.#memoryBytes !== undefined && wasOutOfMemory()) {
      this.#output.tell(FRAME.stderr, Buffer.from(`\n${OUT_OF_MEMORY}${this.#memoryBytes}\n`));
    }
    this.#output.tell(FRAME.end, serialize(end));
    this.#output.onEnd();
  }

  #destroyStreams(): void {
    // What is held up is on its way, and not lost.
    if (this.#isHeldUp) this.#output.whenTaken(() => setTimeout(() => this.#destroyStreams(), LAST_WORDS_MS));
    else this.#eachStream((stream) => stream.destroy());
  }

  #eachStream(act: (stream: NonNullable<ChildProcess["stdout"]>) => void): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream !== null) act(stream);
  }
}

/** Out of memory, the kernel is to end this process rather than the bridge, which tells of it. */
function preferToKill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  } catch {
    // then the end of the container tells
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
