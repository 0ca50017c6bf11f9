// Servable with a batched endpoint. Its only settings are the maximum size and DEADLINE_MS, a deadline; by default none.
import { openSync, writeSync } from "node:fs";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { App, endpoint } from "servable";
import { Type, type Static } from "typebox";
import { PORT } from "./work.ts";

const Item = Type.Object({
  seed: Type.Integer({ minimum: 0 }),
  prompt: Type.String({ minLength: 1, maxLength: 1000 }),
});
type Item = Static<typeof Item>;
const Answer = Type.Object({ seed: Type.Integer() });
type Answer = Static<typeof Answer>;

const BASE_MS = 20;
const PER_ITEM_MS = 1;
const MAX_SIZE = 64;
const deadlineMs = Number(process.env["DEADLINE_MS"] ?? 0);
const logFile = process.env["BATCH_LOG"];
const log = logFile === undefined ? undefined : openSync(logFile, "a");

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

if (isMainThread) {
  const device = new Worker(new URL(import.meta.url));
  const timeout = deadlineMs > 0 ? { timeoutMs: deadlineMs } : {};

  class Batched extends App {
    @endpoint("/", { input: Item, output: Answer, batch: { maxSize: MAX_SIZE }, ...timeout })
    async answer(items: Item[]): Promise<Answer[]> {
      const start = nowMs();
      const done = new Promise((resolve) => device.once("message", resolve));
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      device.postMessage(start + BASE_MS + PER_ITEM_MS * items.length);
      await done;
      if (log !== undefined) writeSync(log, `${start} ${items.length} ${nowMs() - start}\n`);
      return items.map(({ seed }) => ({ seed }));
    }
  }

  await new Batched().serve({ host: "127.0.0.1", port: PORT, metricsPort: PORT + 1 });
} else {
  // A thread that sleeps stands for a device that computes while the event loop is free.
  const cell = new Int32Array(new SharedArrayBuffer(4));
  parentPort?.on("message", (untilMs: number) => {
    const restMs = untilMs - nowMs();
    if (restMs > 0) Atomics.wait(cell, 0, 0, restMs);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage("done");
  });
}
