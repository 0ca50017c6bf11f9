import { randomUUID } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";

/** Age after which the folder of a process on another machine is removed, in ms. */
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1_000;

/** The folders of this process that are in use. */
const own = new Set<string>();
let removesAtExit = false;

/**
 * The folder with a server's temporary files: `<parent>/servable-uploads-<user>/<machine>.<pid>.<start>.<random>`. Only
 * this user can read it. It is created for the first file, and removed when the server closes or the process ends.
 * Folders that killed processes left behind are removed at that time, too.
 */
export class TemporaryFolder {
  readonly #parent: string;
  readonly #log: Pick<Logger, "info" | "warn">;
  #path: string | undefined;

  /** @param parent default: the system's folder for temporary files */
  constructor(parent: string | undefined, log: Pick<Logger, "info" | "warn">) {
    this.#parent = join(parent ?? tmpdir(), `servable-uploads-${userName()}`);
    this.#log = log;
  }

  /** A path for a new file, which does not exist yet. @throws the file system's error */
  newFile(): string {
    this.#path ??= this.#create();
    return join(this.#path, randomUUID());
  }

  /** Removes folders of processes that have ended without removing them. */
  removeLeftovers(): void {
    let names: string[];
    try {
      names = readdirSync(this.#parent);
    } catch {
      return; // there has never been a temporary file
    }
    for (const name of names) {
      const path = join(this.#parent, name);
      if (own.has(path) || isInUse(path, name)) continue;
      try {
        rmSync(path, { recursive: true, force: true });
        this.#log.info({ folder: path }, "removed temporary files that a killed process had left behind");
      } catch (error) {
        this.#log.warn({ err: error, folder: path }, "could not remove temporary files of a killed process");
      }
    }
  }

  /** Removes the folder with all files. */
  async remove(): Promise<void> {
    const path = this.#path;
    if (path === undefined) return;
    this.#path = undefined;
    own.delete(path);
    await rm(path, { recursive: true, force: true });
  }

  #create(): string {
    const mark = [hostname().replaceAll(".", "-"), process.pid, startOf(process.pid) ?? "", randomUUID()];
    const path = join(this.#parent, mark.join("."));
    mkdirSync(this.#parent, { recursive: true, mode: 0o700 });
    assertOwn(this.#parent);
    mkdirSync(path, { mode: 0o700 });
    own.add(path);
    if (!removesAtExit) {
      removesAtExit = true;
      process.on("exit", () => {
        for (const each of own) rmSync(each, { recursive: true, force: true });
      });
    }
    return path;
  }
}

/** Another user who owned the folder, or could write to it, could exchange its files. @throws Error */
function assertOwn(path: string): void {
  const { getuid } = process;
  const state = lstatSync(path);
  if (getuid === undefined || (state.isDirectory() && state.uid === getuid() && (state.mode & 0o022) === 0))
    return;
  throw new Error(
    `${path} is not a folder that only this user can write to; remove it, or set uploadFolder.`,
  );
}

/** Whether the process of a folder may still run. */
function isInUse(path: string, name: string): boolean {
  const [machine, pid = "", start] = name.split(".");
  if (machine !== hostname().replaceAll(".", "-") || !/^\d+$/.test(pid)) {
    try {
      return Date.now() - statSync(path).mtimeMs < FOREIGN_AGE_MS;
    } catch {
      return false;
    }
  }
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  if (Number(pid) === process.pid) return false; // this process knows its own folders
  return start === "" || startOf(Number(pid)) === start;
}

/** The start time of a process in the system's own format, by which a reused pid is recognized; undefined if unknown. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19]; // the name may contain spaces and brackets
  } catch {
    return undefined;
  }
}

function userName(): string {
  try {
    return String(userInfo().uid < 0 ? userInfo().username : userInfo().uid);
  } catch {
    return "unknown"; // a user without an entry in the system's list
  }
}
