import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Load, LoadGenerator, LoadResult } from "./load.ts";
import { cpuSecondsOf, memoryOf, processesOf, TAG_VARIABLE, type Memory } from "./process-usage.ts";
import type { Ports, Product } from "./products.ts";
import { WORK } from "./work-folder.ts";

const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 3_000;
const POLL_MS = 5;

/** The options of {@link PeerServer.start}. */
export interface StartOptions {
  readonly generator: LoadGenerator;
  readonly body: string;
  /** The core of the server; by default any. */
  readonly core?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Checks the first answer. @throws Error if it is not the answer that all products give. */
  check?(answer: string): void;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const tags = new Set<string>();
process.on("exit", () => killProcesses([...tags]));

/** A product's server, with all its processes. */
export class PeerServer implements AsyncDisposable {
  readonly name: string;
  /** Time from the start of the process to its first good answer, in seconds. */
  readonly startSeconds: number;
  readonly #product: Product;
  readonly #options: StartOptions;
  readonly #child: ChildProcess;
  readonly #tag: string;
  readonly #port: number;

  private constructor(
    product: Product,
    options: StartOptions,
    child: ChildProcess,
    tag: string,
    port: number,
    startSeconds: number,
  ) {
    this.name = product.name;
    this.#product = product;
    this.#options = options;
    this.#child = child;
    this.#tag = tag;
    this.#port = port;
    this.startSeconds = startSeconds;
  }

  /** Starts a product and waits for its first answer. @throws Error with the place of its log. */
  static async start(product: Product, options: StartOptions): Promise<PeerServer> {
    const ports = await freePorts();
    const tag = `${process.pid}-${tags.size}`;
    tags.add(tag);
    const log = join(WORK, "logs", `${product.name.replaceAll(/\W+/g, "-")}.log`);
    const begin = performance.now();
    const child = spawnServer(product, options, ports, tag, log);
    const ended = once(child, "exit").catch(() => undefined); // an error of spawning is reported below
    try {
      await waitForAnswer(product, options, ports[0], child);
    } catch (error) {
      await stopProcesses(child, tag);
      await ended;
      const lines = readFileSync(log, "utf8").trimEnd().split("\n").slice(-5).join("\n");
      throw new Error(`${product.name}: ${(error as Error).message} Its log ${log} ends with:\n${lines}`, {
        cause: error,
      });
    }
    return new PeerServer(product, options, child, tag, ports[0], (performance.now() - begin) / 1000);
  }

  /** Measures under load. Body, path and processes are those of the server. */
  load(load: Omit<Load, "port" | "path" | "body"> & Partial<Pick<Load, "body">>): Promise<LoadResult> {
    const pids = processesOf(this.#tag);
    return this.#options.generator.run({ ...this.#target(), pids, ...load });
  }

  /** Measures the memory with idle connections. Each has made one request. */
  async memoryWithConnections(conns: number): Promise<Memory & { readonly held: number }> {
    return this.#options.generator.hold({ ...this.#target(), conns }, async (held) => {
      await sleep(1000);
      return { ...this.memory(), held };
    });
  }

  /** The memory of all processes. */
  memory(): Memory {
    return memoryOf(processesOf(this.#tag));
  }

  /** The processor time of all processes, in seconds. */
  cpuSeconds(): number {
    return cpuSecondsOf(processesOf(this.#tag));
  }

  /** The number of processes. */
  processes(): number {
    return processesOf(this.#tag).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopProcesses(this.#child, this.#tag);
  }

  #target(): { port: number; path: string; body: string } {
    const { path = "/", body = this.#options.body } = this.#product;
    return { port: this.#port, path, body };
  }
}

function spawnServer(
  product: Product,
  { core, env = {} }: StartOptions,
  ports: Ports,
  tag: string,
  log: string,
): ChildProcess {
  const command = product.command(ports);
  const pin = core === undefined ? [] : ["taskset", "-c", String(core)];
  const [program = command.program, ...args] = [...pin, command.program, ...command.args];
  mkdirSync(join(WORK, "logs"), { recursive: true });
  const file = openSync(log, "w");
  const child = spawn(program, args, {
    cwd: command.cwd,
    env: {
      ...process.env,
      ...{ NODE_ENV: "production", PORT: String(ports[0]), [TAG_VARIABLE]: tag },
      ...command.env,
      ...env,
    },
    stdio: ["ignore", file, file],
    detached: true,
  });
  child.on("error", () => undefined); // the server then gives no answer, and its log is shown
  closeSync(file);
  return child;
}

async function waitForAnswer(
  product: Product,
  { body: common, check }: StartOptions,
  port: number,
  child: ChildProcess,
): Promise<void> {
  const { probe, path = "/", body = common } = product;
  const deadline = performance.now() + START_LIMIT_MS;
  let last = "no answer";
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`its process ended with ${String(child.exitCode ?? child.signalCode)}.`);
    }
    const answer = await post(port, probe ?? path, body.replace("SSSSSSSS", "10000000"));
    if (answer !== undefined) {
      last = `${answer.status} ${answer.text.slice(0, 200)}`;
      if (probe === undefined ? answer.status === 200 : answer.status < 500) {
        if (probe === undefined) check?.(answer.text);
        return;
      }
    }
    await sleep(POLL_MS);
  }
  throw new Error(`it gave no good answer within ${START_LIMIT_MS / 1000} s (last: ${last}).`);
}

/** Undefined if nothing listens yet. */
function post(port: number, path: string, body: string): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request({ host: "127.0.0.1", port, path, method: "POST", headers, agent: false });
    sent.setTimeout(10_000, () => sent.destroy());
    sent.on("error", () => resolve(undefined));
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => resolve(undefined));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
      });
    });
    sent.end(body);
  });
}

async function stopProcesses(child: ChildProcess, tag: string): Promise<void> {
  child.kill("SIGTERM");
  const deadline = performance.now() + STOP_LIMIT_MS;
  while (performance.now() < deadline && processesOf(tag).length > 0) await sleep(50);
  killProcesses([tag]);
  while (processesOf(tag).length > 0) await sleep(10); // the system ends them soon, but not at once
}

function killProcesses(ofTags: readonly string[]): void {
  for (const pid of ofTags.flatMap(processesOf)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Ports that were free a moment ago: the products take a number, not a socket. */
async function freePorts(): Promise<Ports> {
  for (;;) {
    const first = await listen(0);
    const port = (first.address() as AddressInfo).port;
    try {
      const others = await Promise.all([listen(port + 1), listen(port + 2)]);
      await Promise.all(others.map(close));
      return [port, port + 1, port + 2];
    } catch {
      continue; // a neighbor is in use
    } finally {
      await close(first);
    }
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
