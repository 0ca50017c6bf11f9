import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import {
  App,
  AppException,
  bearerTokens,
  endpoint,
  ForbiddenException,
  realtime,
  type RequestContext,
  UnauthorizedException,
  websocket,
  type RawWebSocket,
} from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { Type } from "typebox";
import { WebSocket } from "ws";
import { exchange, statusOf } from "../helpers/sockets.ts";

const KEY = "the-key-of-alice";
const Name = Type.Object({ name: Type.String() });

/** An app with every kind of route. A handler that runs without a caller is noted. */
class Guarded extends App {
  static override auth = bearerTokens({ keys: { alice: KEY } });
  ran: string[] = [];

  override configure(server: FastifyInstance): void {
    server.get("/own/:id", () => this.#run("own"));
    server.get("/own-open", { config: { isPublic: true } }, () => "open");
    server.register(async (scope) => {
      scope.route({ method: ["PUT", "DELETE"], url: "/nested", handler: () => this.#run("nested") });
      scope.setNotFoundHandler((_request, reply) => reply.code(404).send(this.#run("lost")));
    }, { prefix: "/below" }); // prettier-ignore
  }

  override async *lifespan(server: FastifyInstance): AsyncGenerator<void, void, void> {
    server.get("/late", () => this.#run("late"));
    yield;
  }

  @endpoint("/")
  root(ctx: RequestContext): unknown {
    return this.#run("root", ctx);
  }

  @endpoint("/items/:id", { method: "GET" })
  item(ctx: RequestContext): unknown {
    return this.#run("item", ctx);
  }

  @endpoint("/stream", { stream: true })
  async *stream(ctx: RequestContext): AsyncGenerator<unknown> {
    yield this.#run("stream", ctx);
  }

  @endpoint("/batch", { input: Name, batch: { maxSize: 2 } })
  batch(inputs: unknown[], { requests }: { requests: readonly RequestContext[] }): unknown[] {
    return inputs.map((_input, index) => this.#run("batch", requests[index]));
  }

  @realtime("/live", { input: Name })
  live(_input: unknown, ctx: RequestContext): object {
    return { caller: this.#run("live", ctx) };
  }

  @websocket("/socket")
  async socket(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    socket.send(JSON.stringify({ caller: this.#run("socket", ctx), query: ctx.query }));
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
  }

  @endpoint("/open", { public: true })
  open(ctx: RequestContext): unknown {
    return String(ctx.caller);
  }

  @endpoint("/probe", { healthCheck: true })
  probe(): string {
    return "fine";
  }

  #run(name: string, ctx?: RequestContext): unknown {
    this.ran.push(name);
    return ctx?.caller ?? name;
  }
}

const HOST = "host: localhost";
const JSON_HEAD = "content-type: application/json";
const UPGRADE = [
  "connection: upgrade",
  "upgrade: websocket",
  "sec-websocket-version: 13",
  "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
];

/** A request line and headers. */
type Attempt = readonly [line: string, ...headers: string[]];

const ATTEMPTS: readonly Attempt[] = [
  // Methods
  ["POST /"], ["GET /"], ["HEAD /"], ["OPTIONS /"], ["PUT /"], ["DELETE /"], ["PATCH /"], ["TRACE /"], ["PROPFIND /"],
  ["HEAD /items/1"], ["HEAD /openapi.json"], ["OPTIONS /openapi.json"], ["POST /", "x-http-method-override: GET"],
  // Paths
  ["POST //"], ["POST /%2F"], ["POST /."], ["POST /./"], ["POST /%2e/"], ["POST /?health"], ["POST /#/health"],
  ["POST /;/health"], ["POST /stream/"], ["POST /STREAM"], ["POST /%73tream"], ["POST /stream%00"],
  ["POST /health/../stream"], ["POST /docs/../stream"], ["POST /open/../stream"], ["POST /open%2f..%2fstream"],
  ["GET /health/"], ["GET //health"], ["GET /Health"], ["POST /health"], ["GET /livez/x"], ["POST /open/"], ["GET /open"],
  ["GET /openapi.json"], ["GET /openapi.json/"], ["GET /%6Fpenapi.json"], ["GET /openapi%2Ejson"],
  ["GET /docs/json"], ["GET /docs/yaml"], ["GET /docs//json"], ["GET /docs/%6Ason"], ["GET /docs/./json"],
  ["GET /docs%2Fjson"], ["GET /docs/json/"], ["GET /items/1"], ["GET /items/1/"], ["GET /items/%2e%2e%2fhealth"],
  ["GET /%zz"], ["GET /(refused)"], ["GET /nope"], ["GET /user/app/openapi.json"], ["GET /user/app//openapi.json"],
  ["GET /own/1"], ["GET /own/1/"], ["GET /late"], ["PUT /below/nested"], ["DELETE /below/nested"], ["GET /below/lost"],
  ["GET /below"], ["GET /metrics"],
  // Targets
  ["GET http://localhost/openapi.json"], ["POST http://localhost/"], ["GET http://localhost/health/../openapi.json"],
  ["OPTIONS *"],
  // Headers
  ["POST /", "authorization: Bearer"], ["POST /", "authorization: Bearer wrong"], ["POST /", "authorization: bearer wrong"],
  ["POST /", `authorization: Basic ${KEY}`], ["POST /", `authorization: ${KEY}`], ["POST /", `authorization: Bearer  ${KEY}x`],
  ["POST /", `authorization: Bearer ${KEY} ${KEY}`], ["POST /", `authorization: Bearer ${KEY},Bearer ${KEY}`],
  ["POST /", `authorization: Bearer ${KEY}`, "authorization: Bearer wrong"],
  ["POST /", "authorization: Bearer wrong", `Authorization: Bearer ${KEY}`],
  ["POST /", `authorization: Bearer ${KEY.toUpperCase()}`], ["POST /", `authorization: Bearer ${KEY.slice(0, -1)}`],
  ["POST /", `proxy-authorization: Bearer ${KEY}`], ["POST /", `x-api-key: ${KEY}`], ["POST /", `cookie: token=${KEY}`],
  ["POST /", "x-original-url: /health"], ["POST /", "x-forwarded-for: 127.0.0.1"], ["POST /", "x-servable-reader: x"],
  ["GET /docs/json", "x-servable-reader: true"],
  // The query string, which counts for websockets only
  [`POST /?fal_jwt_token=${KEY}`], [`GET /openapi.json?fal_jwt_token=${KEY}`], [`GET /live?fal_jwt_token=${KEY}`],
  [`POST /?token=${KEY}`], [`POST /?authorization=Bearer%20${KEY}`],
  // Upgrades
  ["GET /live", ...UPGRADE], ["GET /socket", ...UPGRADE], ["GET /%6Cive", ...UPGRADE], ["GET /live/", ...UPGRADE],
  ["GET /live?fal_jwt_token=wrong", ...UPGRADE], ["GET /live?fal_jwt_token=", ...UPGRADE],
  [`GET /live?fal_jwt_token=${KEY}&fal_jwt_token=${KEY}`, ...UPGRADE], [`GET /live?FAL_JWT_TOKEN=${KEY}`, ...UPGRADE],
  [`GET /live?fal_jwt_token=${KEY}`, "authorization: Bearer wrong", ...UPGRADE],
  [`GET /openapi.json?fal_jwt_token=${KEY}`, ...UPGRADE], [`GET /items/1?fal_jwt_token=${KEY}`, ...UPGRADE],
  ["GET /live", `sec-websocket-protocol: ${KEY}`, ...UPGRADE], ["GET http://localhost/live", ...UPGRADE],
  ["GET /openapi.json", "connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__"],
  ["POST /", "connection: upgrade", "upgrade: h2c"], ["POST /", "connection: upgrade", "upgrade: TLS/1.0, HTTP/1.1"],
]; // prettier-ignore

function bytesOf([line, ...headers]: Attempt, more: readonly string[] = []): string {
  const hasConnection = headers.some((header) => header.startsWith("connection:"));
  const all = [HOST, JSON_HEAD, "content-length: 0", ...headers, ...more].filter(
    (header) => header !== "content-length: 0" || !line.startsWith("GET"),
  );
  return [`${line} HTTP/1.1`, ...all, ...(hasConnection ? [] : ["connection: close"]), "", ""].join("\r\n");
}

const hasHead = (text: string): boolean => text.includes("\r\n\r\n");

describe("an app that identifies its callers", () => {
  let served: TestServer<Guarded>;
  before(async () => void (served = await startTestServer(new Guarded(), { rootPath: "/user/app" })));
  after(() => served.close());

  for (const attempt of ATTEMPTS) {
    test(`refuses ${attempt.filter((part) => !UPGRADE.includes(part)).join(", ")} with 401`, async () => {
      const answer = await exchange(served.port, bytesOf(attempt), hasHead);
      assert.equal(statusOf(answer), 401, answer);
      assert.match(answer, /^www-authenticate: Bearer/im);
      assert.deepEqual(served.app.ran, []);
    });
  }

  test("refuses requests that follow a refused one, or one with a key, on the same connection", async () => {
    const good = [`authorization: Bearer ${KEY}`, "connection: keep-alive"];
    const texts = [
      bytesOf(["GET /openapi.json", ...good]),
      bytesOf(["GET /openapi.json", "connection: keep-alive"]),
      bytesOf(["GET /health", "connection: keep-alive"]),
      bytesOf(["GET /openapi.json"]),
    ];
    const answer = await exchange(served.port, texts.join(""));
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    assert.deepEqual(statuses, ["200", "401", "200", "401"]);
  });

  test("answers with 401 before the body has arrived", async () => {
    const socket = connect(served.port, "127.0.0.1");
    socket.write(`POST / HTTP/1.1\r\n${HOST}\r\n${JSON_HEAD}\r\ncontent-length: 1000\r\n\r\n{`);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    assert.equal(statusOf(chunk.toString()), 401);
  });

  test("refuses anonymous access to every route that it has, except the open ones", async () => {
    const open: string[] = [];
    const paths = [
      "/", "/items/1", "/stream", "/batch", "/live", "/socket", "/open", "/probe", "/health", "/livez", "/readyz",
      "/openapi.json", "/docs", "/docs/", "/docs/json", "/docs/static/index.css", "/own/1", "/own-open", "/late", "/below/nested",
    ]; // prettier-ignore
    for (const url of paths) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] as const) {
        const { statusCode } = await served.server.inject({ method, url });
        if (statusCode !== 401) open.push(`${method} ${url} ${statusCode}`);
      }
    }
    assert.deepEqual(open, [
      "POST /open 200",
      "POST /probe 200",
      ...["/health", "/livez", "/readyz"].flatMap((path) => [`GET ${path} 200`, `HEAD ${path} 200`]),
      "GET /docs 200",
      "GET /docs/ 200",
      "GET /docs/static/index.css 200",
      "GET /own-open 200",
      "HEAD /own-open 200",
    ]);
    assert.deepEqual(served.app.ran, []);
  });

  test("lets a preflight pass, which never carries credentials", async () => {
    const headers = { origin: "http://localhost:3000", "access-control-request-method": "POST" };
    const answer = await fetch(`${served.url}/`, { method: "OPTIONS", headers });
    assert.equal(answer.status, 200);
  });

  for (const scheme of ["Bearer", "bearer", "Key", "KEY"]) {
    test(`accepts a key with the scheme ${scheme}`, async () => {
      const answer = await served.post("/", undefined, { authorization: `${scheme} ${KEY}` });
      assert.deepEqual(await answer.json(), { name: "alice" });
    });
  }

  test("gives the caller to endpoints, streams, batches and own routes", async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    assert.deepEqual(await (await fetch(`${served.url}/items/1`, { headers })).json(), { name: "alice" });
    assert.match(await (await served.post("/stream", undefined, headers)).text(), /data: \{"name":"alice"\}/);
    assert.deepEqual(await (await served.post("/batch", { name: "x" }, headers)).json(), { name: "alice" });
    assert.equal(await (await fetch(`${served.url}/own/1`, { headers })).text(), "own");
    assert.equal(await (await served.post("/open", undefined, headers)).json(), "undefined");
  });

  test("gives the caller to websockets, and removes the token from their query string", async () => {
    for (const [query, headers] of [
      [`?a=1&fal_jwt_token=${KEY}&b=2`, {}],
      ["?a=1&b=2", { authorization: `Key ${KEY}` }],
    ] as const) {
      const socket = new WebSocket(`ws://localhost:${served.port}/socket${query}`, { headers });
      const [data] = (await once(socket, "message")) as [Buffer];
      assert.deepEqual(JSON.parse(data.toString()), { caller: { name: "alice" }, query: { a: "1", b: "2" } });
      socket.terminate();
    }
  });

  test("describes what is needed in its document", async () => {
    const document = await served.app.openapi();
    assert.deepEqual(Object.keys(document.components.securitySchemes ?? {}), ["bearer", "key"]);
    assert.deepEqual(document.security, [{ bearer: [] }, { key: [] }]);
    const { post } = document.paths["/"] as { post: { responses: object; security?: unknown } };
    assert.deepEqual(Object.keys(post.responses), ["200", "401", "403"]);
    assert.equal(post.security, undefined);
    for (const [path, method] of [["/open", "post"], ["/probe", "post"], ["/health", "get"]] as const) {
      assert.deepEqual((document.paths[path] as Record<string, { security: unknown }>)[method]?.security, []);
    } // prettier-ignore
  });
});

describe("authenticate()", () => {
  class Own extends App {
    authenticated: () => unknown = () => ({ id: 1 });
    override authenticate(): unknown {
      return this.authenticated();
    }
    @endpoint("/")
    who(ctx: RequestContext): unknown {
      return ctx.caller;
    }
  }

  for (const [does, authenticated, status, detail] of [
    ["returns undefined", () => undefined, 401, /not valid/],
    ["returns null", () => null, 401, /not valid/],
    ["returns false", () => false, 401, /not valid/],
    ["resolves to undefined", async () => undefined, 401, /not valid/],
    [
      "throws 401",
      () => {
        throw new UnauthorizedException("No.");
      },
      401,
      /No\./,
    ],
    [
      "throws 403",
      () => {
        throw new ForbiddenException("Not you.");
      },
      403,
      /Not you\./,
    ],
    [
      "throws 503",
      () => {
        throw new AppException("Later.", 503);
      },
      503,
      /Later\./,
    ],
    [
      "throws an AppException that looks like a success",
      () => {
        throw new AppException("OK", 200);
      },
      500,
      /Internal/,
    ],
    [
      "throws an error",
      () => {
        throw new Error("secret");
      },
      500,
      /Internal Server Error/,
    ],
    [
      "throws undefined",
      () => {
        throw undefined;
      },
      500,
      /Internal/,
    ],
    ["rejects", () => Promise.reject(new TypeError("secret cuda")), 500, /Internal Server Error/],
  ] as const) {
    // prettier-ignore
    test(`that ${does} is answered with ${status}`, async () => {
      const lines: string[] = [];
      const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
      const app = new Own();
      app.authenticated = authenticated;
      await using served = await startTestServer(app, { logger });
      const answer = await served.post("/?fal_jwt_token=do-not-log", undefined, { authorization: "Bearer do-not-log" });
      assert.equal(answer.status, status);
      assert.match(await answer.text(), detail);
      assert.equal(answer.headers.has("www-authenticate"), status === 401 || status === 403);
      assert.equal(lines.filter((line) => /authenticate/.test(line)).length, status >= 500 ? 1 : 0);
      assert.doesNotMatch(lines.join(""), /do-not-log/);
    }); // prettier-ignore
  }

  test("returns the caller, also as a promise, and may build on the static auth", async () => {
    class Both extends App {
      static override auth = bearerTokens(["k1", "k2"]);
      override async authenticate(request: Parameters<App["authenticate"]>[0]): Promise<unknown> {
        const caller = (await super.authenticate(request)) as { name: string } | undefined;
        return caller && { user: caller.name };
      }
      @endpoint("/")
      who(ctx: RequestContext): unknown {
        return ctx.caller;
      }
    }
    class Sub extends Both {}
    class Opened extends App {
      @endpoint("/")
      who(ctx: RequestContext): unknown {
        return String(ctx.caller);
      }
    }
    await using served = await startTestServer(new Sub());
    const answer = await served.post("/", undefined, { authorization: "Bearer k2" });
    assert.deepEqual(await answer.json(), { user: "key-2" });
    assert.equal((await served.post("/")).status, 401);
    await using open = await startTestServer(new Opened());
    assert.equal(await (await open.post("/")).json(), "undefined");
  });

  test("a misspelt or misplaced authentication is refused instead of ignored", () => {
    const refuse = (app: { new (): App }, message: RegExp): void =>
      assert.throws(() => new app().buildServer(), message);
    class Route extends App {
      @endpoint("/")
      go(): number {
        return 1;
      }
    }
    refuse(class extends Route { authentcate(): void {} }, /did you mean "authenticate"/); // prettier-ignore
    refuse(class extends Route { static authenticate(): void {} }, /is static/); // prettier-ignore
    refuse(class extends Route { auth = bearerTokens(["k"]); }, /write static auth/); // prettier-ignore
    refuse(class extends Route { static oauth = bearerTokens(["k"]); }, /did you mean "auth"/); // prettier-ignore
    refuse(class extends Route { static override auth = bearerTokens({ env: "SERVABLE_NO_SUCH_KEYS" }); }, /SERVABLE_NO_SUCH_KEYS is not set/); // prettier-ignore
    refuse(class extends Route { static override auth = bearerTokens([]); }, /holds no key/); // prettier-ignore
    assert.throws(
      () => new Own().buildServer({ auth: bearerTokens(["k"]) }),
      /identifies its callers itself/,
    );
    assert.throws(() => bearerTokens({ fil: "x" } as never), /did you mean "file"/);
    for (const keys of [["a b"], ["k", "k"], [""]]) {
      const app = class extends Route { static override auth = bearerTokens(keys); }; // prettier-ignore
      assert.throws(() => new app().buildServer(), (error: Error) => !keys.some((key) => key !== "" && key.length > 1 && error.message.includes(key))); // prettier-ignore
    }
  });
});
