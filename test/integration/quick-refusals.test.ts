import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { App, bearerTokens, endpoint, realtime } from "servable";
import { Type, type Static } from "typebox";
import type { ServerOptions } from "../../src/server/definition.ts";
import { serveBuilt, type Served } from "../helpers/built-server.ts";
import { openSocket, statusOf } from "../helpers/sockets.ts";

const Item = Type.Object({ value: Type.Integer() });
type Item = Static<typeof Item>;

/** One call at a time, one in the queue, and a run that ends when the test says so. */
class Narrow extends App {
  #ends: (() => void)[] = [];

  @endpoint("/narrow", { input: Item, maxConcurrency: 1, maxQueue: { count: 1 } })
  async narrow(): Promise<string> {
    await new Promise<void>((resolve) => this.#ends.push(resolve));
    return "done";
  }

  @endpoint("/free", { input: Item })
  async free(input: Item): Promise<number> {
    return input.value;
  }

  @realtime("/live", { input: Item })
  async live(input: Item): Promise<Item> {
    return input;
  }

  get running(): number {
    return this.#ends.length;
  }

  /** Ends all runs until none begins. */
  async end(): Promise<void> {
    while (this.#ends.length > 0) {
      for (const end of this.#ends.splice(0)) end();
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    }
  }
}

/** A server whose only slot and place in the queue are taken. */
class FullServer implements AsyncDisposable {
  readonly served: Served<Narrow>;
  /** The requests that Node has parsed. */
  parsed = 0;
  readonly #calls: Promise<Response>[];

  private constructor(served: Served<Narrow>, calls: Promise<Response>[]) {
    this.served = served;
    this.#calls = calls;
    const { server } = served.built.server;
    const { emit } = server;
    // A listener would show that somebody wants to see every request.
    Reflect.set(server, "emit", (...args: unknown[]): boolean => {
      if (args[0] === "request") this.parsed++;
      return Reflect.apply(emit, server, args);
    });
  }

  static async start(
    app = new Narrow(),
    options: ServerOptions = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<FullServer> {
    const served = await serveBuilt(app, options);
    const call = (): Promise<Response> =>
      fetch(`${served.url}/narrow`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: '{"value":1}',
      });
    const calls = [call()];
    while (app.running < 1) await new Promise(setImmediate);
    calls.push(call());
    while (served.built.metrics.queues[0]?.metrics.depth !== 1) await new Promise(setImmediate);
    return new FullServer(served, calls);
  }

  get port(): number {
    return this.served.port;
  }

  async empty(): Promise<void> {
    await this.served.app.end();
    assert.deepEqual(
      (await Promise.all(this.#calls)).map(({ status }) => status),
      [200, 200],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.empty();
    await this.served[Symbol.asyncDispose]();
  }
}

/** The text of a request for the full queue. */
function post(
  path = "/narrow",
  headers: Readonly<Record<string, string>> = {},
  body = '{"value":1}',
): string {
  const all = { host: "localhost", "content-type": "application/json", ...headers };
  const lines = Object.entries({ ...all, "content-length": String(body.length) });
  return `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
}

/** Sends a text, and returns the answer once it has arrived, or what came before the connection closed. */
async function ask(socket: Socket, ...texts: readonly string[]): Promise<string> {
  let received = "";
  const done = new Promise<string>((resolve) => {
    const end = (): void => {
      socket.off("data", read).off("close", end);
      resolve(received);
    };
    const read = (chunk: Buffer): void => {
      received += chunk.toString("latin1");
      const head = received.indexOf("\r\n\r\n") + 4;
      const length = Number(/content-length: (\d+)/i.exec(received.slice(0, head))?.[1] ?? 0);
      if (head >= 4 && received.length >= head + length) end();
    };
    socket.on("data", read).on("close", end);
  });
  for (const text of texts) {
    if (text !== texts[0]) for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    socket.write(text, "latin1");
  }
  return done;
}

/** A connection on which two requests were refused by way of Node, so that the next ones may be refused before. */
async function followed(full: FullServer, first = post()): Promise<{ socket: Socket; first: string }> {
  const socket = await openSocket(full.port);
  const answer = await ask(socket, first);
  assert.equal(statusOf(answer), 429, answer);
  await new Promise(setImmediate);
  assert.equal(withoutDate(await ask(socket, first)), withoutDate(answer));
  return { socket, first: answer };
}

const withoutDate = (answer: string): string => answer.replace(/^date: .*$/im, "");

test("requests after two refused ones are refused without being parsed, with the same answer byte for byte", async () => {
  await using full = await FullServer.start();
  for (const headers of [{}, { origin: "http://localhost:3000" }, { connection: "keep-alive" }]) {
    const { socket, first } = await followed(full, post("/narrow", headers));
    const before = full.parsed;
    for (let request = 0; request < 5; request++) {
      const answer = await ask(socket, post("/narrow", headers, `{"value":${request}}`));
      assert.equal(withoutDate(answer), withoutDate(first));
      assert.ok(Math.abs(Date.parse(/^date: (.*)$/im.exec(answer)?.[1] ?? "") - Date.now()) < 60_000);
    }
    assert.equal(full.parsed, before);
    socket.destroy();
  }
});

test("requests below the root path of a proxy are refused without being parsed as well", async () => {
  await using full = await FullServer.start(new Narrow(), { rootPath: "/apps/narrow" });
  const request = post("/apps/narrow/narrow");
  const { socket, first } = await followed(full, request);
  const before = full.parsed;
  assert.equal(withoutDate(await ask(socket, request)), withoutDate(first));
  assert.equal(full.parsed, before);
  socket.destroy();
});

test("they count in the metrics of the route and of its queue", async () => {
  await using full = await FullServer.start();
  const { socket } = await followed(full);
  for (let request = 0; request < 9; request++) await ask(socket, post());
  const { metrics } = full.served.built;
  const route = metrics.routes.find(({ path }) => path === "/narrow");
  assert.equal(route?.byStatus.get(429)?.count, 11);
  assert.equal(metrics.queues[0]?.metrics.refusals.get("QUEUE_FULL"), 11);
  socket.destroy();
});

test("the same connection is served once the queue has room", async () => {
  const full = await FullServer.start();
  const { socket } = await followed(full);
  await ask(socket, post());
  await full.empty();
  const answer = ask(socket, post());
  while (full.served.app.running === 0) await new Promise(setImmediate);
  await full.served.app.end();
  assert.equal(statusOf(await answer), 200);
  assert.equal(statusOf(await ask(socket, post("/free"))), 200);
  socket.destroy();
  await full[Symbol.asyncDispose]();
});

/** Requests that are not refused before Node has parsed them; each in pieces that arrive one after the other. */
const FOR_NODE: Readonly<Record<string, readonly string[]>> = {
  "another path": [post("/free")],
  "an unknown path": [post("/nowhere")],
  "a query": [post("/narrow?a=1")],
  "an encoded path": [post("/n%61rrow")],
  "another method": [post().replace("POST", "GET")],
  "HTTP/1.0": [post().replace("HTTP/1.1", "HTTP/1.0")],
  "a closing connection": [post("/narrow", { connection: "close" })],
  "an unknown host": [post("/narrow", { host: "elsewhere.example" })],
  "two hosts": [post("/narrow", { Host: "localhost" })],
  "no host": [post().replace("host: localhost\r\n", "")],
  "a foreign origin": [post("/narrow", { origin: "https://elsewhere.example" })],
  "another site": [post("/narrow", { "sec-fetch-site": "cross-site" })],
  "an invalid upload policy": [post("/narrow", { "x-app-fal-upload-policy": "?" })],
  chunks: [
    'POST /narrow HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{"value":1}\r\n0\r\n\r\n',
  ],
  "two lengths": [post("/narrow", { "Content-Length": "11" })],
  "an invalid length": [post().replace("length: 11", "length: 1x")],
  "an expectation": [post("/narrow", { expect: "100-other" })],
  "a folded line": [post("/narrow", { folded: "a\r\n b" })],
  "a control character": [post("/narrow", { name: "a\u0001b" })],
  "a bare line feed": [post().replace("\r\n", "\n")],
  "a head in two pieces": [post().slice(0, 20), post().slice(20)],
  "a body in two pieces": [post().slice(0, -5), post().slice(-5)],
  "a long head": [post("/narrow", { long: "x".repeat(5000) })],
};

test("all other requests are answered as on a new connection", async () => {
  await using full = await FullServer.start();
  for (const [name, pieces] of Object.entries(FOR_NODE)) {
    const fresh = await openSocket(full.port);
    const expected = await ask(fresh, ...pieces);
    fresh.destroy();
    const { socket } = await followed(full);
    const answer = await ask(socket, ...pieces);
    assert.equal(withoutDate(answer), withoutDate(expected), name);
    socket.destroy();
  }
});

test("two requests in one piece are both answered, in order", async () => {
  await using full = await FullServer.start();
  const { socket } = await followed(full);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.write(post() + post("/free"));
  while (!received.includes("200 OK")) await once(socket, "data");
  assert.ok(received.startsWith("HTTP/1.1 429 "), received);
  socket.destroy();
});

test("a request in one piece that is the end of another's head is not refused as a request of its own", async () => {
  await using full = await FullServer.start();
  const socket = await openSocket(full.port);
  assert.equal(statusOf(await ask(socket, post())), 429);
  // Node parses the pieces as one request, whose head has a header more.
  const answer = await ask(socket, "POST /narrow HTTP/1.1\r\nfirst: ", post());
  assert.equal(statusOf(answer), 429);
  const before = full.parsed;
  assert.equal(statusOf(await ask(socket, post())), 429);
  assert.equal(full.parsed, before + 1, "the connection is not known to be between two requests");
  socket.destroy();
});

test("a request that arrives in a body of another is not answered", async () => {
  await using full = await FullServer.start();
  const { socket } = await followed(full);
  const inner = post();
  const [head = ""] = post("/free", {}, inner).split(inner);
  const answer = await ask(socket, head, inner);
  assert.equal(statusOf(answer), 422, "the inner request is the body of the outer one");
  assert.equal(statusOf(await ask(socket, post("/free"))), 200);
  socket.destroy();
});

test("a connection is upgraded to a websocket after refusals", async () => {
  await using full = await FullServer.start();
  const { socket } = await followed(full);
  await ask(socket, post());
  const offer =
    "GET /live HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
    "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  assert.equal(statusOf(await ask(socket, offer)), 101);
  // A masked ping, with a mask of zeros: the session reads the frames of its connection.
  const pong = once(socket, "data");
  socket.write(Buffer.from([0x89, 0x80, 0, 0, 0, 0]));
  assert.deepEqual([...((await pong) as [Buffer])[0]], [0x8a, 0]);
  socket.destroy();
});

test("an offer of an upgrade that is ignored does not end the refusals on a connection", async () => {
  await using full = await FullServer.start();
  const { socket } = await followed(full);
  for (const headers of [{ upgrade: "h2c", connection: "upgrade" }, {}, { upgrade: "h2c" }, {}]) {
    assert.equal(statusOf(await ask(socket, post("/narrow", headers))), 429);
  }
  assert.equal(statusOf(await ask(socket, post("/free"))), 200);
  socket.destroy();
});

class Hooked extends Narrow {
  override configure(): void {}
}

test("all requests are parsed if somebody must see them", async () => {
  const watched: Readonly<Record<string, () => Promise<FullServer>>> = {
    "configure()": () => FullServer.start(new Hooked()),
    "access log": () => FullServer.start(new Narrow(), { accessLog: true }),
    "a hook that is added later": async () => {
      const app = new Narrow();
      app.lifespan = async function* (server) {
        server.addHook("onRequest", (_request, _reply, done) => done());
        yield;
      };
      return FullServer.start(app);
    },
    "a listener": async () => {
      const full = await FullServer.start();
      full.served.built.server.server.on("request", () => {});
      return full;
    },
  };
  for (const [name, start] of Object.entries(watched)) {
    await using full = await start();
    const { socket } = await followed(full);
    const before = full.parsed;
    for (let request = 0; request < 3; request++) assert.equal(statusOf(await ask(socket, post())), 429);
    assert.equal(full.parsed, before + 3, name);
    socket.destroy();
  }
});

test("callers of a route that needs a key are identified before each refusal", async () => {
  const key = "a-key-that-is-long-enough-0123456789";
  const authorization = `Bearer ${key}`;
  await using full = await FullServer.start(new Narrow(), { auth: bearerTokens([key]) }, { authorization });
  const withKey = post("/narrow", { authorization });
  const { socket } = await followed(full, withKey);
  assert.equal(statusOf(await ask(socket, post())), 401);
  assert.equal(statusOf(await ask(socket, withKey)), 429);
  assert.equal(statusOf(await ask(socket, post())), 401);
  socket.destroy();
});
