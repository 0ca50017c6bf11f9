import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Type } from "typebox";
import { App, realtime } from "servable";
import type { FastifyInstance } from "fastify";
import { encode } from "@msgpack/msgpack";
import { connectTestSocket, startTestServer } from "servable/testing";
import { upgrade } from "../helpers/sockets.ts";

const Item = Type.Object({ n: Type.Integer() }, { $id: "Item" });
type Item = { n: number };

/** Counts the writes of the connections to its server. */
class Counted extends App {
  readonly writes: number[] = [];

  override configure(server: FastifyInstance): void {
    server.server.on("connection", (socket: Socket) => {
      const { _write: write, _writev: writev } = socket;
      socket._write = (...given) => {
        this.writes.push(1);
        write.apply(socket, given);
      };
      socket._writev = (chunks, done) => {
        this.writes.push(chunks.length);
        writev?.call(socket, chunks, done);
      };
    });
  }

  @realtime("/later", { input: Item, output: Item })
  async later({ n }: Item): Promise<Item> {
    return { n };
  }

  @realtime("/now", { input: Item, output: Item })
  now({ n }: Item): Item {
    return { n };
  }

  @realtime("/timed", { input: Item, output: Item, emitTimings: true })
  async timed({ n }: Item): Promise<Item> {
    return { n };
  }
}

/** Masked frames of several messages, as one packet. */
function packet(count: number): Buffer {
  const frames = Array.from({ length: count }, (_, n) => {
    const payload = encode({ n });
    return Buffer.concat([Buffer.from([0x82, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
  });
  return Buffer.concat(frames);
}

test("an answer is one write, and the answers to the messages of one packet are one write together", async () => {
  const app = new Counted();
  await using served = await startTestServer(app);
  for (const [path, count, frames, expected] of [
    ["/later", 1, 1, [1]],
    ["/now", 1, 1, [1]],
    ["/later", 6, 6, [6]],
    ["/now", 6, 6, [6]],
    ["/timed", 1, 2, [2]],
  ] as const) {
    const socket = await upgrade(served.port, path);
    app.writes.length = 0;
    socket.write(packet(count));
    let received = Buffer.alloc(0);
    while (framesIn(received) < frames) {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      received = Buffer.concat([received, chunk]);
    }
    assert.deepEqual(app.writes, expected, `${count} to ${path}`);
    socket.destroy();
  }
});

/** The number of complete short frames. */
function framesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at + 1 < bytes.length; count++) {
    at += 2 + (bytes[at + 1] as number);
    if (at > bytes.length) break;
  }
  return count;
}

test("a handler runs in the asynchronous context of its upgrade, whenever its input arrives", async () => {
  const storage = new AsyncLocalStorage<unknown>();
  const seen: unknown[] = [];
  class Scoped extends App {
    override configure(server: FastifyInstance): void {
      server.addHook("onRequest", (request, _reply, done) => storage.run(request.headers["x-tenant"], done));
    }

    @realtime("/", { input: Item, output: Item })
    async scoped(input: Item): Promise<Item> {
      seen.push(storage.getStore());
      await turn();
      seen.push(storage.getStore());
      return input;
    }

    @realtime("/now", { input: Item, output: Item })
    now(input: Item): Item {
      seen.push(storage.getStore());
      return input;
    }
  }
  await using served = await startTestServer(new Scoped());
  for (const path of ["/", "/now"]) {
    seen.length = 0;
    const clients = await Promise.all(
      ["a", "b"].map((tenant) =>
        connectTestSocket(
          served.url + path,
          { input: Item, output: Item },
          { headers: { "x-tenant": tenant } },
        ),
      ),
    );
    for (const n of [1, 2]) {
      for (const client of clients) {
        client.send({ n });
        assert.deepEqual(await client.next(), { n });
      }
    }
    const each = path === "/" ? ["a", "a", "b", "b"] : ["a", "b"];
    assert.deepEqual(seen, [...each, ...each], path);
    for (const client of clients) await client.close();
  }
});
