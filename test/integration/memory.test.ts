import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestServer, type TestServer } from "servable/testing";
import { WireApp } from "../helpers/wire-app.ts";

/** Sends a thousand requests of every kind, twenty at a time. */
async function thousand(served: TestServer<WireApp>): Promise<void> {
  const kinds: (() => Promise<Response>)[] = [
    () => served.post("/", { text: "hello", size: { width: 3 } }),
    () => served.post("/", { text: "" }),
    () => served.post("/", "{"),
    () => served.post("/throw", { kind: "app" }),
    () => served.post("/throw", { kind: "error" }),
    () => served.post("/slow", { ms: 1, tag: "x" }),
    () => served.post("/nope"),
    () => served.post("/context?x=1", undefined, { origin: "http://a.localhost" }),
    () => fetch(`${served.url}/health`),
    () => fetch(served.url, { method: "PUT" }),
  ];
  for (let round = 0; round < 50; round++) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const answer = await (kinds[index % kinds.length] as () => Promise<Response>)();
        await answer.arrayBuffer();
      }),
    );
    served.app.seen.length = 0;
  }
}

function heapBytes(): number {
  const { gc } = globalThis;
  assert.ok(gc !== undefined, "run with --expose-gc");
  for (let count = 0; count < 4; count++) void gc();
  return process.memoryUsage().heapUsed;
}

/** Returns how many bytes 10,000 requests leave on the heap. */
async function growth(served: TestServer<WireApp>): Promise<number> {
  const before = heapBytes();
  for (let count = 0; count < 10; count++) await thousand(served);
  await sleep(50);
  return heapBytes() - before;
}

/** Compiled code and caches may be created late on a busy machine; a leak would appear in every ten thousand. */
const ATTEMPTS = 3;
const NOISE_BYTES = 1_500_000;

test(
  "10,000 requests leave no heap growth beyond noise, and no open handle after the stop",
  { timeout: 180_000 },
  async () => {
    const openBefore = process.getActiveResourcesInfo();
    const served = await startTestServer(new WireApp());
    try {
      for (let count = 0; count < 3; count++) await thousand(served); // warm-up: caches, connections, compiled code
      await sleep(50);
      const grown: number[] = [];
      while (grown.length < ATTEMPTS && !grown.some((bytes) => bytes < NOISE_BYTES)) {
        grown.push(await growth(served));
      }
      assert.ok(Math.min(...grown) < NOISE_BYTES, `the heap grew by ${grown.join(", ")} bytes`);
    } finally {
      await served.close();
    }
    // No new handle stays open: no server, no connection, no timer that keeps the process alive.
    const opened = (): string[] =>
      process.getActiveResourcesInfo().filter((kind) => !openBefore.includes(kind));
    for (let check = 0; check < 100 && opened().some((kind) => kind !== "Timeout"); check++) await sleep(50);
    assert.deepEqual(opened(), []);
  },
);
