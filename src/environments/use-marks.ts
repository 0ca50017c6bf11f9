import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createMark, parseMark, stateOf } from "../cache/process-mark.ts";

/**
 * Interval at which a mark is renewed, in milliseconds. Only processes on other machines or in other containers need
 * this.
 */
const RENEWAL_MS = 30_000;

/** Time for which a mark of another machine or container is valid after its last renewal, in milliseconds. */
const SILENCE_MS = 5 * 60_000;

/** Time for which a prepared environment counts as used before its use begins, in milliseconds. */
const GRACE_MS = 10_000;

interface Held {
  readonly path: string;
  count: number;
  grace: NodeJS.Timeout | undefined;
}

/** The files by which processes mark a folder as used: `use-FOLDER-TOKEN`, next to the folder. */
export class UseMarks {
  readonly #held = new Map<string, Held>();
  #renewal: NodeJS.Timeout | undefined;

  /** Marks a folder as used until disposed. */
  hold(parent: string, folder: string): Disposable {
    const held = this.#mark(parent, folder);
    held.count++;
    this.#endGrace(held);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        held.count--;
        this.#dropIfUnused(parent, folder, held);
      },
    };
  }

  /** Marks a folder as used for a short time, until it is held. */
  holdBriefly(parent: string, folder: string): void {
    const held = this.#mark(parent, folder);
    if (held.count > 0) return;
    clearTimeout(held.grace);
    held.grace = setTimeout(() => {
      held.grace = undefined;
      this.#dropIfUnused(parent, folder, held);
    }, GRACE_MS).unref();
  }

  #mark(parent: string, folder: string): Held {
    const name = join(parent, folder);
    const known = this.#held.get(name);
    if (known !== undefined) return known;
    const mark = createMark();
    const held: Held = { path: join(parent, `use-${folder}-${mark.token}`), count: 0, grace: undefined };
    try {
      mkdirSync(parent, { recursive: true });
      writeFileSync(held.path, JSON.stringify(mark));
    } catch (error) {
      // Ignored if the cache is read-only: then other processes can't remove the folder either.
      if (!["EROFS", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
    this.#held.set(name, held);
    cleanUpAtExit.add(held.path);
    this.#renewal ??= setInterval(() => this.#renew(), RENEWAL_MS).unref();
    return held;
  }

  #endGrace(held: Held): void {
    clearTimeout(held.grace);
    held.grace = undefined;
  }

  #dropIfUnused(parent: string, folder: string, held: Held): void {
    if (held.count > 0 || held.grace !== undefined) return;
    this.#held.delete(join(parent, folder));
    cleanUpAtExit.delete(held.path);
    remove(held.path);
    if (this.#held.size === 0) {
      clearInterval(this.#renewal);
      this.#renewal = undefined;
    }
  }

  #renew(): void {
    const now = new Date();
    for (const { path } of this.#held.values()) {
      try {
        utimesSync(path, now, now);
      } catch {
        // the mark was removed by hand
      }
    }
  }
}

/** Number of processes that use each folder in `parent`. Removes the marks of dead processes. */
export function countUses(parent: string): Map<string, number> {
  const uses = new Map<string, number>();
  for (const name of readdirSync(parent)) {
    const folder = /^use-(.+)-[^-]+$/.exec(name)?.[1];
    if (folder === undefined) continue;
    if (isLive(join(parent, name))) uses.set(folder, (uses.get(folder) ?? 0) + 1);
    else remove(join(parent, name));
  }
  return uses;
}

function isLive(path: string): boolean {
  try {
    const mark = parseMark(readFileSync(path, "utf8"));
    const state = mark === undefined ? "unknown" : stateOf(mark);
    return state === "unknown" ? Date.now() - statSync(path).mtimeMs < SILENCE_MS : state === "alive";
  } catch {
    return false; // the mark was just removed
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // the folder is read-only: the mark becomes that of a dead process when this process ends
  }
}

const cleanUpAtExit = new Set<string>();
process.once("exit", () => {
  for (const path of cleanUpAtExit) remove(path);
});
