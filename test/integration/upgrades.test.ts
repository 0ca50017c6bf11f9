import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { Type, type Static } from "typebox";
import { App, endpoint, realtime, websocket, type RawWebSocket, type RequestContext } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { exchange, openSocket } from "../helpers/sockets.ts";

const Text = Type.Object({ text: Type.String() });
type Text = Static<typeof Text>;

class Plain extends App {
  @endpoint("/echo", { input: Text, output: Text })
  echo(input: Text): Text {
    return input;
  }

  @endpoint("/slow")
  async slow(): Promise<string> {
    await sleep(100);
    return "slow";
  }

  @endpoint("/stream", { input: Text, stream: true })
  async *stream({ text }: Text): AsyncGenerator<string> {
    yield text;
  }
}

class WithWebsockets extends Plain {
  @websocket("/raw")
  async raw(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    socket.send("hello");
    if (!ctx.signal.aborted) await once(ctx.signal, "abort");
  }

  @realtime("/echo", { input: Text, output: Text })
  live(input: Text): Text {
    return input;
  }
}

const KEY = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
const WEBSOCKET = ["connection: Upgrade", "upgrade: websocket", KEY, "sec-websocket-version: 13"];

/** Upgrade requests that the server does not accept. */
const OFFERS: Readonly<Record<string, readonly string[]>> = {
  "h2c, as Java's client makes it": [
    "connection: Upgrade, HTTP2-Settings",
    "upgrade: h2c",
    "http2-settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
  ],
  "h2c beside keep-alive": ["connection: keep-alive, Upgrade", "upgrade: h2c"],
  "TLS/1.0": ["connection: Upgrade", "upgrade: TLS/1.0"],
  "several protocols": ["connection: upgrade", "upgrade: h2c, TLS/1.0, IRC/6.9"],
  "several lines": ["connection: upgrade", "upgrade: h2c", "upgrade: TLS/1.0"],
  "upgrade in two Connection lines": ["connection: keep-alive", "connection: upgrade", "upgrade: h2c"],
  "without Connection": ["upgrade: h2c"],
  "an empty protocol": ["connection: upgrade", "upgrade: "],
  "a whole websocket's": WEBSOCKET,
  "a websocket's without a key": WEBSOCKET.filter((line) => line !== KEY),
  "a websocket's of another version": WEBSOCKET.with(3, "sec-websocket-version: 7"),
  "a websocket's beside others": WEBSOCKET.with(1, "upgrade: websocket, h2c"),
};

const JSON_TYPE = "content-type: application/json";
const BODY = '{"text":"hello"}';

function request(line: string, headers: readonly string[] = [], body = ""): string {
  return `${[`${line} HTTP/1.1`, "host: localhost", ...headers].join("\r\n")}\r\n\r\n${body}`;
}

const sized = (body: string): string => `content-length: ${Buffer.byteLength(body)}`;
const echo = (offer: readonly string[] = []): string =>
  request("POST /echo", [JSON_TYPE, ...offer, sized(BODY)], BODY);
const LAST = request(
  "POST /echo",
  [JSON_TYPE, "connection: close", sized('{"text":"last"}')],
  '{"text":"last"}',
);

/** Kinds of request, with their responses when no upgrade is requested. */
const REQUESTS: Readonly<
  Record<string, readonly [send: (offer: readonly string[]) => string, status: number, body: string | RegExp]>
> = {
  "a body of known length": [echo, 200, BODY],
  "a body in chunks": [
    (offer) =>
      request(
        "POST /echo",
        [JSON_TYPE, ...offer, "transfer-encoding: chunked"],
        `10\r\n${BODY}\r\n0\r\n\r\n`,
      ),
    200,
    BODY,
  ],
  "no body": [(offer) => request("POST /slow", offer), 200, '"slow"'],
  "a stream": [
    (offer) => request("POST /stream", [JSON_TYPE, ...offer, sized(BODY)], BODY),
    200,
    /data: "hello"\n\n/,
  ],
  "an invalid body": [
    (offer) => request("POST /echo", [JSON_TYPE, ...offer, sized('{"text":5}')], '{"text":5}'),
    422,
    /string_type/,
  ],
  health: [(offer) => request("GET /health", offer), 200, '{"version":"0.1.0"}'],
  "the docs": [(offer) => request("GET /openapi.json", offer), 200, /"openapi"/],
  "an unknown path": [(offer) => request("GET /nope", offer), 404, '{"detail":"Path /nope not found"}'],
  "an unknown path, with a body": [
    (offer) => request("POST /nope", [...offer, sized(BODY)], BODY),
    404,
    '{"detail":"Path /nope not found"}',
  ],
  "another method": [(offer) => request("PUT /echo", [...offer, sized(BODY)], BODY), 405, /Not Allowed/],
};

/** Status and body of each response on a connection. */
function answersOf(received: string): [status: number, body: string][] {
  return received
    .split(/(?=HTTP\/1\.1 \d{3} )/)
    .map((text) => [Number(text.slice(9, 12)), text.slice(text.indexOf("\r\n\r\n") + 4)]);
}

async function none(server: Server): Promise<void> {
  for (;;) {
    const open = await new Promise<number>((resolve) =>
      server.getConnections((_error, count) => resolve(count)),
    );
    if (open === 0) return;
    await sleep(5);
  }
}

for (const [what, create] of [
  ["a class with websockets", () => new WithWebsockets()],
  ["a class without", () => new Plain()],
] as const) {
  describe(`an upgrade to another protocol that is not accepted, to ${what}`, { timeout: 60_000 }, () => {
    let served: TestServer<Plain>;
    before(async () => {
      served = await startTestServer(create());
    });
    after(() => served.close());

    for (const [offer, headers] of Object.entries(OFFERS)) {
      test(`${offer}: every request gets the same response as without it, and so does the next one on its connection`, async () => {
        for (const [name, [send, status, body]] of Object.entries(REQUESTS)) {
          const answers = answersOf(await exchange(served.port, send(headers) + LAST));
          const shown = `${name}: ${JSON.stringify(answers)}`;
          assert.equal(answers.length, 2, shown);
          assert.equal(answers[0]?.[0], status, shown);
          if (typeof body === "string") assert.equal(answers[0]?.[1], body, shown);
          else assert.match(answers[0]?.[1] ?? "", body, shown);
          assert.deepEqual(answers[1], [200, '{"text":"last"}'], shown);
        }
      });
    }

    test("any order of upgrades on one connection, split into packets anywhere: each request gets its response", async () => {
      const offers = Object.values(OFFERS);
      const kinds = Object.values(REQUESTS);
      const pair = fc.record({ offer: fc.nat(offers.length - 1), kind: fc.nat(kinds.length - 1) });
      await fc.assert(
        fc.asyncProperty(
          fc.array(pair, { minLength: 1, maxLength: 5 }),
          fc.array(fc.nat(400), { maxLength: 4 }),
          async (pairs, offsets) => {
            const chosen = pairs.map(({ kind }) => kinds[kind] as (typeof kinds)[number]);
            const bytes = pairs
              .map(({ offer, kind }) => (kinds[kind] as (typeof kinds)[number])[0](offers[offer] ?? []))
              .join("");
            const socket = await openSocket(served.port);
            let received = "";
            socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
            const closed = once(socket, "close");
            let from = 0;
            for (const offset of [...offsets.sort((a, b) => a - b), Infinity]) {
              const to = Math.min(offset, bytes.length);
              socket.write(bytes.slice(from, to) + (offset === Infinity ? LAST : ""));
              from = to;
              await new Promise((resolve) => setImmediate(resolve));
            }
            await closed;
            assert.deepEqual(
              answersOf(received).map(([status]) => status),
              [...chosen.map(([, status]) => status), 200],
            );
          },
        ),
        { numRuns: 60 },
      );
    });

    test("a body of a megabyte that arrives in pieces is read completely", async () => {
      const body = JSON.stringify({ text: "x".repeat(1_000_000) });
      const head = request("POST /echo", [JSON_TYPE, "connection: upgrade", "upgrade: h2c", sized(body)]);
      const socket = await openSocket(served.port);
      let received = 0;
      socket.on("data", (chunk: Buffer) => (received += chunk.length));
      const closed = once(socket, "close");
      socket.write(head + body.slice(0, 10));
      for (let at = 10; at < body.length; at += 100_000) {
        await new Promise((resolve) => setImmediate(resolve));
        socket.write(body.slice(at, at + 100_000));
      }
      socket.write(LAST);
      await closed;
      assert.ok(received > 1_000_000, `${received} bytes`);
    });

    test("HTTP/1.0 requests get a response too", async () => {
      const head = `POST /echo HTTP/1.0\r\n${JSON_TYPE}\r\nconnection: upgrade\r\nupgrade: h2c\r\n${sized(BODY)}\r\n\r\n`;
      assert.deepEqual(answersOf(await exchange(served.port, head + BODY)), [[200, BODY]]);
    });

    test("100-continue is sent, and then the body is read", async () => {
      const socket = await openSocket(served.port);
      const offer = ["connection: upgrade", "upgrade: h2c", "expect: 100-continue"];
      socket.write(request("POST /echo", [JSON_TYPE, ...offer, sized(BODY)]));
      const [first] = (await once(socket, "data")) as [Buffer];
      assert.match(first.toString(), /^HTTP\/1\.1 100 /);
      socket.write(BODY);
      const [second] = (await once(socket, "data")) as [Buffer];
      assert.match(second.toString(), /^HTTP\/1\.1 200 /);
      socket.destroy();
    });

    test("more headers than Node keeps return 431, since the body's length may be among the lost ones", async () => {
      const many = Array.from({ length: 2000 }, () => "a:");
      const bytes = request(
        "POST /echo",
        ["connection: upgrade", "upgrade: h2c", ...many, sized(BODY)],
        BODY,
      );
      const answers = answersOf(await exchange(served.port, bytes + LAST));
      assert.deepEqual(answers, [[431, '{"detail":"Request Header Fields Too Large"}']]);
    });

    test("1,000 such requests leave no connection open and no listener behind", async () => {
      const { server } = served.server;
      const sockets = new Set<Socket>();
      server.on("connection", (socket: Socket) => sockets.add(socket));
      const socket = await openSocket(served.port);
      let received = "";
      socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
      const answered = async (count: number): Promise<void> => {
        while (answersOf(received).length < count || !received.endsWith(BODY)) await once(socket, "data");
      };
      const offer = OFFERS["h2c, as Java's client makes it"];
      socket.write(echo(offer));
      await answered(1);
      const [ours] = sockets;
      assert.ok(ours !== undefined);
      const listeners = (): number[] => ours.eventNames().map((name) => ours.listenerCount(name));
      const before = listeners();
      for (let count = 2; count <= 100; count++) {
        socket.write(echo(offer));
        await answered(count);
      }
      assert.deepEqual(listeners(), before);
      socket.destroy();
      for (let round = 0; round < 18; round++) {
        await Promise.all(Array.from({ length: 50 }, () => exchange(served.port, echo(offer) + LAST)));
      }
      await none(server);
    });

    for (const when of ["at once", "in the middle of the body"] as const) {
      test(`a client that disconnects ${when} leaves no connection open`, async () => {
        for (let count = 0; count < 20; count++) {
          const socket = await openSocket(served.port);
          const whole = request("POST /slow") + echo(OFFERS["several protocols"]);
          socket.write(when === "at once" ? whole : whole.slice(0, -4));
          if (when !== "at once") await new Promise((resolve) => setImmediate(resolve));
          if (count % 2 === 0) socket.destroy();
          else socket.resetAndDestroy();
        }
        await none(served.server.server);
        assert.deepEqual(answersOf(await exchange(served.port, LAST)), [[200, '{"text":"last"}']]);
      });
    }
  });
}

describe("a websocket upgrade on a path with a websocket", { timeout: 60_000 }, () => {
  let served: TestServer<WithWebsockets>;
  before(async () => {
    served = await startTestServer(new WithWebsockets(), { rootPath: "/me/app" });
  });
  after(() => served.close());

  const open = (line: string, headers: readonly string[] = WEBSOCKET, before = ""): Promise<string> =>
    exchange(served.port, before + request(line, headers) + LAST, (text) => text.includes("hello"));

  const taken: readonly [name: string, line: string, headers?: readonly string[], before?: string][] = [
    ["as it is", "GET /raw"],
    ["with a query", "GET /raw?a=/b"],
    ["below the root path", "GET /me/app/raw"],
    ["in escapes", "GET /r%61w"],
    ["with the whole address", "GET http://localhost/raw"],
    ["beside other protocols", "GET /raw", WEBSOCKET.with(1, "upgrade: h2c, WebSocket")],
    ["in a line of its own", "GET /raw", [...WEBSOCKET, "upgrade: h2c"]],
    ["of version 8", "GET /raw", WEBSOCKET.with(3, "sec-websocket-version: 8")],
    ["with an empty body", "GET /raw", [...WEBSOCKET, "content-length: 0"]],
    ["behind a request that is not answered yet", "GET /raw", WEBSOCKET, request("POST /slow")],
    [
      "behind an offer that is passed over",
      "GET /raw",
      WEBSOCKET,
      echo(["connection: upgrade", "upgrade: h2c"]),
    ],
  ];
  for (const [name, ...how] of taken) {
    test(`${name}: is accepted`, async () => {
      const text = await open(...how);
      assert.match(text, /HTTP\/1\.1 101 Switching Protocols\r\n/);
      assert.match(text, /hello/);
    });
  }

  const passedOver: readonly [name: string, line: string, headers: readonly string[], body?: string][] = [
    ["by POST", "POST /raw", WEBSOCKET],
    ["by HEAD", "HEAD /raw", WEBSOCKET],
    ["without a key", "GET /raw", WEBSOCKET.filter((line) => line !== KEY)],
    ["with a key that is none", "GET /raw", WEBSOCKET.with(2, "sec-websocket-key: abc")],
    ["of no version", "GET /raw", WEBSOCKET.slice(0, 3)],
    ["of version 99", "GET /raw", WEBSOCKET.with(3, "sec-websocket-version: 99")],
    ["with a body", "GET /raw", [...WEBSOCKET, sized("{}")], "{}"],
    ["with a body in chunks", "GET /raw", [...WEBSOCKET, "transfer-encoding: chunked"], "0\r\n\r\n"],
    ["with the same protocol twice", "GET /raw", [...WEBSOCKET, "sec-websocket-protocol: a, a"]],
    ["without Connection", "GET /raw", WEBSOCKET.slice(1)],
    ["of something else", "GET /raw", WEBSOCKET.with(1, "upgrade: websockets")],
    ["a slash too many", "GET /raw/", WEBSOCKET],
  ];
  for (const [name, line, headers, body = ""] of passedOver) {
    test(`${name}: is ignored, and the connection stays usable`, async () => {
      const answers = answersOf(await exchange(served.port, request(line, headers, body) + LAST));
      assert.equal(answers.length, 2, JSON.stringify(answers));
      assert.ok([307, 404].includes(answers[0]?.[0] ?? 0), JSON.stringify(answers));
      assert.deepEqual(answers[1], [200, '{"text":"last"}']);
    });
  }

  test("an unsupported version gets a response with the supported one", async () => {
    const text = await exchange(
      served.port,
      request("GET /raw", WEBSOCKET.with(3, "sec-websocket-version: 99")) + LAST,
    );
    assert.match(text, /sec-websocket-version: 13\r\n/);
  });

  test("the app's own listener for another protocol keeps the upgrades that it accepts", async () => {
    const own = (request: { headers: { upgrade?: string } }, socket: Socket): void => {
      if (request.headers.upgrade === "mine") socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\nmine");
    };
    served.server.server.on("upgrade", own);
    try {
      const offer = ["connection: upgrade", "upgrade: mine"];
      assert.match(await exchange(served.port, request("GET /", offer)), /^HTTP\/1\.1 101 [^]*mine$/);
      assert.match(await open("GET /raw"), /hello/);
    } finally {
      served.server.server.removeListener("upgrade", own);
    }
  });
});
