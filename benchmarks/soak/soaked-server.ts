import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** Memory, descriptors and handles of the server's process after garbage collection. */
export interface Held {
  /** In bytes. */
  readonly heapUsed: number;
  readonly rss: number;
  /** Open files and sockets; undefined if the system does not report them. */
  readonly descriptors: number | undefined;
  /** The number of timers, sockets and other handles that keep the process alive, by kind. */
  readonly handles: Readonly<Record<string, number>>;
}

/** A served app in a process of its own, run by the compiled command line. */
export class SoakedServer implements AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Resolves to the exit code; null if a signal ended the process. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number, ended: Promise<number | null>) {
    this.#child = child;
    this.port = port;
    this.pid = child.pid as number;
    this.ended = ended;
  }

  /** @param program the compiled command line @param app the app's file @throws Error if it ends before it listens */
  static async start(program: string, app: string, cwd: string): Promise<SoakedServer> {
    const args = [
      "--expose-gc",
      program,
      "run",
      app,
      "--port",
      "0",
      "--metrics-port",
      "0",
      "--log-format",
      "json",
    ];
    const env = { ...process.env, NODE_ENV: "production", NODE_OPTIONS: "" };
    const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit").then(([code]) => code as number | null);
    const lines = createInterface({ input: child.stdout });
    const listening = new Promise<number>((resolve) => {
      lines.on("line", (line) => {
        const [, port] = /"port":(\d+).*"msg":"listening"/.exec(line) ?? [];
        if (port !== undefined) resolve(Number(port));
      });
    });
    const early = ended.then((code) => {
      throw new Error(`The server ended with ${code}.`);
    });
    early.catch(() => {});
    return new SoakedServer(child, await Promise.race([listening, early]), ended);
  }

  /** Waits until the callers' connections are closed, then reads the process's memory, descriptors and handles. */
  async held(atMost?: Held): Promise<Held> {
    let held = await this.#ask();
    // Half-open sockets are closed by timeouts of the server.
    for (let tries = 0; tries < 60 && atMost !== undefined && isMore(held, atMost); tries++) {
      await sleep(250);
      held = await this.#ask();
    }
    return held;
  }

  /** The resident memory as the system reports it, in bytes; undefined if it does not. */
  residentBytes(): number | undefined {
    const path = `/proc/${this.pid}/status`;
    if (!existsSync(path)) return undefined;
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(path, "utf8")) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  async #ask(): Promise<Held> {
    const call = request({
      ...{ port: this.port, path: "/usage", method: "POST", signal: AbortSignal.timeout(30_000) },
      // This request closes its own connection, so that it is not counted.
      agent: false,
      headers: { connection: "close", "content-type": "application/json", "content-length": 0 },
    });
    call.end();
    const [answer] = (await once(call, "response")) as [IncomingMessage];
    const { heapUsed, rss, handles } = JSON.parse(await text(answer)) as Held;
    await sleep(50);
    return { heapUsed, rss, handles, descriptors: this.#descriptors() };
  }

  #descriptors(): number | undefined {
    const folder = `/proc/${this.pid}/fd`;
    return existsSync(folder) ? readdirSync(folder).length : undefined;
  }
}

/** Whether more descriptors or handles are open than before, regardless of memory. */
function isMore(held: Held, before: Held): boolean {
  return (held.descriptors ?? 0) > (before.descriptors ?? 0) || surplusHandles(held, before) > 0;
}

/** The number of additional handles, summed over all kinds. */
export function surplusHandles({ handles }: Held, before: Held): number {
  return Object.entries(handles).reduce(
    (sum, [kind, count]) => sum + Math.max(0, count - (before.handles[kind] ?? 0)),
    0,
  );
}
