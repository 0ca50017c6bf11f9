import { closeSync, openSync } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import type { Logger } from "pino";

/** The things that a machine can run out of. */
export type Shortage = "disk" | "descriptors";

/** What to say to those whose request fails for it. */
export const SHORTAGE_MESSAGES: Readonly<Record<Shortage, string>> = {
  disk: "The disk of the platform is full: make room on it, and try again.",
  descriptors: "The platform has no file descriptors left: raise its limit (ulimit -n), or try again later.",
};

/** The errors of the system for a shortage. */
const CODES: Readonly<Record<string, Shortage>> = {
  ENOSPC: "disk",
  EDQUOT: "disk",
  EMFILE: "descriptors",
  ENFILE: "descriptors",
};

/** The shortage that an error is about, if any. */
export function shortageOf(error: unknown): Shortage | undefined {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" && Object.hasOwn(CODES, code) ? CODES[code] : undefined;
}

/** A disk with less counts as full, in bytes: the database needs room for two segments of its log. */
const MIN_FREE_BYTES = 32 * 2 ** 20;
/** Interval at which the machine is looked at, in milliseconds. */
const LOOK_MS = 5_000;

/** Looks at what the machine is short of, and logs the beginning and the end of each shortage once. */
export class Shortages {
  readonly #folders: readonly string[];
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #present: readonly string[] = [];
  #refusedAt = -Infinity;

  /** @param folders those whose disks are looked at; missing ones are left out */
  constructor(folders: readonly string[], log: Logger) {
    this.#folders = folders;
    this.#log = log;
    this.#timer = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** A connection was refused, since there are as many as there may be. */
  refused(): void {
    const isNews = !this.#areConnectionsRefused();
    this.#refusedAt = performance.now();
    if (isNews) void this.look();
  }

  /** The present shortages, a sentence each. */
  async look(): Promise<readonly string[]> {
    const present = [...(await this.#fullDisks()), ...this.#descriptors()];
    for (const each of present) if (!this.#present.includes(each)) this.#log.error({ shortage: each }, each);
    for (const each of this.#present)
      if (!present.includes(each)) this.#log.info({ shortage: each }, "a shortage has ended");
    this.#present = present;
    return present;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #fullDisks(): Promise<readonly string[]> {
    const full = new Map<number, string>();
    for (const folder of this.#folders) {
      try {
        const { bavail, bsize } = await statfs(folder);
        if (bavail * bsize >= MIN_FREE_BYTES) continue;
        const { dev } = await stat(folder);
        if (!full.has(dev)) full.set(dev, `The disk of ${folder} is full: make room on it.`);
      } catch {
        // there is no such folder
      }
    }
    return [...full.values()];
  }

  #descriptors(): readonly string[] {
    const found: string[] = [];
    try {
      closeSync(openSync("/", "r"));
    } catch (error) {
      if (shortageOf(error) === "descriptors") found.push(SHORTAGE_MESSAGES.descriptors);
    }
    if (this.#areConnectionsRefused()) {
      found.push(
        "Connections are refused, since there are as many as the platform takes: raise its limit of file descriptors (ulimit -n), or put a proxy in front.",
      );
    }
    return found;
  }

  /** Whether one was refused since the last look but one. */
  #areConnectionsRefused(): boolean {
    return performance.now() - this.#refusedAt < LOOK_MS;
  }
}
