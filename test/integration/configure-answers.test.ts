import assert from "node:assert/strict";
import { Transform, type Readable } from "node:stream";
import { test } from "node:test";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { App, AppException, endpoint, realtime } from "servable";
import { connectTestSocket, startTestServer } from "servable/testing";
import { Type } from "typebox";
import { captureLogs } from "../helpers/captured-logs.ts";
import { serveApp } from "../helpers/served-app.ts";
import { silentLogger } from "../helpers/silent-logger.ts";

/** Adds one line to each answer that is a stream. */
function shout(payload: unknown): unknown {
  if (typeof payload !== "object" || payload === null || !("pipe" in payload)) return payload;
  const upper = new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()),
  });
  return (payload as Readable).pipe(upper);
}

class Streaming extends App {
  aborted = 0;

  override configure(server: FastifyInstance): void {
    server.addHook("onSend", async (request, reply, payload) => {
      if (request.headers["x-refuse"] !== undefined)
        throw Object.assign(new Error("no"), { statusCode: 418 });
      reply.header("x-sent", "yes");
      return shout(payload);
    });
  }

  @endpoint("/items", { stream: true, output: Type.Object({ word: Type.String() }) })
  async *items(): AsyncGenerator<{ word: string }> {
    try {
      yield { word: "one" };
      yield { word: "two" };
    } finally {
      this.aborted++;
    }
  }

  @endpoint("/none", { stream: true })
  async *none(): AsyncGenerator<string> {}

  @endpoint("/early", { stream: true })
  async *early(): AsyncGenerator<string> {
    throw new AppException("not today", 409);
  }

  @endpoint("/late", { stream: true })
  async *late(): AsyncGenerator<string> {
    yield "one";
    throw new AppException("no more", 409);
  }

  @endpoint("/endless", { stream: true })
  async *endless(): AsyncGenerator<string> {
    try {
      for (;;) yield "again".repeat(1000);
    } finally {
      this.aborted++;
    }
  }
}

test("onSend hooks get the stream of a streaming endpoint", async () => {
  await using served = await startTestServer(new Streaming());
  const answer = await served.post("/items");
  assert.equal(answer.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.equal(answer.headers.get("x-sent"), "yes");
  assert.equal(await answer.text(), 'DATA: {"WORD":"ONE"}\n\nDATA: {"WORD":"TWO"}\n\n');
  const none = await served.post("/none");
  assert.equal(none.status, 200);
  assert.equal(await none.text(), "");
  const early = await served.post("/early");
  assert.equal(early.status, 409);
  assert.equal(early.headers.get("x-sent"), "yes");
  assert.deepEqual(await early.json(), { detail: "not today" });
});

test("an error after the first item breaks the connection after all that the hooks made of the stream", async () => {
  await using served = await startTestServer(new Streaming());
  const answer = await served.post("/late");
  let text = "";
  await assert.rejects(async () => {
    for await (const chunk of answer.body ?? []) text += new TextDecoder().decode(chunk as Uint8Array);
  });
  assert.equal(text, 'DATA: "ONE"\n\nEVENT: ERROR\nDATA: {"DETAIL":"NO MORE","STATUS":409}\n\n');
});

test("a hook that fails answers in place of the stream, and the generator is closed", async () => {
  const app = new Streaming();
  await using served = await serveApp(app);
  const answer = await served.post("/endless", undefined, { headers: { "x-refuse": "yes" } });
  assert.equal(answer.status, 418);
  const labels = { method: "POST", path: "/endless", status_code: "418" };
  await served.metricsWhen((metrics) => metrics.value("http_requests_total", labels) === 1);
  assert.equal(app.aborted, 1);
});

test("a client that leaves a stream that is sent through hooks aborts it", async () => {
  const app = new Streaming();
  await using served = await serveApp(app);
  const leave = new AbortController();
  const answer = await served.post("/endless", undefined, { signal: leave.signal });
  await answer.body?.getReader().read();
  leave.abort();
  const labels = { method: "POST", path: "/endless", status_code: "499" };
  await served.metricsWhen((metrics) => metrics.value("http_requests_total", labels) === 1);
  assert.equal(app.aborted, 1);
});

test("an onSend hook that lifespan() adds gets streams, too", async () => {
  class Late extends App {
    override async *lifespan(server: FastifyInstance): AsyncGenerator<void, void, void> {
      server.addHook("onSend", async (_request, _reply, payload) => shout(payload));
      yield;
    }
    @endpoint("/items", { stream: true })
    async *items(): AsyncGenerator<string> {
      yield "one";
    }
  }
  await using served = await startTestServer(new Late());
  assert.equal(await (await served.post("/items")).text(), 'DATA: "ONE"\n\n');
});

test("hooks apply to the pages of the documentation", async () => {
  await using served = await startTestServer(new Streaming());
  const page = await fetch(`${served.url}/docs`);
  assert.equal(page.headers.get("x-sent"), "yes");
  assert.match(page.headers.get("content-security-policy") ?? "", /script-src 'self'/);
  const [, script = ""] = /<script src="([^"]+)"/.exec(await page.text()) ?? [];
  const asset = await fetch(new URL(script, `${served.url}/docs/`));
  assert.equal(asset.status, 200);
  assert.equal(asset.headers.get("x-sent"), "yes");
  assert.match(asset.headers.get("content-type") ?? "", /javascript/);
  const lost = await fetch(`${served.url}/docs/nope`);
  assert.deepEqual(await lost.json(), { detail: "Path /docs/nope not found" });
});

class Routed extends App {
  override configure(server: FastifyInstance): void {
    server.post("/own", (request) => ({ body: request.body }));
    server.get("/logs", (request) => {
      request.log.info("from a route");
      server.log.info("from the server");
      return { id: request.id };
    });
    server.get("/fails", () => {
      throw new Error("a secret");
    });
    server.get("/teapot", () => {
      throw Object.assign(new Error("short and stout"), { statusCode: 418, headers: { "x-pot": "tea" } });
    });
    server.get("/health", () => ({ mine: true }));
    server.post("/checked", { schema: { body: { type: "object", required: ["n"] } } }, () => "ok");
  }
  @endpoint("/context")
  context(): string {
    return "ran";
  }
}

test("routes of configure() have Fastify's own parsing of bodies", async () => {
  await using served = await startTestServer(new Routed());
  assert.deepEqual(await (await served.post("/own", { a: 1 })).json(), { body: { a: 1 } });
  const text = await served.post("/own", "some text", { "content-type": "text/plain" });
  assert.deepEqual(await text.json(), { body: "some text" });
  assert.equal((await fetch(`${served.url}/logs`, { method: "HEAD" })).status, 200);
  assert.equal((await fetch(`${served.url}/docs`, { method: "HEAD" })).status, 405);
  assert.equal((await served.post("/logs")).status, 405);
  const broken = await served.post("/own", "{");
  assert.equal(broken.status, 400);
  const xml = await served.post("/own", "<a/>", { "content-type": "text/xml" });
  assert.equal(xml.status, 415);
  assert.deepEqual(Object.keys((await xml.json()) as object), ["detail"]);
  const invalid = await served.post("/checked", {});
  assert.equal(invalid.status, 400);
  assert.deepEqual(await invalid.json(), { detail: "body must have required property 'n'" });
  const lost = await served.post("/lost", "{");
  assert.equal(lost.status, 404);
});

test("errors of routes of configure() have the documented form and the status that they name", async () => {
  const { logger, lines } = captureLogs();
  await using served = await startTestServer(new Routed(), { logger });
  const failed = await fetch(`${served.url}/fails`);
  assert.equal(failed.status, 500);
  assert.deepEqual(await failed.json(), { detail: "Internal Server Error" });
  assert.ok(lines.some((line) => JSON.stringify(line).includes("a secret")));
  const teapot = await fetch(`${served.url}/teapot`);
  assert.equal(teapot.status, 418);
  assert.equal(teapot.headers.get("x-pot"), "tea");
  assert.deepEqual(await teapot.json(), { detail: "short and stout" });
});

test("request.log and server.log write to the server's log, with the request's id", async () => {
  const { logger, lines } = captureLogs();
  await using served = await startTestServer(new Routed(), { logger });
  await fetch(`${served.url}/logs`, { headers: { "x-fal-request-id": "abc" } });
  const { id } = (await (await fetch(`${served.url}/logs`)).json()) as { id: string };
  const routes = lines.filter((line) => line.msg === "from a route");
  assert.deepEqual(
    routes.map((line) => line["requestId"]),
    ["abc", id],
  );
  assert.equal(lines.filter((line) => line.msg === "from the server").length, 2);
  assert.deepEqual(
    lines.filter((line) => /listening|incoming|completed/.test(line.msg)),
    [],
  );
});

test("a route of configure() replaces a probe, and one at the path of an endpoint is an error", async () => {
  await using served = await startTestServer(new Routed());
  assert.deepEqual(await (await fetch(`${served.url}/health`)).json(), { mine: true });
  class Clashing extends Routed {
    override configure(server: FastifyInstance): void {
      server.post("/context", () => "mine");
    }
  }
  await assert.rejects(startTestServer(new Clashing()), {
    code: "ROUTE_PATH_TAKEN",
    message: "configure() adds POST /context, which context() serves; change the path of one.",
  });
});

test("browsers of any origin may call the routes of configure(), as they may call endpoints", async () => {
  const server = new Routed().buildServer({
    cors: { origins: ["https://page.example"], credentials: true },
    logger: silentLogger(),
  });
  const answer = await server.inject({ url: "/logs", headers: { origin: "https://page.example" } });
  assert.equal(answer.headers["access-control-allow-origin"], "https://page.example");
  const refused = await server.inject({ url: "/logs", headers: { origin: "https://other.example" } });
  assert.equal(refused.statusCode, 403);
  await server.close();
});

test("the app's own not-found and error handlers get only what the framework does not answer", async () => {
  class Handling extends Routed {
    override configure(server: FastifyInstance): void {
      super.configure(server);
      server.setNotFoundHandler((request, reply) => reply.code(404).send({ lost: request.url }));
      server.setErrorHandler((error: Error, _request, reply) => {
        if (error.message === "a secret") return reply.code(500).send({ mine: true });
        throw error;
      });
      server.addHook("onRequest", async (request) => {
        if (request.headers["x-fail"] !== undefined) throw new Error("a secret");
      });
    }
    @endpoint("/raise")
    raise(): void {
      throw new AppException("raised", 409);
    }
  }
  await using served = await startTestServer(new Handling(), {
    cors: { origins: ["https://page.example"], credentials: true },
  });
  assert.deepEqual(await (await fetch(`${served.url}/nope`)).json(), { lost: "/nope" });
  assert.equal((await fetch(`${served.url}/context`)).status, 405);
  assert.equal((await fetch(`${served.url}/context/`, { redirect: "manual" })).status, 307);
  const refused = await fetch(`${served.url}/nope`, { headers: { origin: "https://other.example" } });
  assert.equal(refused.status, 403);
  const preflight = await fetch(`${served.url}/nope`, {
    method: "OPTIONS",
    headers: { origin: "https://page.example", "access-control-request-method": "POST" },
  });
  assert.equal(preflight.status, 200);
  assert.deepEqual(await (await fetch(`${served.url}/fails`)).json(), { mine: true });
  assert.deepEqual(await (await fetch(`${served.url}/teapot`)).json(), { detail: "short and stout" });
  const hook = await served.post("/context", undefined, { "x-fail": "yes" });
  assert.deepEqual(await hook.json(), { mine: true });
  assert.deepEqual(await (await served.post("/raise")).json(), { detail: "raised" });
  assert.equal((await served.post("/context", "[".repeat(300), {})).status, 200);
});

test("a browser that opens the app's address is led to /docs, unless the app has a page of its own there", async () => {
  const headers = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
  const open = (url: string) => fetch(`${url}/`, { headers, redirect: "manual" });
  class Root extends App {
    @endpoint("/")
    run(): string {
      return "ran";
    }
  }
  class Socket extends App {
    @realtime("/")
    live(input: Record<string, unknown>): Record<string, unknown> {
      return input;
    }
  }
  class Own extends Routed {
    override configure(server: FastifyInstance): void {
      server.get("/", () => "mine");
    }
  }
  for (const app of [new Root(), new Socket(), new Routed()]) {
    await using served = await startTestServer(app, { rootPath: "/user/app" });
    const answer = await open(served.url);
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.get("location"), "/user/app/docs");
    const plain = await fetch(`${served.url}/`, { redirect: "manual" });
    assert.equal(plain.status, app instanceof Root ? 405 : 404);
  }
  await using served = await startTestServer(new Own());
  assert.equal(await (await open(served.url)).text(), "mine");
});

test("the 404 of /metrics on the app's port says where the metrics are", async () => {
  await using served = await serveApp(new Routed());
  const { detail } = (await (await fetch(`${served.url}/metrics`)).json()) as { detail: string };
  const [, url = ""] =
    /^Path \/metrics not found; metrics are on a port of their own, at (\S+)$/.exec(detail) ?? [];
  assert.match(await (await fetch(url)).text(), /fal_app_info/);
  await using without = await startTestServer(new Routed());
  assert.deepEqual(await (await fetch(`${without.url}/metrics`)).json(), {
    detail: "Path /metrics not found; metrics are on a port of their own",
  });
});

test("configure() that throws, and a plugin that fails, end the start with the reason", async () => {
  class Throwing extends Routed {
    override configure(): void {
      throw new Error("no key in the environment");
    }
  }
  class Failing extends Routed {
    override configure(server: FastifyInstance): void {
      server.register(async () => {
        throw new Error("no database");
      });
    }
  }
  await assert.rejects(serveApp(new Throwing()), {
    code: "SETUP_FAILED",
    message: "configure() of throwing failed: no key in the environment",
  });
  await assert.rejects(serveApp(new Failing()), { message: "configure() of failing failed: no database" });
});

test("the address of an app that asks for keys leads a browser to /docs, and answers nothing else without a key", async () => {
  class KeyedSocket extends App {
    override authenticate(request: FastifyRequest): object | undefined {
      return request.headers.authorization === "Bearer a-key" ? {} : undefined;
    }
    @realtime("/")
    live(input: Record<string, unknown>): Record<string, unknown> {
      return input;
    }
  }
  class Keyed extends Routed {
    override authenticate(request: FastifyRequest): object | undefined {
      return request.headers.authorization === "Bearer a-key" ? {} : undefined;
    }
    override configure(server: FastifyInstance): void {
      super.configure(server);
      server.setNotFoundHandler((_request, reply) => reply.code(404).send("mine"));
    }
  }
  await using socketed = await startTestServer(new KeyedSocket());
  await using served = await startTestServer(new Keyed());
  const get = async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
    (await fetch(served.url + path, { headers, redirect: "manual" })).status;
  assert.equal(await get("/", { accept: "text/html" }), 307);
  assert.equal(await get("/docs"), 200);
  for (const path of ["/", "/nope", "/metrics", "/context", "/context/", "/logs", "/openapi.json"]) {
    assert.equal(await get(path), 401, path);
    if (path !== "/") assert.equal(await get(path, { accept: "text/html" }), 401, path);
  }
  assert.equal(await get("/nope", { authorization: "Bearer a-key" }), 404);
  const page = { accept: "text/html" };
  const led = await socketed.request("GET", "/", { headers: page });
  assert.deepEqual([led.status, led.headers.get("location")], [307, "/docs"]);
  assert.equal((await socketed.request("GET", "/")).status, 401);
  assert.equal((await socketed.request("POST", "/", { headers: page })).status, 401);
  await assert.rejects(connectTestSocket(`${socketed.url}/`, {}, { headers: page }), /response: 401/);
  const live = await connectTestSocket(
    `${socketed.url}/`,
    {},
    { headers: { ...page, authorization: "Bearer a-key" } },
  );
  await live.close();
});
