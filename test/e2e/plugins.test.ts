import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { describe, test } from "node:test";
import { constants, gunzipSync } from "node:zlib";
import { WebSocket } from "ws";
import { ANY_PORT, startCli, type RunningCli } from "../helpers/cli.ts";
import { connectTestSocket } from "servable/testing";
import { exchange } from "../helpers/sockets.ts";
import { readStreamed, type StreamedText } from "../helpers/streamed-text.ts";
import { createToolProject } from "../helpers/tool-packages.ts";

/** Registers the plugins that `PLUGINS` lists, with the fewest options that show an effect. */
const APP = `import { constants } from "node:zlib";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { Readable } from "node:stream";
import {
  App, AppException, bearerTokens, endpoint, realtime, websocket as rawWebsocket, type RawWebSocket, type RequestContext,
} from "servable";
import bearerAuth from "@fastify/bearer-auth";
import compress from "@fastify/compress";
import cookie from "@fastify/cookie";
import helmet from "@fastify/helmet";
import jwt from "@fastify/jwt";
import multipart from "@fastify/multipart";
import rateLimit from "@fastify/rate-limit";
import statics from "@fastify/static";
import underPressure from "@fastify/under-pressure";
import websocket from "@fastify/websocket";

const Word = Type.Object({ word: Type.String() });
const Ask = Type.Object({ stream: Type.Boolean() });

async function* pieces(): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < 100; piece++) yield Buffer.from("piece " + piece + "\\n");
}

async function* brokenPieces(): AsyncGenerator<Buffer> {
  yield* pieces();
  throw new Error("broken");
}

const plugins: Record<string, (server: FastifyInstance) => void> = {
  "bearer-auth": (server) => void server.register(bearerAuth, { keys: new Set(["a-key"]) }),
  compress: (server) =>
    void server.register(compress, {
      threshold: 0,
      customTypes: /json|event-stream|octet-stream|text/,
      zlibOptions: { flush: constants.Z_SYNC_FLUSH },
    }),
  cookie: (server) => {
    server.register(cookie);
    server.addHook("onRequest", async (request, reply) => {
      if (request.cookies["who"] === "banned") return reply.code(403).send({ banned: true });
      reply.setCookie("seen", "yes");
    });
  },
  helmet: (server) => void server.register(helmet),
  jwt: (server) => {
    server.register(jwt, { secret: "a secret of some length" });
    server.get("/token", () => ({ token: server.jwt.sign({ who: "me" }) }));
    server.addHook("onRequest", async (request) => {
      if (request.headers["x-jwt"] !== undefined) await request.jwtVerify();
    });
  },
  multipart: (server) => {
    server.register(multipart);
    server.post("/upload", async (request) => {
      const file = await request.file();
      return { name: file?.filename, bytes: (await file?.toBuffer())?.length };
    });
  },
  "rate-limit": (server) =>
    void server.register(rateLimit, {
      max: 1,
      timeWindow: "1 hour",
      keyGenerator: (request) => request.url,
    }),
  static: (server) =>
    void server.register(statics, { root: join(import.meta.dirname ?? process.cwd(), "files"), prefix: "/files/" }),
  websocket: (server) => {
    server.register(async (scope) => {
      await scope.register(websocket, { options: { maxPayload: 100 } });
      scope.get("/own", { websocket: true }, (socket, request) => {
        const { token = "none" } = request.query as { token?: string };
        socket.on("message", (data: Buffer) => socket.send("own " + data + " " + token + " " + request.caller));
      });
    });
  },
  "websocket-for-all": (server) => void server.register(websocket),
  keys: (server) => void server.addHook("onRequest", async (request, reply) => {
    if (request.headers["x-banned"] !== undefined) return reply.code(403).send({ banned: true });
  }),
  "under-pressure": (server) => void server.register(underPressure, { maxHeapUsedBytes: 1, sampleInterval: 10 }),
};

export class Plugged extends App {
  override configure(server: FastifyInstance): void {
    for (const name of (process.env["PLUGINS"] ?? "").split(" ")) plugins[name]?.(server);
  }
  @endpoint("/run", { input: Word, output: Word })
  run({ word }: { word: string }): { word: string } {
    return { word };
  }
  @endpoint("/items", { stream: true, output: Word })
  async *items(): AsyncGenerator<{ word: string }> {
    yield { word: "one" };
    yield { word: "two" };
  }
  @endpoint("/optional", { input: Ask, item: Word, output: Word, stream: "optional", maxConcurrency: 1 })
  optional({ stream }: { stream: boolean }): { word: string } | AsyncGenerator<{ word: string }> {
    return stream ? this.items() : { word: "one" };
  }
  @endpoint("/pieces")
  async pieces(): Promise<Readable> {
    return Readable.from(pieces());
  }
  @endpoint("/broken")
  broken(): Readable {
    return Readable.from(brokenPieces());
  }
  @endpoint("/sized")
  sized(): Response {
    return new Response("sized".repeat(1000), { headers: { "content-length": "5000", "content-type": "text/plain" } });
  }
  @endpoint("/failing", { stream: true, output: Word })
  async *failing(): AsyncGenerator<{ word: string }> {
    yield { word: "one" };
    throw new AppException("no more", 409);
  }
  @rawWebsocket("/raw")
  async raw(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    socket.on("message", (data) => socket.send("raw " + data + " " + ctx.caller));
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
  }
  @realtime("/live")
  live(input: Record<string, unknown>): Record<string, unknown> {
    return input;
  }
}

export class Guarded extends Plugged {
  static override auth = bearerTokens((token) => (token === "a-key" ? "alice" : undefined));
}
`;

const ITEMS = 'data: {"word":"one"}\n\ndata: {"word":"two"}\n\n';
const HEADERS = { "content-type": "application/json" };

const folder = await createToolProject("plugins", { "app.ts": APP, "files/a.txt": "a file" });

/** Serves the app with these plugins, by the command line. */
function start(plugins: string, name = "Plugged"): RunningCli {
  return startCli(["run", `app.ts::${name}`, ...ANY_PORT], folder, { PLUGINS: plugins });
}

/** Like {@link start}. Returns the app's address. */
function serve(plugins: string): Promise<string> {
  return start(plugins).listening();
}

function run(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${url}/run`, { method: "POST", headers: { ...HEADERS, ...headers }, body: '{"word":"one"}' });
}

function items(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${url}/items`, { method: "POST", headers });
}

/** Posts to an endpoint and reads the compressed answer, of which fetch() may discard the end if it is broken off. */
async function readCompressed(url: string): Promise<StreamedText> {
  const sent = request(url, { method: "POST", headers: { "accept-encoding": "gzip" } }).end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  answer.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => {});
  await new Promise((resolve) => answer.once("close", resolve));
  const text = gunzipSync(Buffer.concat(chunks), { finishFlush: constants.Z_SYNC_FLUSH }).toString();
  return { text, isWhole: answer.complete };
}

/** Offers a websocket. Returns the status of the answer. */
async function upgrade(url: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/live`, { headers });
  socket.on("error", () => {});
  const [status] = await Promise.race([
    once(socket, "open").then(() => [101]),
    once(socket, "unexpected-response").then(([, response]) => [
      (response as { statusCode: number }).statusCode,
    ]),
  ]);
  socket.terminate();
  return status ?? 0;
}

describe("with @fastify/bearer-auth, requests without a key reach nothing", () => {
  const serving = serve("bearer-auth");

  test("neither endpoints, streams and websockets, nor docs, probes and unknown paths", async () => {
    const url = await serving;
    for (const answer of [await run(url), await items(url)]) assert.equal(answer.status, 401);
    assert.equal(await upgrade(url), 401);
    for (const path of ["/docs", "/openapi.json", "/health", "/nope", "/run/"]) {
      assert.equal((await fetch(url + path, { redirect: "manual" })).status, 401, path);
    }
  });

  test("with the key, all of them answer", async () => {
    const url = await serving;
    const headers = { authorization: "Bearer a-key" };
    assert.deepEqual(await (await run(url, headers)).json(), { word: "one" });
    assert.equal(await (await items(url, headers)).text(), ITEMS);
    assert.equal(await upgrade(url, headers), 101);
    assert.equal((await fetch(`${url}/docs`, { headers })).status, 200);
    assert.equal((await fetch(`${url}/nope`, { headers })).status, 404);
  });
});

describe("with @fastify/rate-limit, requests above the limit get 429", () => {
  const serving = serve("rate-limit");

  test("for endpoints and streams in the documented form, and for upgrades", async () => {
    const url = await serving;
    assert.equal((await run(url)).headers.get("x-ratelimit-remaining"), "0");
    const refused = await run(url);
    assert.equal(refused.status, 429);
    assert.match(await refused.text(), /^\{"detail":"Rate limit exceeded, [^"]*"\}$/);
    const stream = await items(url);
    assert.equal(stream.headers.get("x-ratelimit-limit"), "1");
    assert.equal(await stream.text(), ITEMS);
    assert.equal((await items(url)).status, 429);
    assert.equal(await upgrade(url), 101);
    assert.equal(await upgrade(url), 429);
  });
});

describe("with @fastify/under-pressure, an overloaded process answers 503", () => {
  const serving = serve("under-pressure");

  test("to endpoints, streams and upgrades", async () => {
    const url = await serving;
    let refused = await run(url);
    while (refused.status === 200) refused = await run(url); // until the first sample
    assert.equal(refused.status, 503);
    assert.deepEqual(await refused.json(), { detail: "Service Unavailable" });
    assert.equal((await items(url)).status, 503);
    assert.equal(await upgrade(url), 503);
  });
});

describe("other plugins together", () => {
  const serving = serve("helmet cookie jwt multipart static compress");

  test("@fastify/helmet adds its headers to endpoints and streams; the docs keep a policy that shows them", async () => {
    const url = await serving;
    for (const answer of [await run(url), await items(url)]) {
      assert.equal(answer.headers.get("x-frame-options"), "SAMEORIGIN");
      await answer.arrayBuffer();
    }
    const docs = await fetch(`${url}/docs`);
    assert.equal(docs.headers.get("x-frame-options"), "SAMEORIGIN");
    assert.match(docs.headers.get("content-security-policy") ?? "", /^default-src 'none'; script-src 'self'/);
    assert.equal(await upgrade(url), 101);
  });

  test("@fastify/cookie reads and sets cookies of endpoints and streams, and reads those of upgrades", async () => {
    const url = await serving;
    for (const answer of [await run(url), await items(url)]) {
      assert.equal(answer.headers.get("set-cookie"), "seen=yes; SameSite=Lax");
      await answer.arrayBuffer();
    }
    const headers = { cookie: "who=banned" };
    assert.equal((await run(url, headers)).status, 403);
    assert.equal((await items(url, headers)).status, 403);
    assert.equal(await upgrade(url, headers), 403);
  });

  test("@fastify/jwt checks the tokens of endpoints, streams and upgrades", async () => {
    const url = await serving;
    const { token } = (await (await fetch(`${url}/token`)).json()) as { token: string };
    const missing = await run(url, { "x-jwt": "yes" });
    assert.equal(missing.status, 401);
    assert.deepEqual(Object.keys((await missing.json()) as object), ["detail"]);
    const forged = { "x-jwt": "yes", authorization: "Bearer a.b.c" };
    assert.equal((await items(url, forged)).status, 401);
    assert.equal(await upgrade(url, forged), 401);
    const headers = { "x-jwt": "yes", authorization: `Bearer ${token}` };
    assert.equal((await run(url, headers)).status, 200);
    assert.equal(await (await items(url, headers)).text(), ITEMS);
    assert.equal(await upgrade(url, headers), 101);
  });

  test("@fastify/multipart reads the body of the app's own route, and no endpoint's", async () => {
    const url = await serving;
    const form = new FormData();
    form.set("file", new Blob(["12345"]), "five.txt");
    const upload = await fetch(`${url}/upload`, { method: "POST", body: form });
    assert.deepEqual(await upload.json(), { name: "five.txt", bytes: 5 });
    assert.equal((await fetch(`${url}/run`, { method: "POST", body: form })).status, 422);
  });

  test("@fastify/static serves files; a missing file gets the documented 404", async () => {
    const url = await serving;
    assert.equal(await (await fetch(`${url}/files/a.txt`)).text(), "a file");
    const missing = await fetch(`${url}/files/b.txt`);
    assert.equal(missing.status, 404);
    assert.deepEqual(await missing.json(), { detail: "Path /files/b.txt not found" });
  });

  test("@fastify/compress compresses answers of endpoints and streams", async () => {
    const url = await serving;
    const headers = { "accept-encoding": "gzip" };
    const answer = await run(url, headers);
    assert.equal(answer.headers.get("content-encoding"), "gzip");
    assert.deepEqual(await answer.json(), { word: "one" });
    const stream = await items(url, headers);
    assert.equal(stream.headers.get("content-encoding"), "gzip");
    assert.equal(await stream.text(), ITEMS);
  });

  test("@fastify/compress compresses both forms of an optional stream behind a queue", async () => {
    const url = await serving;
    for (let round = 0; round < 2; round++) {
      for (const [stream, text] of [
        [false, '{"word":"one"}'],
        [true, ITEMS],
      ] as const) {
        const answer = await fetch(`${url}/optional`, {
          method: "POST",
          headers: { ...HEADERS, "accept-encoding": "gzip" },
          body: JSON.stringify({ stream }),
        });
        assert.equal(answer.headers.get("content-encoding"), "gzip");
        assert.equal(await answer.text(), text);
      }
    }
  });

  test("@fastify/compress compresses streams of bytes, also of an announced length", async () => {
    const url = await serving;
    const wanted = { "/pieces": /^piece 0\n(piece \d+\n)*piece 99\n$/, "/sized": /^(sized){1000}$/ };
    for (const [path, text] of Object.entries(wanted)) {
      for (const encoding of ["gzip", "br", "identity"]) {
        const answer = await fetch(url + path, { method: "POST", headers: { "accept-encoding": encoding } });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.get("content-encoding"), encoding === "identity" ? null : encoding);
        if (encoding !== "identity") assert.equal(answer.headers.get("content-length"), null);
        assert.match(await answer.text(), text);
      }
    }
  });

  test("a compressed stream that fails is not whole, and its error is in what arrives", async () => {
    const url = await serving;
    const headers = { "accept-encoding": "gzip" };
    const failing = await readCompressed(`${url}/failing`);
    assert.equal(failing.isWhole, false);
    assert.match(
      failing.text,
      /^data: \{"word":"one"\}\n\nevent: error\ndata: \{"detail":"no more","status":409\}\n\n$/,
    );
    const broken = await readStreamed(await fetch(`${url}/broken`, { method: "POST", headers }));
    assert.equal(broken.isWhole, false);
  });
});

describe("with @fastify/websocket of the app's own, its websockets and those of the framework are served", () => {
  const app = start("websocket keys");
  const guarded = start("websocket keys", "Guarded");

  /** Sends a text to a websocket, and returns the answer. */
  async function echo(url: string, path: string, text = "hello", headers = {}): Promise<string> {
    const socket = new WebSocket(url.replace("http", "ws") + path, { headers });
    await once(socket, "open");
    socket.send(text);
    const [data] = (await once(socket, "message")) as [Buffer];
    socket.close();
    await once(socket, "close");
    return data.toString();
  }

  test("each offer is answered once, by the websocket at its path, with its own limits", async () => {
    const url = await app.listening();
    for (let round = 0; round < 2; round++) {
      assert.equal(await echo(url, "/own"), "own hello none undefined");
      assert.equal(await echo(url, "/raw"), "raw hello undefined");
      assert.equal((await echo(url, "/raw", "x".repeat(1000))).length, 1014);
      const live = await connectTestSocket(`${url}/live`);
      live.send({ n: 1 });
      assert.deepEqual(await live.next(), { n: 1 });
      await live.close();
    }
    const socket = new WebSocket(`${url.replace("http", "ws")}/own`);
    await once(socket, "open");
    socket.send("x".repeat(101));
    assert.equal((await once(socket, "close"))[0], 1009);
  });

  test("hooks refuse offers of both before the upgrade, and plain requests to their paths find nothing", async () => {
    const url = await app.listening();
    for (const path of ["/own", "/raw", "/live"]) {
      await assert.rejects(echo(url, path, "x", { "x-banned": "yes" }), /Unexpected server response: 403/);
      assert.equal((await fetch(url + path)).status, 404, path);
    }
    await assert.rejects(echo(url, "/nope"), /Unexpected server response: 404/);
  });

  test("offers of another protocol are ignored: the request is answered, and the connection stays usable", async () => {
    const port = Number(new URL(await app.listening()).port);
    const body = '{"word":"one"}';
    const head = (more: readonly string[]): string =>
      ["POST /run HTTP/1.1", "host: localhost", "content-type: application/json", ...more, "", ""].join(
        "\r\n",
      );
    const h2c = ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__"];
    const length = `content-length: ${body.length}`;
    const answer = await exchange(
      port,
      head([...h2c, length]) + body + head(["connection: close", length]) + body,
    );
    assert.deepEqual(
      [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
      ["200", "200"],
    );
  });

  test("callers of both are identified, also by a token in the query string, which the app does not see", async () => {
    const url = await guarded.listening();
    const key = { authorization: "Bearer a-key" };
    for (const [path, text] of [
      ["/own", "own hello none alice"],
      ["/raw", "raw hello alice"],
    ] as const) {
      await assert.rejects(echo(url, path), /Unexpected server response: 401/);
      assert.equal(await echo(url, path, "hello", key), text);
      assert.equal(await echo(url, `${path}?fal_jwt_token=a-key`), text);
    }
  });

  test("a stop closes the websockets of both", async () => {
    const url = (await app.listening()).replace("http", "ws");
    const sockets = ["/own", "/raw", "/live"].map((path) => new WebSocket(url + path));
    await Promise.all(sockets.map((socket) => once(socket, "open")));
    const codes = Promise.all(sockets.map(async (socket) => (await once(socket, "close"))[0] as number));
    app.kill("SIGTERM");
    assert.deepEqual(await codes, [1005, 1012, 1012]);
    assert.equal((await app.ended).exitCode, 0);
  });
});

test("@fastify/websocket for the whole server of a class with websockets is refused, with what to write", async () => {
  const { exitCode, stderr, stdout } = await start("websocket-for-all").ended;
  assert.equal(exitCode, 1);
  assert.match(stderr + stdout, /Plugged has websockets, .* Register your own in a scope/);
});
