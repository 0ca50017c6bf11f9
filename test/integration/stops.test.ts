import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Type } from "typebox";
import { App, endpoint, realtime, websocket, type RawWebSocket, type RequestContext } from "servable";
import { FakeClock, startTestServer, type TestServer } from "servable/testing";
import { openSocket, rawRequest, statusOf } from "../helpers/sockets.ts";

const Text = Type.Object({ text: Type.String() });

class Stops extends App {
  release!: () => void;
  readonly held: Promise<void> = new Promise((resolve) => (this.release = resolve));
  begun = 0;

  @endpoint("/echo", { input: Text })
  echo({ text }: { text: string }): string {
    return text;
  }

  @endpoint("/held")
  async hold(): Promise<string> {
    this.begun++;
    await this.held;
    return "done";
  }

  @endpoint("/large")
  large(): string {
    return "x".repeat(50_000_000);
  }

  @websocket("/raw")
  async raw(_socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    if (!ctx.signal.aborted) await once(ctx.signal, "abort");
  }

  @realtime("/live", { input: Text, output: Text })
  live(input: { text: string }): { text: string } {
    return input;
  }
}

const POST = "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
const BODY = '{"text":"hello"}';
const offer = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";

/** Sends bytes, and waits until the response matches. */
async function send(socket: Socket, bytes: string, isEnough: RegExp): Promise<void> {
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.write(bytes);
  while (!isEnough.test(received)) await once(socket, "data");
}

/** Connections that must not delay a stop, by what has happened on them. */
const IDLE: Readonly<Record<string, (socket: Socket) => unknown>> = {
  "never used": () => {},
  "half a request line": (socket) => socket.write("POST /ec"),
  "half a head": (socket) => socket.write(POST),
  "half a head behind an answer": (socket) =>
    send(socket, `${POST}content-length: 16\r\n\r\n${BODY}${POST}`, /hello/),
  "kept alive": (socket) => send(socket, `${POST}content-length: 16\r\n\r\n${BODY}`, /hello/),
  "no byte of a body": (socket) => socket.write(`${POST}content-length: 16\r\n\r\n`),
  "half a body": (socket) => socket.write(`${POST}content-length: 16\r\n\r\n${BODY.slice(0, 8)}`),
  "half a body in chunks": (socket) => socket.write(`${POST}transfer-encoding: chunked\r\n\r\n5\r\n{"tex`),
  "half a body, with an offer of h2c": (socket) =>
    socket.write(
      `${POST}connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 16\r\n\r\n${BODY.slice(0, 8)}`,
    ),
  "an answer that nobody takes": async (socket) => {
    socket.pause();
    socket.write("POST /large HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    await once(socket, "readable"); // it has begun to arrive
  },
  "a raw websocket whose client ignores close frames": (socket) => send(socket, offer("/raw"), /101/),
  "a session whose client ignores close frames": (socket) => send(socket, offer("/live"), /101/),
};

/** Closes the server while time passes, and returns how long it took on that clock. */
async function close(server: FastifyInstance, clock: FakeClock, each = (): void => {}): Promise<number> {
  const began = clock.now();
  let isClosed = false;
  const closed = server.close().then(() => (isClosed = true));
  while (!isClosed) {
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    each();
    if (!isClosed) clock.advance(50);
  }
  await closed;
  return clock.now() - began;
}

async function serve(): Promise<[served: TestServer<Stops>, clock: FakeClock]> {
  const clock = new FakeClock();
  return [await startTestServer(new Stops(), { clock }), clock];
}

describe("a stop", { timeout: 60_000 }, () => {
  for (const [name, prepare] of Object.entries(IDLE)) {
    test(`is not delayed by a connection with ${name}`, async () => {
      const [served, clock] = await serve();
      const arrived = once(served.server.server, "connection");
      const socket = await openSocket(served.port);
      await arrived;
      await prepare(socket);
      for (let turn = 0; turn < 20; turn++) await nextTurn();
      clock.advance(600); // it is no longer a new connection
      const ms = await close(served.server, clock);
      // At most two seconds of silence; delays of the machine pass on this clock too.
      assert.ok(ms < 10_000, `it took ${ms} ms`);
      if (!socket.destroyed) {
        socket.resume();
        await once(socket, "close");
      }
    });
  }

  test("is not delayed by all of them together, but by a call that has begun, which completes", async () => {
    const [served, clock] = await serve();
    const sockets = await Promise.all(
      Object.values(IDLE).map(async (prepare) => {
        const socket = await openSocket(served.port);
        await prepare(socket);
        return socket;
      }),
    );
    const answer = served.post("/held");
    while (served.app.begun === 0) await nextTurn();
    let checks = 0;
    await close(served.server, clock, () => {
      if (++checks === 200) served.app.release(); // ten seconds later
    });
    assert.ok(checks >= 200);
    const { status, headers } = await answer;
    assert.deepEqual([status, headers.get("connection")], [200, "close"]);
    for (const socket of sockets) socket.destroy();
  });

  test("waits for a body that still arrives, however slowly, and responds", async () => {
    const [served, clock] = await serve();
    const socket = await openSocket(served.port);
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    socket.write(`${POST}content-length: 216\r\n\r\n`);
    const bytes = [...BODY.padEnd(216)];
    await close(served.server, clock, () => void socket.write(bytes.shift() ?? ""));
    assert.equal(statusOf(received), 200);
    assert.match(received, /connection: close\r\n[^]*"hello"$/);
  });

  test("returns 503 for a body that has stalled, and closes the connection", async () => {
    const [served, clock] = await serve();
    const socket = await openSocket(served.port);
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    socket.write(`${POST}content-length: 16\r\n\r\n{`);
    while ((await connections(served.server)) === 0) await nextTurn();
    const [ms] = await Promise.all([close(served.server, clock), once(socket, "close")]);
    assert.equal(statusOf(received), 503);
    assert.ok(ms >= 2_000, `${ms} ms`);
  });

  test("serves a request on a connection that was opened just before", async () => {
    const [served, clock] = await serve();
    const socket = await openSocket(served.port);
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    while ((await connections(served.server)) === 0) await nextTurn();
    clock.advance(100);
    let checks = 0;
    await close(served.server, clock, () => {
      if (++checks === 3) socket.write(rawRequest("GET", "/readyz"));
    });
    assert.equal(statusOf(received), 503); // the response to a probe during the stop
    assert.match(received, /stopping/);
  });
});

function connections(server: FastifyInstance): Promise<number> {
  return new Promise((resolve) => server.server.getConnections((_error, count) => resolve(count)));
}
