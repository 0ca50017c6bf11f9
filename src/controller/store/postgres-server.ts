import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { markOf, stateOf, type ProcessMark } from "../../cache/process-mark.ts";
import type { LogEntry } from "../../log-entry.ts";
import { Backoff } from "../../processes/backoff.ts";
import { runProgram } from "../../processes/program.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";
import { platformFailure } from "../failure.ts";
import { findPostgres, type PostgresPrograms } from "./postgres-programs.ts";
import { databaseUser, makePrivateFolder, type SystemUser } from "./unprivileged-user.ts";

/** Options of {@link PostgresServer.start}. */
export interface PostgresServerOptions {
  /** The folder of the database: its data, its log and its socket. */
  readonly folder: string;
  /** Where programs are installed to, if none are on this machine. Default: the user's cache folder. */
  readonly cacheDirectory?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((entry: LogEntry) => void) | undefined;
  /** Called when the server has ended by itself, and is being started again. */
  readonly onRestart?: ((reason: string) => void) | undefined;
}

/** How to connect to a server: by its socket. */
interface PostgresConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** The name of the database, and of its only user. */
const NAME = "servable";
/** Maximum length of a socket's path on Linux and macOS, in bytes, less the name that PostgreSQL adds. */
const MAX_SOCKET_FOLDER = 80;
const PORT = 5432;
/** Time for the server to accept connections, in milliseconds: it may have to replay its log after a crash. */
const START_MS = 120_000;
const POLL_MS = 20;
const ADOPTED_POLL_MS = 500;
/** Reads of an empty file of the server, after which it is a leftover. */
const MAX_EMPTY_READS = 50;
/** Time for the server to end its connections, in milliseconds, before it has to end at once. */
const STOP_MS = 30_000;

/**
 * Settings for a queue on one machine: without them, removed rows stay for a minute, and plans are compiled that run for
 * less than a millisecond.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "",
  autovacuum_naptime: "5s",
  random_page_cost: "1.1",
  jit: "off",
  max_connections: "100",
  unix_socket_permissions: "0700",
  logging_collector: "off",
};

/** A PostgreSQL server of the platform's own, which listens on a private socket only. It is started again if it ends. */
export class PostgresServer {
  readonly #programs: PostgresPrograms;
  readonly #options: PostgresServerOptions;
  readonly #user: SystemUser | undefined;
  readonly #data: string;
  readonly #socketFolder: string;
  #process: ChildProcess | undefined;
  #mark: ProcessMark | undefined;
  #isStopping = false;

  private constructor(
    programs: PostgresPrograms,
    options: PostgresServerOptions,
    user: SystemUser | undefined,
  ) {
    this.#programs = programs;
    this.#options = options;
    this.#user = user;
    this.#data = join(options.folder, "data");
    this.#socketFolder = socketFolder(options.folder);
  }

  /**
   * Starts the server of a folder, whose database is created if it does not exist. A server that was left running is
   * adopted.
   * @throws StartupError if there are no programs, or the server does not start; the message has its last words
   */
  static async start(options: PostgresServerOptions): Promise<PostgresServer> {
    const user = databaseUser();
    if (process.getuid?.() === 0 && user === undefined) {
      throw platformFailure(
        'PostgreSQL can\'t run as root, and this machine has no user "postgres" or "nobody": run as another user, or give --database-url.',
      );
    }
    makePrivateFolder(options.folder, user);
    const data = join(options.folder, "data");
    const programs = await findPostgres({
      ...omitUndefined({ cacheDirectory: options.cacheDirectory }),
      signal: options.signal,
      log: options.log,
      major: existsSync(join(data, "PG_VERSION"))
        ? Number(readFileSync(join(data, "PG_VERSION"), "utf8"))
        : undefined,
    });
    const server = new PostgresServer(programs, options, user);
    makePrivateFolder(server.#socketFolder, user);
    if (!(await server.#adopt())) {
      await server.#initialise();
      await server.#launch();
    }
    return server;
  }

  /** How to connect to it. */
  get connection(): PostgresConnection {
    return PostgresServer.connectionOf(this.#options.folder);
  }

  /** How to connect to the server of a folder. */
  static connectionOf(folder: string): PostgresConnection {
    return { host: socketFolder(folder), port: PORT, user: NAME, database: "postgres" };
  }

  /** The id of the process that listens; undefined if it is not running. */
  get pid(): number | undefined {
    return this.#mark !== undefined && stateOf(this.#mark) === "alive" ? this.#mark.pid : undefined;
  }

  /** Stops supervising it: it continues, and the next {@link start} takes it over. */
  leaveRunning(): void {
    this.#isStopping = true;
  }

  /** Ends the server: connections are closed and the log is flushed. Resolves when the process has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const { pid } = this;
    if (pid === undefined) return;
    process.kill(pid, "SIGINT");
    const deadline = performance.now() + STOP_MS;
    while (this.pid === pid) {
      if (performance.now() > deadline) process.kill(pid, "SIGQUIT");
      await delay(POLL_MS);
    }
  }

  /** Creates the database in a folder beside its own, so that a database whose creation was interrupted is never used. */
  async #initialise(): Promise<void> {
    if (existsSync(join(this.#data, "PG_VERSION"))) return;
    const temporary = join(this.#options.folder, "data.new");
    rmSync(temporary, { recursive: true, force: true });
    makePrivateFolder(temporary, this.#user);
    const args = ["-D", temporary, "-U", NAME, "-A", "trust", "-E", "UTF8", "--no-locale"];
    const end = await runProgram(join(this.#programs.folder, "initdb"), args, {
      directory: temporary,
      environment: { PATH: process.env["PATH"], LANG: "C" },
      user: this.#user,
      signal: this.#options.signal,
    });
    if (end.code !== 0) {
      throw platformFailure(
        `The database could not be created in ${temporary}: ${end.lines.slice(-5).join("\n")}`,
      );
    }
    renameSync(temporary, this.#data);
  }

  async #launch(): Promise<void> {
    const log = openSync(join(this.#options.folder, "postgres.log"), "a", 0o600);
    let ended: string | undefined;
    try {
      const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
      const args = ["-D", this.#data, "-k", this.#socketFolder, "-p", String(PORT), ...settings];
      const child = spawn(join(this.#programs.folder, "postgres"), args, {
        cwd: this.#data,
        // A group of its own: Ctrl-C ends the platform first, which ends the database.
        detached: true,
        stdio: ["ignore", log, log],
        env: { PATH: process.env["PATH"], LANG: "C" },
        ...omitUndefined({ uid: this.#user?.uid, gid: this.#user?.gid }),
      });
      child.once("error", ({ message }) => (ended = message));
      if (child.pid !== undefined) this.#mark = markOf(child.pid);
      child.once("exit", (code, signal) => {
        ended = code === null ? `ended by ${signal}` : `exit code ${code}`;
        if (this.#process === child) void this.#restart(ended);
      });
      this.#process = undefined;
      const deadline = performance.now() + START_MS;
      while (!(await this.#accepts())) {
        this.#options.signal?.throwIfAborted();
        if (ended !== undefined || performance.now() > deadline) {
          throw platformFailure(
            `PostgreSQL did not start (${ended ?? "it does not accept connections"}): ${this.#lastWords()}`,
          );
        }
        await delay(POLL_MS);
      }
      this.#process = child;
      child.unref();
    } finally {
      closeSync(log);
    }
  }

  /** Starts the server again after it has ended by itself. */
  async #restart(reason: string): Promise<void> {
    const backoff = new Backoff({ firstMs: 100, lastMs: 5_000, isFirstImmediate: true });
    while (!this.#isStopping) {
      this.#options.onRestart?.(reason);
      await delay(backoff.next());
      try {
        if (this.#isStopping) return;
        await this.#launch();
        return;
      } catch (error) {
        reason = (error as Error).message;
      }
    }
  }

  /**
   * Takes over a server that an earlier platform has started, once it lets clients in: it may be recovering. This process
   * is not notified of its end. False if none runs.
   */
  async #adopt(): Promise<boolean> {
    for (let emptyReads = 0; ;) {
      const pid = this.#recordedPid();
      if (pid === undefined) return false;
      if (pid === "empty") {
        if (++emptyReads > MAX_EMPTY_READS) return false;
        await delay(POLL_MS);
        continue;
      }
      this.#mark = markOf(pid);
      if (stateOf(this.#mark) !== "alive") return false;
      if (await this.#accepts()) break;
      this.#options.signal?.throwIfAborted();
      await delay(POLL_MS);
    }
    const timer = setInterval(() => {
      if (this.pid !== undefined && !this.#isStopping) return;
      clearInterval(timer);
      if (!this.#isStopping) void this.#restart("it has ended");
    }, ADOPTED_POLL_MS);
    timer.unref();
    return true;
  }

  /** The process that the server has noted in its file, if it still is a server of this folder: ids of processes are reused. */
  #recordedPid(): number | "empty" | undefined {
    try {
      // For a moment while the server rewrites it, the file is empty.
      const text = readFileSync(join(this.#data, "postmaster.pid"), "utf8");
      const pid = /^\d+(?=\n)/.exec(text)?.[0];
      if (pid === undefined) return "empty";
      const isOurs =
        process.platform !== "linux" || readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(this.#data);
      return isOurs ? Number(pid) : undefined;
    } catch {
      return undefined;
    }
  }

  #lastWords(): string {
    const text = readFileSync(join(this.#options.folder, "postgres.log"), "utf8");
    return text.trimEnd().split("\n").slice(-5).join("\n");
  }

  /** Whether it lets a client in. Its process being alive is not enough, and neither is its socket: it may be recovering. */
  #accepts(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(join(this.#socketFolder, `.s.PGSQL.${PORT}`));
      socket.once("connect", () => socket.write(startupMessage()));
      socket.once("data", (answer: Buffer) => {
        socket.destroy();
        resolve(answer[0] === AUTHENTICATION);
      });
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
  }
}

/** The folder of the socket: beside the data, or a short one below the temporary folder if the path is too long. */
function socketFolder(folder: string): string {
  const own = join(folder, "socket");
  if (Buffer.byteLength(own) <= MAX_SOCKET_FOLDER) return own;
  const name = createHash("sha256").update(own).digest("hex").slice(0, 16);
  return join(tmpdir(), `servable-${name}`);
}

/** The first byte of the answer to a client that is let in. One that is refused gets an error instead. */
const AUTHENTICATION = "R".charCodeAt(0);

/** The first message of a client, by version 3.0 of PostgreSQL's protocol. */
function startupMessage(): Buffer {
  const parameters = Buffer.from(`user\0${NAME}\0database\0postgres\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + parameters.length, 0);
  head.writeInt32BE(3 << 16, 4);
  return Buffer.concat([head, parameters]);
}
