import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Type } from "typebox";
import { App, endpoint, realtime, websocket, type RawWebSocket, type RequestContext } from "servable";
import { FakeClock } from "servable/testing";
import { serveApp } from "../helpers/served-app.ts";
import { openSocket } from "../helpers/sockets.ts";

const CHUNK = "x".repeat(100_000);

class Talker extends App {
  static override maxMultiplexing = 1;
  readonly reasons: unknown[] = [];
  over = 0;

  #begin(ctx: RequestContext): void {
    ctx.signal.addEventListener("abort", () => this.reasons.push(ctx.signal.reason));
  }

  @endpoint("/quick")
  quick(): string {
    return "quick";
  }

  @endpoint("/stream", { stream: true })
  async *stream(ctx: RequestContext): AsyncGenerator<string> {
    this.#begin(ctx);
    try {
      for (;;) yield CHUNK;
    } finally {
      this.over++;
    }
  }

  @endpoint("/one-item", { stream: true })
  async *oneItem(ctx: RequestContext): AsyncGenerator<string> {
    this.#begin(ctx);
    try {
      yield "x".repeat(50_000_000);
    } finally {
      this.over++;
    }
  }

  @endpoint("/large")
  large(): string {
    this.over++;
    return "x".repeat(50_000_000);
  }

  @websocket("/raw")
  async raw(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    this.#begin(ctx);
    for (let count = 0; count < 300; count++) socket.send(CHUNK);
    if (!ctx.signal.aborted) await once(ctx.signal, "abort");
    this.over++;
  }

  @realtime("/live", {
    mode: "server_streaming",
    input: Type.Object({}),
    output: Type.Object({ text: Type.String() }),
  })
  async *live(_input: object, ctx: RequestContext): AsyncGenerator<{ text: string }> {
    this.#begin(ctx);
    try {
      for (;;) yield { text: CHUNK };
    } finally {
      this.over++;
    }
  }
}

const post = (path: string, version = "1.1"): string =>
  `POST ${path} HTTP/${version}\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`;
const offer = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
/** A masked binary frame: an empty map. */
const EMPTY_INPUT = Buffer.from([0x82, 0x81, 0, 0, 0, 0, 0x80]);

/** Sends a request, after which the reader stops reading. */
const READERS: Readonly<Record<string, (socket: Socket) => unknown>> = {
  "of a stream": (socket) => socket.write(post("/stream")),
  "of a stream's one large item": (socket) => socket.write(post("/one-item")),
  "of a stream over HTTP/1.0": (socket) => socket.write(post("/stream", "1.0")),
  "of a large answer": (socket) => socket.write(post("/large")),
  "of many answers on one connection": (socket) => socket.write(post("/large").repeat(3)),
  "of a raw websocket": (socket) => socket.write(offer("/raw")),
  "of a session": async (socket) => {
    socket.write(offer("/live"));
    await once(socket, "readable");
    socket.write(EMPTY_INPUT);
  },
};

describe("a reader that receives nothing", { timeout: 60_000 }, () => {
  for (const [name, begin] of Object.entries(READERS)) {
    test(`${name} is disconnected and counted, and its slot is freed`, async () => {
      const clock = new FakeClock();
      const app = new Talker();
      await using served = await serveApp(app, { clock, sendTimeoutMs: 8_000, websocketPingMs: 1e9 });
      const socket = await openSocket(Number(new URL(served.url).port));
      socket.pause();
      const closed = once(socket, "close");
      await begin(socket);
      await passing(clock, socketIsFull(served));
      const stalled = async (): Promise<number> =>
        (await served.metrics()).value("servable_stalled_readers_total");
      clock.advance(5_000);
      assert.equal(await stalled(), 0);
      while ((await stalled()) === 0) clock.advance(2_000);
      assert.equal(await stalled(), 1);
      const answer = await passing(clock, served.post("/quick"));
      assert.equal(await answer.json(), "quick");
      while (app.over === 0) await nextTurn();
      for (const reason of app.reasons) assert.match(String(reason), /RequestCancelledException/);
      socket.resume();
      await closed;
    });
  }

  test("a reader that receives a little now and then is not disconnected", async () => {
    const clock = new FakeClock();
    const app = new Talker();
    await using served = await serveApp(app, { clock, sendTimeoutMs: 8_000 });
    const socket = await openSocket(Number(new URL(served.url).port));
    socket.pause();
    socket.write(post("/one-item"));
    let taken = 0;
    while (taken < 50_000_000) {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) await passing(clock, once(socket, "readable"));
      else taken += chunk.length;
      clock.advance(50);
    }
    assert.equal((await served.metrics()).value("servable_stalled_readers_total"), 0);
    assert.ok(clock.now() > 16_000, `${clock.now()} ms`);
    socket.destroy();
  });
});

/** Waits while a little time passes: queued calls are started by the clock. */
async function passing<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => void (isDone = true);
  work.then(done, done);
  while (!isDone) {
    await nextTurn();
    clock.advance(0.01);
  }
  return work;
}

/** Waits until nothing more is sent: the buffers of the reader's machine are full. */
async function socketIsFull(served: { metrics(): Promise<unknown> }): Promise<void> {
  for (let check = 0; check < 20; check++) await served.metrics();
}
