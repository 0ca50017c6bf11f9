import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createFolder } from "./folders.ts";

/** Longer than any step takes on a busy machine, in milliseconds. */
const PATIENCE_MS = 30_000;

/** What keeps the work of PooledApp, in whichever process, until the test opens it. */
export class WorkGate {
  /** For the task's `gate`. */
  readonly folder: string = createFolder();

  /** Resolves once work has come to the gate in so many processes, with their pids. */
  async arrivals(count: number): Promise<number[]> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const pids = new Set(readdirSync(this.folder).map((name) => Number.parseInt(name, 10)));
      if (pids.size >= count) return [...pids];
      assert.ok(performance.now() < deadline, `${pids.size} of ${count} processes have come to the gate`);
      await delay(5); // nothing tells of a file
    }
  }

  /** Lets through what is there, and what comes. */
  open(): void {
    writeFileSync(join(this.folder, "open"), "");
  }
}
