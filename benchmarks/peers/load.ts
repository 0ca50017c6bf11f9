import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runCommand } from "../lib/command.ts";
import { COMPILER } from "./prerequisites.ts";
import { SOURCES } from "./work-folder.ts";

/** One measurement of the load generator. Times are in milliseconds unless the name has another unit. */
export interface LoadResult {
  readonly requests: number;
  /** Answers with status 200 per second. */
  readonly rps: number;
  readonly ok: number;
  /** Answers with status 200 within the deadline per second. */
  readonly goodput: number;
  readonly goodShare: number;
  readonly refused: number;
  readonly lost: number;
  /** Requests of an open loop without an answer at the end. */
  readonly unanswered: number;
  /** Answers that belong to another request. */
  readonly mismatches: number;
  readonly p50: number;
  readonly p99: number;
  readonly refuseP99: number;
  /** How much later than scheduled requests were sent, by an open loop. */
  readonly lateP99: number;
  /** The processor time of the server per answer with status 200, in microseconds. */
  readonly cpuUsPerOk: number;
  /** The cores that other processes used meanwhile. */
  readonly foreignCpu: number;
  readonly status: Readonly<Record<string, number>>;
  /** Only of streams. */
  readonly items?: number;
  readonly itemsPerS?: number;
  readonly cpuUsPerItem?: number;
  readonly firstP50?: number;
  readonly firstP99?: number;
}

/** The load of one measurement. */
export interface Load {
  /**
   * | mode | load |
   * |---|---|
   * | `closed` | each connection sends its next request when it has the answer |
   * | `open` | Poisson arrivals at `rate`; latency counts from the scheduled time |
   * | `sse` | each connection reads a stream to its end and requests the next |
   * | `ws` | each socket has `window` messages under way |
   */
  readonly mode: "closed" | "open" | "sse" | "ws";
  readonly port: number;
  readonly path?: string;
  readonly body: string | Uint8Array;
  /** The number of connections. */
  readonly conns: number;
  /** The duration of the measurement, and of the load before it, in seconds. */
  readonly secs: number;
  readonly warm: number;
  /** Requests per second of an open loop. */
  readonly rate?: number;
  /** The time after which an answer is worthless, in milliseconds; by default 100. */
  readonly deadline?: number;
  /** The seed of the arrivals of an open loop. */
  readonly seed?: number;
  readonly window?: number;
  /** Ends a closed loop early, after this number of answers. */
  readonly count?: number;
  /** How long an open loop waits for answers after its deadline at the end, in milliseconds; by default 400. */
  readonly settle?: number;
  /** Replaces `SSSSSSSS` in the body by the request's number, which the answer must contain. */
  readonly numbered?: boolean;
  /** The processes of the server, to measure their processor time. */
  readonly pids?: readonly number[];
  /** The core to run on; by default any. */
  readonly core?: number;
}

/** The compiled load generator. */
export class LoadGenerator {
  readonly #program: string;

  private constructor(program: string) {
    this.#program = program;
  }

  /** Compiles the generator into a folder. @throws Error with the compiler's output. */
  static async compile(folder: string): Promise<LoadGenerator> {
    await mkdir(folder, { recursive: true });
    const program = join(folder, "load");
    await runCommand(COMPILER, ["-O2", "-o", program, join(SOURCES, "load.c"), "-lm"], { cwd: folder });
    return new LoadGenerator(program);
  }

  /** Measures. @throws Error with the generator's message. */
  async run({ mode, body, numbered = false, pids = [], core, ...settings }: Load): Promise<LoadResult> {
    await using file = await BodyFile.write(body);
    const words = Object.entries(settings).map(([key, value]) => `${key}=${String(value)}`);
    words.push(`body=${file.path}`, `pids=${pids.join(",")}`, `seq=${numbered ? 1 : 0}`);
    if (core !== undefined) words.push(`cpu=${core}`);
    return JSON.parse(await runCommand(this.#program, [mode, ...words], { cwd: tmpdir() })) as LoadResult;
  }

  /** Opens connections that each make one request, and calls a function while they are open. */
  async hold<T>(
    { body, ...settings }: Pick<Load, "port" | "path" | "body" | "conns">,
    whileOpen: (held: number) => Promise<T>,
  ): Promise<T> {
    await using file = await BodyFile.write(body);
    const words = Object.entries(settings).map(([key, value]) => `${key}=${String(value)}`);
    const child = spawn(this.#program, ["hold", `body=${file.path}`, ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    try {
      const [line] = (await Promise.race([
        once(createInterface(child.stdout), "line"),
        ended.then(() => ['{"held":0}']),
      ])) as [string];
      return await whileOpen((JSON.parse(line) as { held: number }).held);
    } finally {
      child.stdin.end();
      await ended;
    }
  }
}

class BodyFile implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "body");
  }

  static async write(body: string | Uint8Array): Promise<BodyFile> {
    const file = new BodyFile(await mkdtemp(join(tmpdir(), "servable-peers-")));
    await writeFile(file.path, body);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}
