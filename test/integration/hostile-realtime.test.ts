import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { WebSocket } from "ws";
import { encode } from "@msgpack/msgpack";
import { connectTestSocket, startTestServer, type TestServer } from "servable/testing";
import { RealtimeApp } from "../helpers/realtime-app.ts";
import { upgrade } from "../helpers/sockets.ts";

const MODES = ["/double", "/batch", "/count", "/sum", "/echo", "/json"];
/** Close codes that a session may end with: done, protocol error, invalid data, invalid UTF-8, too large. */
const DOCUMENTED = new Set([1000, 1002, 1003, 1007, 1009]);

/** A frame as bytes: RFC 6455, section 5.2, masked with zeros. */
function rawFrame(
  opcode: number,
  payload: Uint8Array,
  { fin = true, declared = payload.length } = {},
): Buffer {
  const head = [(fin ? 0x80 : 0) | opcode];
  if (declared < 126) head.push(0x80 | declared);
  else head.push(0x80 | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (declared >>> shift) & 0xff));
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

describe("hostile frames", { timeout: 180_000 }, () => {
  let served: TestServer<RealtimeApp>;
  before(async () => {
    served = await startTestServer(new RealtimeApp(), { maxFrameBytes: 100_000 });
  });
  after(() => served.close());

  const alive = async (): Promise<void> => {
    const client = await connectTestSocket(`${served.url}/double`);
    client.send({ n: 2 });
    assert.deepEqual(await client.next(), { n: 4 });
    await client.close();
  };

  async function endOf(
    path: string,
    frames: readonly (string | Uint8Array)[],
  ): Promise<{ code: number; text: string }> {
    const socket = new WebSocket(served.url.replace("http", "ws") + path);
    let text = "";
    socket.on("error", () => {});
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) text += data.toString();
    });
    await once(socket, "open");
    for (const frame of frames) socket.send(frame);
    socket.close();
    const [code] = (await once(socket, "close")) as [number];
    return { code, text };
  }

  const valid = encode({ n: 1, wait: 0, note: "text", list: [1, [2, { a: null }]] });

  test("1,500 random and mutated messages, in every mode, end with a documented close code and reveal no internals", async () => {
    const mutated = fc
      .array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("replace", "insert", "delete", "truncate")), {
        minLength: 1,
        maxLength: 6,
      })
      .map((steps) => {
        let bytes = [...valid];
        for (const [at, byte, how] of steps) {
          const offset = at % (bytes.length + 1);
          if (how === "replace") bytes[offset] = byte;
          else if (how === "insert") bytes.splice(offset, 0, byte);
          else if (how === "delete") bytes.splice(offset, 1);
          else bytes = bytes.slice(0, offset);
        }
        return new Uint8Array(bytes);
      });
    const frame = fc.oneof(mutated, fc.uint8Array({ maxLength: 60 }), fc.string({ maxLength: 40 }));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...MODES),
        fc.array(frame, { minLength: 1, maxLength: 4 }),
        async (path, frames) => {
          const { code, text } = await endOf(path, frames);
          assert.ok(DOCUMENTED.has(code), `${path} ended with ${code}`);
          assert.doesNotMatch(text, /node:internal|\.ts:\d|    at /);
        },
      ),
      { numRuns: 1500 },
    );
    await alive();
  });

  test("bytes behind a close frame are discarded: the output of the inputs before it is still sent", async () => {
    const socket = await upgrade(served.port, "/sum");
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
    socket.write(
      Buffer.concat([rawFrame(2, encode({ n: 3, wait: 100 })), rawFrame(8, Buffer.from([0x03, 0xe8]))]),
    );
    const more = setInterval(() => socket.write(Buffer.from("not a frame")), 5);
    await once(socket, "close");
    clearInterval(more);
    const answer = encode({ n: 3 });
    const expected = [Buffer.from([0x82, answer.length]), answer];
    assert.deepEqual(received.subarray(0, answer.length + 2), Buffer.concat(expected));
    assert.match(received.toString("latin1"), /"action":"end"/);
    assert.deepEqual(received.subarray(-4), Buffer.from([0x88, 2, 0x03, 0xe8]));
    await alive();
  });

  const crafted: readonly [name: string, frame: Uint8Array | string][] = [
    ["an array that claims four billion items", new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ["a map that claims four billion fields", new Uint8Array([0xdf, 0xff, 0xff, 0xff, 0xff])],
    ["a text that claims four gigabytes", new Uint8Array([0xdb, 0xff, 0xff, 0xff, 0xff, 0x61])],
    ["bytes that claim four gigabytes", new Uint8Array([0xc6, 0xff, 0xff, 0xff, 0xff, 0x61])],
    ["arrays in arrays, each claiming all that is left", new Uint8Array(90_000).fill(0xdd)],
    ["nesting of 90,000", new Uint8Array(90_000).fill(0x91)],
    ["integer keys", encode(new Map([[1, 2]]) as never)],
    ["an integer key, really", new Uint8Array([0x81, 0x01, 0x02])],
    ["an extension type", new Uint8Array([0xd4, 0x05, 0x00])],
    ["the byte that is never used", new Uint8Array([0xc1])],
    ["a message cut short", valid.slice(0, -1)],
    ["bytes after the message", new Uint8Array([...valid, 0])],
    ["text where bytes are due", '{"n":1}'],
    ["nothing", new Uint8Array(0)],
    ["a value that is no map", encode([1, 2, 3])],
  ];
  for (const [name, frame] of crafted) {
    test(`${name}: INTERNAL_ERROR with a readable reason, then 1000`, async () => {
      const before = process.memoryUsage().rss;
      const client = await connectTestSocket(`${served.url}/double`);
      client.socket.send(frame);
      assert.equal((await client.closed).code, 1000);
      assert.equal(client.control.length, 1);
      assert.equal(client.control[0]?.error, "INTERNAL_ERROR");
      const reason = client.control[0]?.reason ?? "";
      assert.ok(reason.length > 5 && reason.length < 200, reason);
      assert.ok(process.memoryUsage().rss - before < 50_000_000);
    });
  }

  test("broken websocket frames close the connection, 300 times", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 2, maxLength: 50 }), async (bytes) => {
        const socket = await upgrade(served.port, "/double");
        socket.write(Buffer.concat([bytes, rawFrame(8, new Uint8Array([0x03, 0xe8]))]));
        socket.end();
        socket.resume();
        await once(socket, "close");
      }),
      { numRuns: 300 },
    );
    await alive();
  });

  test("a fragmented message is received as one message", async () => {
    const socket = await upgrade(served.port, "/double");
    const bytes = encode({ n: 21 });
    socket.write(rawFrame(2, bytes.slice(0, 2), { fin: false }));
    socket.write(rawFrame(0, bytes.slice(2, 3), { fin: false }));
    socket.write(rawFrame(0, bytes.slice(3)));
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.ok(answer.includes(Buffer.from([0x2a])), "it doubled 21");
    socket.destroy();
  });

  test("endless fragments are limited by the frame limit", async () => {
    const socket = await upgrade(served.port, "/double");
    socket.resume();
    const chunk = new Uint8Array(20_000);
    socket.write(rawFrame(2, chunk, { fin: false }));
    for (let count = 0; count < 10; count++) socket.write(rawFrame(0, chunk, { fin: false }));
    await once(socket, "close");
    await alive();
  });

  test("a frame that declares more than the limit is refused before its payload arrives", async () => {
    const socket = await upgrade(served.port, "/double");
    let received = Buffer.alloc(0);
    socket.on("data", (data: Buffer) => (received = Buffer.concat([received, data])));
    socket.write(rawFrame(2, new Uint8Array(10), { declared: 500_000_000 }));
    await once(socket, "close");
    assert.equal(received.readUInt16BE(received.indexOf(0x88) + 2), 1009);
  });

  test("invalid UTF-8 in a text message ends the session with 1007", async () => {
    const socket = await upgrade(served.port, "/json");
    let received = Buffer.alloc(0);
    socket.on("data", (data: Buffer) => (received = Buffer.concat([received, data])));
    socket.write(rawFrame(1, new Uint8Array([0xff, 0xfe])));
    await once(socket, "close");
    assert.equal(received.readUInt16BE(received.indexOf(0x88) + 2), 1007);
  });
});
