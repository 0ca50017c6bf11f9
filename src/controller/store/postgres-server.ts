import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
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

/** The name of the database, and of its only user. */
const NAME = "servable";
/** Maximum length of a socket's path on Linux and macOS, in bytes, less the name that PostgreSQL adds. */
const MAX_SOCKET_FOLDER = 80;
const PORT = 5432;
/** Time for the server to accept connections, in milliseconds: it may have to replay its log after a crash. */
const START_MS = 120_000;
const POLL_MS = 20;
const ADOPTED_POLL_MS = 500;
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
    if (await server.#accepts()) server.#watchAdopted();
    else {
      await server.#initialise();
      await server.#launch();
    }
    return server;
  }

  /** How to connect to it. */
  get connection(): {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  } {
    return { host: this.#socketFolder, port: PORT, user: NAME, database: "postgres" };
  }

  /** The id of the process that listens, by its own record; undefined if it is not running. */
  get pid(): number | undefined {
    try {
      const pid = Number(readFileSync(join(this.#data, "postmaster.pid"), "utf8").split("\n")[0]);
      process.kill(pid, 0);
      return pid;
    } catch {
      return undefined;
    }
  }

  /** Stops supervising it: it continues, and the next {@link start} takes it over. */
  leaveRunning(): void {
    this.#isStopping = true;
  }

  /** Ends the server: connections are closed and the log is flushed. Resolves when the process has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const pid = this.pid;
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

  /** Notices the end of a server that an earlier platform has started, whose end this process is not notified of. */
  #watchAdopted(): void {
    const timer = setInterval(() => {
      if (this.#isStopping || this.pid === undefined) clearInterval(timer);
      if (!this.#isStopping && this.pid === undefined) void this.#restart("it has ended");
    }, ADOPTED_POLL_MS);
    timer.unref();
  }

  #lastWords(): string {
    const text = readFileSync(join(this.#options.folder, "postgres.log"), "utf8");
    return text.trimEnd().split("\n").slice(-5).join("\n");
  }

  /** Whether the socket accepts a connection. Its process being alive is not enough: it may be starting or ending. */
  #accepts(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(join(this.#socketFolder, `.s.PGSQL.${PORT}`));
      // A server that is starting answers a request for TLS at once, and closes the connection of a client.
      socket.once("connect", () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])));
      socket.once("data", () => {
        socket.destroy();
        resolve(true);
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
