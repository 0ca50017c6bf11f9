import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createFolder } from "./folders.ts";

/** Longer than any step takes on a busy machine. In milliseconds. */
const PATIENCE_MS = 30_000;

/** A gate that holds the work of PooledApp, in any process, until the test opens it. */
export class WorkGate {
  /** The value of the task's `gate`. */
  readonly folder: string = createFolder();

  /** Resolves with the pids once work of `count` processes waits at the gate. */
  async arrivals(count: number): Promise<number[]> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const pids = new Set(readdirSync(this.folder).map((name) => Number.parseInt(name, 10)));
      if (pids.size >= count) return [...pids];
      assert.ok(performance.now() < deadline, `${pids.size} of ${count} processes have come to the gate`);
      await delay(5); // there is no event for a new file
    }
  }

  /** Releases the waiting work, and all later work. */
  open(): void {
    writeFileSync(join(this.folder, "open"), "");
  }
}
