import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { createServer as createSocketServer, type AddressInfo, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { Connection, type ConnectionOptions } from "../../src/platform/transport/connection.ts";
import { resolveCredentials } from "../../src/platform/target/credentials.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";

const { listAliases, buildEnvironment } = IsolateController.method;

/** An HTTP/2 server behind a relay that can break and freeze its connections. */
class RawServer implements AsyncDisposable {
  /** The clients' ends, in order. */
  readonly sockets: Socket[] = [];
  readonly sessions: ServerHttp2Session[] = [];
  readonly #http2 = createServer();
  readonly #server = createSocketServer((socket) => {
    const [near, far] = duplexPair();
    this.sockets.push(socket.on("error", () => {}).once("close", () => near.destroy()));
    near.on("error", () => {});
    socket.pipe(near).pipe(socket);
    this.#http2.emit(
      "connection",
      far.on("error", () => {}),
    );
  });

  constructor(answer: (stream: ServerHttp2Stream) => void) {
    this.#http2.on("session", (session) => void this.sessions.push(session.on("error", () => {})));
    this.#http2.on("stream", (stream) => {
      stream.on("error", () => {});
      answer(stream);
    });
  }

  async connect(options: Partial<ConnectionOptions> = {}): Promise<Connection> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    const { port } = this.#server.address() as AddressInfo;
    const environment = { FAL_HOST: `http://127.0.0.1:${port}`, FAL_KEY: "id:secret" };
    return new Connection({
      endpoint: resolveEndpoints({ environment }).grpc,
      credentials: resolveCredentials({ environment }),
      ...options,
    });
  }

  /** Simulates a machine that loses power: the connections stay open without a response. */
  freeze(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await once(this.#server.close(), "close");
  }
}

/** Two streams, each of which reads what is written to the other. */
function duplexPair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _, done) {
        other().push(chunk);
        done();
      },
      final(done) {
        other().push(null);
        done();
      },
    });
  const near: Duplex = make(() => far);
  const far: Duplex = make(() => near);
  return [near, far];
}

const HEAD = { ":status": 200, "content-type": "application/grpc+proto" };
const EMPTY = Buffer.alloc(5);

/** Responds with one empty message. */
function answerEmpty(stream: ServerHttp2Stream): void {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(EMPTY);
}

test("a stream whose server stops responding fails", async () => {
  await using server = new RawServer((stream) => {
    stream.respond(HEAD);
    stream.write(EMPTY);
  });
  using connection = await server.connect({ pingIntervalMs: 20, pingTimeoutMs: 1_000 });
  const results = connection.stream(buildEnvironment, {});
  assert.equal((await results.next()).done, false);
  server.freeze();
  await assert.rejects(results.next(), { code: "PLATFORM_UNREACHABLE", message: /it does not answer/ });
});

test("a stream whose server is alive survives many pings", async () => {
  await using server = new RawServer((stream) => {
    stream.respond(HEAD, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    let pings = 0;
    stream.session?.on("ping", () => ++pings === 10 && stream.end(EMPTY));
  });
  using connection = await server.connect({ pingIntervalMs: 5, pingTimeoutMs: 60_000 });
  const results = connection.stream(buildEnvironment, {});
  assert.equal((await results.next()).done, false);
  assert.equal((await results.next()).done, true);
});

test("after GOAWAY running calls complete, and new ones use a new connection", async () => {
  const streams: ServerHttp2Stream[] = [];
  await using server = new RawServer((stream) => {
    streams.push(stream);
    if (streams.length > 1) return answerEmpty(stream);
    stream.respond(HEAD, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.write(EMPTY);
  });
  using connection = await server.connect();
  const results = connection.stream(buildEnvironment, {});
  await results.next();
  server.sessions[0]?.goaway(0, streams[0]?.id);
  for (let calls = 0; server.sessions.length < 2; calls += 1) {
    assert.ok(calls < 100, "the connection that is going away is still used");
    await connection.unary(listAliases, {});
  }
  streams[0]?.end();
  assert.equal((await results.next()).done, true);
});

test("a connection that broke between calls is reopened", async () => {
  await using server = new RawServer(answerEmpty);
  using connection = await server.connect({ retryDelayMs: 1 });
  await connection.unary(listAliases, {});
  server.sockets[0]?.destroy();
  await connection.unary(listAliases, {});
  assert.equal(server.sockets.length, 2);
});

test("calls that start together share one connection", async () => {
  await using server = new RawServer(answerEmpty);
  using connection = await server.connect();
  await Promise.all(Array.from({ length: 20 }, () => connection.unary(listAliases, {})));
  assert.equal(server.sockets.length, 1);
});
