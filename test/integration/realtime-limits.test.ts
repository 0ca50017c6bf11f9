import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { encode } from "@msgpack/msgpack";
import { WebSocket } from "ws";
import { App, realtime, websocket, type RawWebSocket, type RequestContext } from "servable";
import { serveBuilt } from "../helpers/built-server.ts";
import { upgrade } from "../helpers/sockets.ts";

const MB = 1_000_000;

class Sessions extends App {
  readonly received: number[] = [];
  go: (() => void)[] = [];

  @realtime("/json", { contentType: "application/json" })
  json(input: unknown): object {
    return { size: JSON.stringify(input).length };
  }

  @realtime("/msgpack")
  msgpack(): object {
    return { done: true };
  }

  @realtime("/bidi", { contentType: "application/json", mode: "bidi" })
  async *bidi(inputs: AsyncIterable<unknown>): AsyncGenerator<object> {
    for await (const input of inputs) yield { input: typeof input };
  }

  @realtime("/batch", { contentType: "application/json", maxBatchSize: 4 })
  batch(inputs: unknown[]): object[] {
    return inputs.map(() => ({ ok: true }));
  }

  @realtime("/tight", { contentType: "application/json", maxDepth: 3, maxValues: 10, maxFrameBytes: 1_000 })
  tight(): object {
    return { ok: true };
  }

  @realtime("/loose", { maxDepth: 400, maxValues: 100_000, maxFrameBytes: 3 * MB })
  loose(): object {
    return { ok: true };
  }

  @realtime("/own", { encodeMessage: JSON.stringify, decodeMessage: (frame) => ({ length: frame.length }) })
  own(input: unknown): object {
    return input as object;
  }

  @realtime("/held")
  async held(): Promise<object> {
    await new Promise<void>((resolve) => this.go.push(resolve));
    return { ok: true };
  }

  @websocket("/raw", { maxFrameBytes: 1_000 })
  async raw(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    socket.on("message", (data) => void this.received.push(data.length));
    await once(ctx.signal, "abort");
  }
}

const LIMITS = { maxFrameBytes: 100_000, maxDepth: 20, maxValues: 1_000 };
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
const wide = (values: number): string => `{"a":[${"1,".repeat(values - 4)}1]}`;

/** Sends one frame, and returns the text received before the end, and the close code. */
async function outcome(url: string, frame: string | Uint8Array): Promise<{ text: string; code: number }> {
  const socket = new WebSocket(url);
  socket.on("error", () => {});
  await once(socket, "open");
  socket.send(frame);
  let text = "";
  socket.on("message", (data: Buffer, isBinary) => {
    text += isBinary ? "binary" : data.toString();
    if (!data.toString().includes("x-fal-error")) socket.close(1000);
  });
  const [code] = (await once(socket, "close")) as [number];
  return { text, code };
}

test("a message with too many values or too deep nesting is refused before it is decoded, in every codec and mode", async () => {
  await using served = await serveBuilt(new Sessions(), LIMITS);
  const url = served.url.replace("http", "ws");
  const msgpack = (json: string): Uint8Array => encode(JSON.parse(json), { maxDepth: 1_000 });
  const refusals: readonly [path: string, frame: string | Uint8Array, reason: RegExp][] = [
    ["/json", deep(21), /nested too deeply/],
    ["/json", Buffer.from(deep(21)), /nested too deeply/],
    ["/json", `[${"[".repeat(5_000)}`, /nested too deeply/],
    ["/json", wide(1_001), /too many values/],
    ["/json", Buffer.from(wide(1_001)), /too many values/],
    ["/bidi", deep(50), /nested too deeply/],
    ["/batch", wide(2_000), /too many values/],
    ["/msgpack", msgpack(deep(21)), /nested too deeply/],
    ["/msgpack", msgpack(wide(1_001)), /too many values/],
    [
      "/msgpack",
      Buffer.concat([Buffer.from([0xdc, 0xff, 0xff]), Buffer.alloc(65_535, 0x90)]),
      /too many values/,
    ],
    ["/tight", deep(4), /nested too deeply/],
    ["/tight", wide(11), /too many values/],
  ];
  for (const [path, frame, reason] of refusals) {
    const { text, code } = await outcome(url + path, frame);
    assert.match(text, reason, path);
    assert.match(text, /"error":"INTERNAL_ERROR"/, path);
    assert.equal(code, 1000);
  }
  const taken: readonly [path: string, frame: string | Uint8Array][] = [
    ["/json", deep(20)],
    ["/json", wide(1_000)],
    ["/json", JSON.stringify({ text: "[".repeat(5_000) })],
    ["/msgpack", msgpack(deep(20))],
    ["/msgpack", msgpack(wide(1_000))],
    ["/tight", deep(3)],
    ["/loose", msgpack(deep(300))],
    ["/loose", msgpack(wide(50_000))],
    ["/loose", encode({ bytes: new Uint8Array(2 * MB) })],
    ["/own", deep(5_000)],
  ];
  for (const [path, frame] of taken) {
    const { text, code } = await outcome(url + path, frame);
    assert.doesNotMatch(text, /x-fal-error/, path);
    assert.ok(text.length > 0 && code === 1000, path);
  }
  assert.equal(served.built.state.budget.held, 0);
});

test("a message larger than its route allows closes with 1009, whatever the server allows", async () => {
  await using served = await serveBuilt(new Sessions(), LIMITS);
  const url = served.url.replace("http", "ws");
  for (const [path, bytes] of [
    ["/tight", 1_001],
    ["/raw", 1_001],
    ["/json", 100_001],
    ["/loose", 3 * MB + 1],
  ] as const) {
    assert.equal((await outcome(url + path, "x".repeat(bytes))).code, 1009, path);
  }
  assert.deepEqual(served.app.received, []);
});

/** A fragment of a message: RFC 6455, section 5.2, masked with zeros. */
function piece(opcode: number, payload: Uint8Array, isLast = false): Buffer {
  const first = (isLast ? 0x80 : 0) | opcode;
  if (payload.length < 126) {
    return Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
  }
  const head = Buffer.alloc(14);
  head[0] = first;
  head[1] = 0xff;
  head.writeUInt32BE(payload.length, 6);
  return Buffer.concat([head, payload]);
}

/** Returns the code and the reason of the next close frame. */
async function closeOf(socket: Socket): Promise<[code: number, reason: string]> {
  const [data] = (await once(socket, "data")) as [Buffer];
  assert.equal(data[0], 0x88);
  return [data.readUInt16BE(2), data.subarray(4).toString()];
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

test("incomplete messages use the budget, and are closed with 1013 when it is exhausted", async () => {
  await using served = await serveBuilt(new Sessions(), { maxBytesInFlight: 2 * MB, maxFrameBytes: 16 * MB });
  const { budget } = served.built.state;
  const sockets: Socket[] = [];
  for (const path of ["/json", "/msgpack", "/raw"]) {
    const first = await upgrade(served.port, path);
    const bytes = path === "/raw" ? 900 : 1_500_000;
    for (let sent = 0; sent < bytes; sent += 100_000) {
      first.write(piece(sent === 0 ? 2 : 0, Buffer.alloc(Math.min(bytes, 100_000), "x")));
    }
    if (path !== "/raw") await until(() => budget.held >= 1_500_000);
    const second = await upgrade(served.port, "/msgpack");
    second.on("error", () => {});
    sockets.push(first, second);
    if (path === "/raw") continue;
    const closed = closeOf(second);
    for (let sent = 0; sent < 8; sent++) second.write(piece(sent === 0 ? 2 : 0, Buffer.alloc(100_000, "x")));
    assert.deepEqual(await closed, [1013, "Too much is being sent at a time"]);
    assert.ok(budget.held <= 2 * MB);
    first.destroy();
    await until(() => budget.held === 0);
  }
  for (const socket of sockets) socket.destroy();
  await until(() => budget.held === 0 && served.built.state.sessions.count === 0);
});

test("a session's running and waiting inputs use the budget; its sender is slowed down instead of refused", async () => {
  await using served = await serveBuilt(new Sessions(), { maxBytesInFlight: MB, maxFrameBytes: MB });
  const { budget } = served.built.state;
  const socket = new WebSocket(`${served.url.replace("http", "ws")}/held`);
  await once(socket, "open");
  let results = 0;
  socket.on("message", () => results++);
  for (let count = 0; count < 20; count++) socket.send(encode({ bytes: new Uint8Array(200_000) }));
  await until(() => served.app.go.length === 1 && !budget.hasRoom(200_000));
  assert.ok(budget.held < 3 * MB, String(budget.held));
  while (results < 20) {
    for (const go of served.app.go.splice(0)) go();
    await turn();
  }
  socket.close();
  await once(socket, "close");
  await until(() => budget.held === 0);
});

test("pings and pongs, alone or between fragments, do not accumulate, nor do small messages", async () => {
  await using served = await serveBuilt(new Sessions(), { maxBytesInFlight: 300_000 });
  const { budget } = served.built.state;
  const socket = await upgrade(served.port, "/json");
  let received = 0;
  socket.on("data", (data: Buffer) => (received += data.length));
  for (let count = 0; count < 3_000; count++) {
    const before = received;
    socket.write(piece(9, Buffer.from("ping"), true));
    await until(() => received > before);
  }
  assert.equal(budget.held, 0);
  socket.write(piece(1, Buffer.alloc(50_000, " ")));
  await until(() => budget.held >= 50_000);
  for (let count = 0; count < 500; count++) {
    const before = received;
    socket.write(piece(9, Buffer.from("ping"), true));
    await until(() => received > before);
  }
  assert.ok(budget.held < 70_000, String(budget.held));
  const before = received;
  socket.write(piece(0, Buffer.from('{"a":1}'), true));
  await until(() => received > before);
  await until(() => budget.held === 0);
  for (let count = 0; count < 2_000; count++) socket.write(piece(1, Buffer.from('{"a":1}'), true));
  socket.destroy();
  await until(() => served.built.state.sessions.count === 0);
  assert.equal(budget.held, 0);
});
