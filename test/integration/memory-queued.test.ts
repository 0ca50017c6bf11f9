import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { App, endpoint } from "servable";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";

const Numbers = Type.Object({ list: Type.Array(Type.Number()) });
type Numbers = Static<typeof Numbers>;

class Counting extends App {
  @endpoint("/queued", { input: Numbers, maxConcurrency: 2 })
  async queued(input: Numbers): Promise<{ count: number }> {
    return this.direct(input);
  }

  @endpoint("/direct", { input: Numbers })
  async direct({ list }: Numbers): Promise<{ count: number }> {
    await new Promise((resolve) => void setImmediate(resolve));
    return { count: list.length };
  }
}

const TURNS = 500;
const AT_ONCE = 8;
const BODY = JSON.stringify({ list: Array.from({ length: 200 }, (_, index) => index + 0.5) });

/** Sends a request and waits for its answer. A client of HTTP would leave objects of its own. */
async function send(socket: Socket, path: string): Promise<void> {
  const lines = [
    `POST ${path} HTTP/1.1`,
    "host: localhost",
    "content-type: application/json",
    `content-length: ${BODY.length}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n${BODY}`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1.1 200 OK\r\n[^]*\{"count":200\}$/);
}

/** The bytes on the heap after collections of young objects. What survives two of them waits for a full one. */
function heapAfterMinor(): number {
  for (let count = 0; count < 3; count++) void globalThis.gc?.({ type: "minor", execution: "sync" });
  return process.memoryUsage().heapUsed;
}

test(
  "a queue leaves nothing of its calls until the next full garbage collection",
  { timeout: 120_000 },
  async () => {
    assert.ok(globalThis.gc !== undefined, "run with --expose-gc");
    const served = await startTestServer(new Counting());
    const port = Number(new URL(served.url).port);
    const sockets = Array.from({ length: AT_ONCE }, () => connect(port, "127.0.0.1"));
    try {
      const call = async (path: string, turns: number): Promise<void> => {
        for (let turn = 0; turn < turns; turn++) {
          await Promise.all(sockets.map((socket) => send(socket, path)));
          if (turn % 10 === 0) heapAfterMinor();
        }
      };
      /** The bytes that a call leaves. */
      const left = async (path: string): Promise<number> => {
        await call(path, 100); // caches, connections, compiled code
        void globalThis.gc?.();
        const before = heapAfterMinor();
        await call(path, TURNS);
        return (heapAfterMinor() - before) / (TURNS * AT_ONCE);
      };
      const direct = await left("/direct");
      const queued = await left("/queued");
      // The server's own objects and the test's take about 2,000 bytes.
      assert.ok(queued - direct < 300, `a queued call left ${queued} bytes, another one ${direct}`);
    } finally {
      for (const socket of sockets) socket.destroy();
      await served.close();
    }
  },
);
