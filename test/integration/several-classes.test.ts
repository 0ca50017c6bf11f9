import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import {
  App,
  AppException,
  bearerTokens,
  endpoint,
  multipart,
  realtime,
  serve,
  type RequestContext,
  type ServeOptions,
  type ServableClass,
  type ServedClass,
  upload,
  websocket,
  type RawWebSocket,
} from "servable";
import { connectTestSocket } from "servable/testing";
import { WebSocket } from "ws";
import { DESCRIBE } from "../../src/routes/servable.ts";
import { Group } from "../../src/server/group/group.ts";
import { rootDefinition } from "../../src/server/group/root.ts";
import { type ServedApp, serveWith } from "../helpers/served-app.ts";
import { captureLogs } from "../helpers/captured-logs.ts";
import { exchange, openSocket, rawRequest, statusOf, upgrade as openWebsocket } from "../helpers/sockets.ts";

const Text = Type.Object({ text: Type.String() });
type Text = Static<typeof Text>;

class Upper extends App {
  static override version = "1.0.0";

  @endpoint("/say", { input: Text })
  say({ text }: Text): string {
    return `upper ${text.toUpperCase()}`;
  }

  @endpoint("/steps", { stream: true })
  async *steps(): AsyncGenerator<string> {
    yield "one";
    yield "two";
  }
}

class LowerCase extends App {
  static override version = "2.0.0";

  @endpoint("/say", { input: Text })
  say({ text }: Text): string {
    return `lower ${text.toLowerCase()}`;
  }

  @realtime("/live", { input: Text })
  live({ text }: Text): Text {
    return { text: text.toLowerCase() };
  }

  @websocket("/raw")
  raw(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    socket.on("message", (data) => socket.send(String(data)));
    return new Promise((resolve) => ctx.signal.addEventListener("abort", () => resolve()));
  }
}

/** The files of a certificate for this machine, removed after the tests; undefined without openssl. */
function selfSigned(): { key: string; certificate: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), "servable-group-"));
  after(() => rmSync(folder, { recursive: true }));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"],
    ...["-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
  ]);
  return made.status === 0 ? { key, certificate } : undefined;
}

const serveClasses = (
  classes: readonly (ServableClass | ServedClass)[],
  options: ServeOptions = {},
): Promise<ServedApp> => serveWith((given) => serve(classes, given), options);

const portOf = ({ url }: ServedApp): number => Number(new URL(url).port);

describe("several classes on one port", { timeout: 60_000 }, () => {
  test("each answers under the name of its app, or under the prefix that was chosen", async () => {
    await using served = await serveClasses([Upper, { class: LowerCase, prefix: "/team/low" }]);
    const say = async (path: string): Promise<unknown> => (await served.post(path, { text: "Hi" })).json();
    assert.equal(await say("/upper/say"), "upper HI");
    assert.equal(await say("/team/low/say"), "lower hi");
    assert.deepEqual(await say("/say"), { detail: "Path /say not found" });
    assert.deepEqual(await say("/lower-case/say"), { detail: "Path /lower-case/say not found" });
    assert.match(await (await served.post("/upper/steps")).text(), /"one"[^]*"two"/);
    const socket = await connectTestSocket(`${served.url}/team/low/live`);
    socket.send({ text: "LIVE" });
    assert.deepEqual(await socket.next(), { text: "live" });
    await socket.close();
  });

  test("each has its own document, pages and health below its prefix", async () => {
    await using served = await serveClasses([Upper, LowerCase]);
    for (const [prefix, version] of [
      ["/upper", "1.0.0"],
      ["/lower-case", "2.0.0"],
    ]) {
      const get = (path: string): Promise<Response> => fetch(served.url + prefix + path);
      const document = (await (await get("/openapi.json")).json()) as Record<string, unknown>;
      assert.deepEqual(document["servers"], [{ url: prefix }]);
      assert.ok("/say" in (document["paths"] as object));
      const page = await (await get("/docs")).text();
      const [, script = ""] = /src="([^"]+swagger-ui-bundle\.js)"/.exec(page) ?? [];
      const address = new URL(script, `${served.url}${prefix}/docs`);
      assert.ok(address.pathname.startsWith(`${prefix}/docs/`), script);
      assert.equal((await fetch(address)).status, 200);
      assert.deepEqual(await (await get("/health")).json(), { version });
      const opened = await fetch(served.url + prefix, {
        headers: { accept: "text/html" },
        redirect: "manual",
      });
      assert.equal(opened.headers.get("location"), `${prefix}/docs`);
    }
  });

  test("the root lists the classes, as a page or as JSON, and has nothing else but probes", async () => {
    await using served = await serveClasses([Upper, LowerCase]);
    const json = await fetch(served.url);
    assert.equal(json.headers.get("vary"), "Accept");
    const { apps } = (await json.json()) as { apps: Record<string, string>[] };
    assert.deepEqual(apps[1], {
      path: "/lower-case",
      docs: "/lower-case/docs",
      openapi: "/lower-case/openapi.json",
      health: "/lower-case/health",
    });
    for (const path of apps.flatMap(({ docs = "", openapi = "", health = "" }) => [docs, openapi, health])) {
      assert.equal((await fetch(served.url + path)).status, 200, path);
    }
    const page = await fetch(served.url, { headers: { accept: "text/html" } });
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    assert.match(await page.text(), /<a href="&#\d+;|<a href="\/upper\/docs">\/upper<\/a>/);
    for (const path of ["/docs", "/openapi.json", "/metrics", "/upperr", "/Upper/say"]) {
      const answer = await fetch(served.url + path);
      assert.equal(answer.status, 404, path);
      assert.match(((await answer.json()) as { detail: string }).detail, /^Path \S+ not found/);
    }
    assert.equal((await fetch(served.url, { method: "POST" })).status, 405);
    const { detail } = (await (await fetch(`${served.url}/upper/metrics`)).json()) as { detail: string };
    assert.match(detail, /metrics are on a port of their own, at http:/);
  });

  test("the root has its own checks of hosts and origins, and so has each class", async () => {
    await using served = await serveClasses([Upper, LowerCase], {
      cors: { origins: ["https://example.com"] },
    });
    for (const path of ["/", "/nothing", "/upper/health", "/lower-case/docs"]) {
      const foreign = rawRequest("GET", path, { host: "evil.example" });
      assert.equal(statusOf(await exchange(portOf(served), foreign)), 403, path);
      const page = await fetch(served.url + path, { headers: { origin: "https://example.org" } });
      assert.equal(page.status, 403, path);
      const allowed = await fetch(served.url + path, { headers: { origin: "https://example.com" } });
      assert.equal(allowed.headers.get("access-control-allow-origin"), "https://example.com", path);
    }
    const probe = rawRequest("GET", "/readyz", { host: "10.0.0.1" });
    assert.equal(statusOf(await exchange(portOf(served), probe)), 200);
  });

  test("the root path of a proxy precedes the prefixes, whether or not the proxy removes it", async () => {
    await using served = await serveClasses([Upper, LowerCase], { rootPath: "/user/app" });
    for (const path of ["/upper/say", "/user/app/upper/say"]) {
      assert.equal(await (await served.post(path, { text: "x" })).json(), "upper X", path);
    }
    for (const path of ["/lower-case/live", "/user/app/lower-case/live"]) {
      const socket = await connectTestSocket(served.url + path);
      socket.send({ text: "X" });
      assert.deepEqual(await socket.next(), { text: "x" });
      await socket.close();
    }
    const { servers } = (await (await fetch(`${served.url}/upper/openapi.json`)).json()) as {
      servers: unknown;
    };
    assert.deepEqual(servers, [{ url: "/user/app/upper" }]);
    for (const path of ["/", "/user/app", "/user/app/"]) {
      const { apps } = (await (await fetch(served.url + path)).json()) as { apps: { path: string }[] };
      assert.deepEqual(
        apps.map((each) => each.path),
        ["/user/app/upper", "/user/app/lower-case"],
      );
    }
    const page = await (await fetch(`${served.url}/upper/docs`)).text();
    assert.match(page, /\/user\/app\/upper\/docs\/static/);
  });

  test("a request costs memory, disk and websockets of one budget for all", async () => {
    class Holder extends App {
      @endpoint("/hold", { input: Type.Object({ text: Type.String() }) })
      hold(): string {
        return "held";
      }

      @websocket("/raw")
      raw(): Promise<void> {
        return new Promise(() => {});
      }
    }
    await using served = await serveClasses(
      [
        { class: Holder, prefix: "/a" },
        { class: Holder, prefix: "/b" },
      ],
      { maxSessions: 1, bodyLimitBytes: 40_000, maxBytesInFlight: 50_000 },
    );
    const socket = await openWebsocket(portOf(served), "/a/raw");
    const second = await exchange(
      portOf(served),
      rawRequest("GET", "/b/raw", {
        ...{ connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
        "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
      }),
    );
    assert.equal(statusOf(second), 429);
    const isClosed = once(socket, "close");
    socket.destroy();
    await isClosed;
    // A body that is still arriving at one class takes the memory that the other one needs.
    const arriving = await openSocket(portOf(served));
    const head = `POST /a/hold HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 30000\r\n\r\n{`;
    arriving.write(head);
    await served.metricsWhen((metrics) => metrics.value("servable_bytes_in_flight") >= 30_000);
    const refused = await served.post("/b/hold", { text: "x".repeat(30_000) });
    assert.equal(refused.status, 429);
    arriving.destroy();
    await served.metricsWhen((metrics) => metrics.value("servable_bytes_in_flight") === 0);
    assert.equal((await served.post("/b/hold", { text: "x".repeat(30_000) })).status, 200);
  });

  test("the memory and the disk space for all fit the largest body that any class allows", () => {
    class Large extends App {
      static override bodyLimitBytes = 3 * 2 ** 30;

      @endpoint("/store", { input: multipart({ file: upload() }) })
      store(): void {}
    }
    const members = [Upper, Large, LowerCase].map((type) => {
      const app = new type();
      return { prefix: `/${app.appName}`, definition: app[DESCRIBE]() };
    });
    const { logger } = captureLogs();
    const { root } = new Group(members, rootDefinition(members, logger), { logger });
    assert.ok(root.state.budget.maxBytes >= 3 * 2 ** 30);
  });

  test("a dozen classes cause no warning", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const classes = Array.from({ length: 12 }, (_, index) => ({ class: Upper, prefix: `/c${index}` }));
    await using served = await serveClasses(classes);
    for (const { prefix } of classes) {
      assert.equal(await (await served.post(`${prefix}/say`, { text: "x" })).json(), "upper X");
    }
    process.off("warning", onWarning);
    assert.deepEqual(warnings, []);
  });

  test("over TLS each class answers requests and upgrades, also after a declined upgrade", async (context) => {
    const files = selfSigned();
    if (files === undefined) return context.skip("openssl is not installed");
    await using served = await serveClasses([Upper, LowerCase], { https: files });
    assert.match(served.url, /^https:/);
    const live = new WebSocket(`${served.url.replace("https", "wss")}/lower-case/raw`, {
      rejectUnauthorized: false,
    });
    await once(live, "open");
    live.send("x");
    assert.equal(String((await once(live, "message"))[0]), "x");
    live.close();
    const socket = connectTls({ port: portOf(served), host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    const head = "HTTP/1.1\r\nhost: localhost\r\n";
    socket.write(`GET /upper/health ${head}upgrade: h2c\r\nconnection: upgrade\r\n\r\n`);
    socket.write(`GET /lower-case/health ${head}connection: close\r\n\r\n`);
    await once(socket, "close");
    assert.deepEqual(
      [...received.matchAll(/"version":"(.)/g)].map(([, version]) => version),
      ["1", "2"],
    );
  });

  test("on a unix socket each class answers, and its lines of the access log have its prefix", async () => {
    const folder = mkdtempSync(join(tmpdir(), "servable-group-"));
    const { logger, lines } = captureLogs();
    const unixSocket = join(folder, "app.sock");
    {
      await using served = await serveWith(
        (options) => serve([Upper, LowerCase], { ...options, port: undefined, unixSocket }),
        { accessLog: true, logger },
      );
      assert.equal(served.url, `unix:${unixSocket}`);
      for (const [path, status] of [
        ["/upper/health", 200],
        ["/lower-case/health", 200],
        ["/nothing", 404],
      ] as const) {
        const asked = request({
          socketPath: unixSocket,
          path,
          headers: { host: "localhost" },
          agent: false,
        }).end();
        const [answer] = (await once(asked, "response")) as [IncomingMessage];
        answer.resume();
        await once(answer, "close");
        assert.equal(answer.statusCode, status, path);
      }
    }
    const logged = lines.filter(({ msg }) => msg === "request answered").map(({ path, app }) => [path, app]);
    assert.deepEqual(logged, [
      ["/upper/health", "upper"],
      ["/lower-case/health", "lower-case"],
      ["/nothing", undefined],
    ]);
    rmSync(folder, { recursive: true });
  });
});

describe("a class that identifies its callers, beside one that does not", { timeout: 60_000 }, () => {
  let runs = 0;
  class Guarded extends App {
    override authenticate(request: FastifyRequest): unknown {
      return request.headers.authorization === "Bearer secret" ? "someone" : undefined;
    }

    @endpoint("/x", { method: "GET" })
    x(): string {
      runs++;
      return "secret";
    }

    @websocket("/raw")
    raw(socket: RawWebSocket): void {
      runs++;
      socket.send("secret");
    }
  }
  class Open extends App {
    @endpoint("/x", { method: "GET" })
    x(): string {
      return "open";
    }

    /** A path that looks like one of the other class. */
    @endpoint("/guarded/x", { method: "GET" })
    likeGuarded(): string {
      return "open too";
    }

    @endpoint("/own/:rest", { method: "GET" })
    own(): string {
      return "open parameter";
    }
  }

  /** Each way to write a target, and the status without a key. 401: the guarded class, 200: the open one or the root. */
  const WAYS: readonly (readonly [target: string, status: number])[] = [
    ["/guarded/x", 401],
    ["/guarded", 401],
    ["/guarded/", 401],
    ["/guarded?x", 401],
    ["/guarded/x?/open/x", 401],
    ["/guarded//x", 401],
    ["/guarded/./x", 401],
    ["/guarded/%78", 401],
    ["/guarded/../open/x", 401],
    ["/guarded/../guarded/x", 401],
    ["/guarded/x/", 401],
    ["/guarded/x#/open", 401],
    ["/guarded/x;a=1", 401],
    ["/guarded/health", 200],
    ["/guarded/docs", 200],
    ["/guarded/openapi.json", 401],
    ["/guardedx", 404],
    ["/guarded;/x", 404],
    ["/guarded#/x", 404],
    ["/guarded%2fx", 404],
    ["/guarded%2Fx", 404],
    ["/guarded\\x", 404],
    ["/guarded%00/x", 404],
    ["/%67uarded/x", 404],
    ["/GUARDED/x", 404],
    ["//guarded/x", 404],
    ["///guarded/x", 404],
    ["/./guarded/x", 404],
    ["/.//guarded/x", 404],
    ["/../guarded/x", 404],
    ["/x/../guarded/x", 404],
    ["/%2e/guarded/x", 404],
    ["/%2fguarded/x", 404],
    ["\\guarded\\x", 400],
    ["guarded/x", 400],
    ["http://localhost/guarded/x", 404],
    ["HTTP://localhost/guarded/x", 404],
    ["http://localhost//guarded/x", 404],
    ["http://localhost/open/../guarded/x", 404],
    ["http://evil.example/guarded/x", 403],
    ["http://user@localhost/guarded/x", 403],
    ["/open/x", 200],
    ["/open/guarded/x", 200],
    ["/open/../guarded/x", 404],
    ["/open//guarded/x", 404],
    ["/open/%2e%2e/guarded/x", 404],
    ["/open/..%2fguarded%2fx", 404],
    ["/open/own/..%2f..%2fguarded%2fx", 200],
    ["/open/http://localhost/guarded/x", 404],
    ["/open?/guarded/x", 404],
    ["/", 200],
    ["/?/guarded/x", 200],
    ["/health", 200],
    ["/(refused)", 404],
    ["/(refused)/guarded/x", 404],
    ["*", 200],
  ];

  test("no way to write a path leads to it without a key", async () => {
    await using served = await serveClasses([Guarded, Open]);
    for (const [target, status] of WAYS) {
      const answer = await exchange(portOf(served), rawRequest("GET", target));
      assert.equal(statusOf(answer), status, `GET ${target}: ${answer}`);
      assert.doesNotMatch(answer, /secret/);
      const upgraded = await exchange(
        portOf(served),
        rawRequest("GET", target.replace(/x(?=$|[?#/;])/, "raw"), {
          ...{ connection: "close, upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
          "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        }),
      );
      assert.notEqual(statusOf(upgraded), 101, `upgrade of ${target}`);
    }
    assert.equal(runs, 0);
    const authorization = "Bearer secret";
    assert.equal(
      statusOf(await exchange(portOf(served), rawRequest("GET", "/guarded/x", { authorization }))),
      200,
    );
    assert.equal(runs, 1);
  });

  test("requests on one connection reach their own class, in order, also after a declined upgrade", async () => {
    await using served = await serveClasses([Guarded, Open]);
    const offer = "upgrade: websocket\r\nconnection: upgrade\r\n";
    const one = (target: string, more = ""): string =>
      `GET ${target} HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`;
    const answer = await exchange(
      portOf(served),
      [
        one("/open/x", offer),
        one("/guarded/x"),
        one("/guarded/x", offer),
        one("/open/x"),
        one("/nothing", offer),
        one("/open/x"),
        one("/guarded/x", "connection: close\r\n"),
      ].join(""),
    );
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    assert.deepEqual(statuses, [200, 401, 401, 200, 404, 200, 401]);
    assert.doesNotMatch(answer, /secret/);
  });

  test("the option auth applies to every class and not to the list, and is refused beside a class's own", async () => {
    const auth = bearerTokens(["key-of-all-classes"]);
    await using served = await serveClasses([Upper, LowerCase], { auth });
    const authorization = "Bearer key-of-all-classes";
    for (const path of ["/upper/say", "/lower-case/say"]) {
      assert.equal((await served.post(path, { text: "x" })).status, 401);
      assert.equal((await served.post(path, { text: "x" }, { headers: { authorization } })).status, 200);
    }
    assert.equal((await fetch(served.url)).status, 200);
    await assert.rejects(
      serveClasses([Upper, Guarded], { auth }),
      /guarded identifies its callers itself; drop/,
    );
  });
});

describe("the life of several classes", { timeout: 60_000 }, () => {
  const events: string[] = [];
  class Logged extends App {
    override setup(): void | Promise<void> {
      events.push(`setup ${this.constructor.name}`);
    }

    override configure(server: FastifyInstance): void {
      const { name } = this.constructor;
      server.addHook("onListen", async () => {
        const address = server.server.address() as AddressInfo;
        events.push(`listen ${name} ${address.port > 0 && server.server.listening}`);
      });
      server.addHook("preClose", async () => {
        events.push(`preClose ${name}`);
        await onStop(name);
      });
    }

    override handleExit(): void {
      events.push(`exit ${this.constructor.name}`);
    }

    override teardown(): void {
      events.push(`teardown ${this.constructor.name}`);
    }

    @endpoint("/wait")
    wait(ctx: RequestContext): Promise<string> {
      events.push(`run ${this.constructor.name}`);
      return new Promise((resolve) => {
        ctx.signal.addEventListener("abort", () => {
          events.push(`abort ${this.constructor.name}`);
          resolve("aborted");
        });
        releases.push(() => resolve("waited"));
      });
    }
  }
  let onStop = async (_name: string): Promise<void> => {};
  const releases: (() => void)[] = [];
  const release = (): void => releases.splice(0).forEach((each) => each());
  class First extends Logged {}
  class Second extends Logged {}

  test("all are set up before the port opens; a stop waits for the calls of each, then tears all down", async () => {
    events.length = 0;
    const served = await serveClasses([First, Second]);
    assert.deepEqual(events.toSorted(), [
      ...["listen First true", "listen Second true", "setup First", "setup Second"],
    ]);
    const call = served.post("/second/wait");
    while (!events.includes("run Second")) await new Promise(setImmediate);
    const stopped = served[Symbol.asyncDispose]();
    while (!events.includes("preClose Second")) await new Promise(setImmediate);
    assert.ok(!events.some((event) => event.startsWith("teardown")), String(events));
    release();
    assert.equal(await (await call).json(), "waited");
    await stopped;
    for (const name of ["First", "Second"]) {
      for (const event of ["exit", "preClose", "teardown"]) {
        assert.equal(
          events.filter((each) => each === `${event} ${name}`).length,
          1,
          `${event} ${name}: ${events}`,
        );
      }
    }
  });

  test("if the setup of one fails, the others are torn down, and the error names the class", async () => {
    class Failing extends Logged {
      override setup(): void {
        throw new Error("no weights");
      }
    }
    for (const classes of [
      [First, Failing],
      [Failing, First],
    ]) {
      events.length = 0;
      await assert.rejects(serveClasses(classes), {
        code: "SETUP_FAILED",
        message: "setup() of failing failed: no weights",
      });
      assert.deepEqual(
        events.filter((event) => !event.startsWith("preClose")),
        ["setup First", "teardown First"],
      );
    }
  });

  test("if the port is taken, nothing is set up", async () => {
    await using other = await serveClasses([Upper, LowerCase]);
    events.length = 0;
    await assert.rejects(serveClasses([First, Second], { port: portOf(other) }), {
      code: "PORT_UNAVAILABLE",
    });
    assert.deepEqual(events, []);
  });

  test("a forced stop aborts the calls of every class", async () => {
    events.length = 0;
    const { logger, lines } = captureLogs();
    const cut = new AbortController();
    const served = await serveClasses([First, Second], { cutSignal: cut.signal, logger });
    const calls = [served.post("/first/wait"), served.post("/second/wait")];
    while (!events.includes("run First") || !events.includes("run Second")) await new Promise(setImmediate);
    cut.abort();
    for (const call of calls) assert.equal((await call).status, 503);
    await served[Symbol.asyncDispose]();
    assert.ok(
      lines.some(({ msg }) => msg === "the stop was forced: aborting requests that are still running"),
    );
    for (const name of ["First", "Second"]) {
      assert.ok(events.indexOf(`abort ${name}`) > 0, `${name} is aborted: ${events}`);
      assert.ok(events.indexOf(`teardown ${name}`) > events.indexOf(`abort ${name}`), String(events));
    }
  });

  test("an open realtime session of any class ends with the stop", async () => {
    const served = await serveClasses([Upper, LowerCase]);
    const sockets = await Promise.all(
      ["live", "raw"].map((path) => connectTestSocket(`${served.url}/lower-case/${path}`)),
    );
    await served[Symbol.asyncDispose]();
    const codes = await Promise.all(sockets.map(async (socket) => (await socket.closed).code));
    assert.deepEqual(codes, [1012, 1012]);
  });

  test("the probes at the root speak for all", async () => {
    let fault: Error | undefined;
    class Sick extends App {
      override health(): unknown {
        if (fault !== undefined) throw fault;
        return { fine: true };
      }

      @endpoint("/")
      answer(): string {
        return "yes";
      }
    }
    const { logger, lines } = captureLogs();
    await using served = await serveClasses([Upper, Sick], { logger });
    const health = async (): Promise<[number, unknown]> => {
      const answer = await fetch(`${served.url}/health`);
      return [answer.status, await answer.json()];
    };
    assert.deepEqual(await health(), [
      200,
      { apps: { "/upper": { version: "1.0.0" }, "/sick": { fine: true } } },
    ]);
    fault = new AppException("no GPU", 503);
    assert.deepEqual(await health(), [503, { detail: "/sick is unhealthy: no GPU" }]);
    fault = new Error("internal");
    assert.deepEqual(await health(), [500, { detail: "/sick is unhealthy: Internal Server Error" }]);
    assert.ok(lines.some(({ msg, app }) => msg === "GET /health failed" && app === "sick"));
    for (const path of ["/livez", "/readyz"]) assert.equal((await fetch(served.url + path)).status, 200);
  });

  test("while the server stops, no class is ready, and answers close their connection", async () => {
    events.length = 0;
    const served = await serveClasses([First, Second]);
    const calls = [served.post("/first/wait"), served.post("/second/wait")];
    while (!events.includes("run First") || !events.includes("run Second")) await new Promise(setImmediate);
    const statuses: unknown[] = [];
    onStop = async (name) => {
      if (name !== "Second") return;
      for (const path of ["/", "/first/", "/second/"]) {
        const answer = await fetch(`${served.url}${path}readyz`);
        statuses.push([path, answer.status, answer.headers.get("connection"), await answer.json()]);
      }
    };
    const stopped = served[Symbol.asyncDispose]();
    while (statuses.length < 3) await new Promise(setImmediate);
    onStop = async () => {};
    assert.deepEqual(
      statuses,
      ["/", "/first/", "/second/"].map((path) => [path, 503, "close", { status: "stopping" }]),
    );
    release();
    for (const call of calls) {
      const answer = await call;
      assert.equal(answer.headers.get("connection"), "close");
      assert.equal(await answer.json(), "waited");
    }
    await stopped;
  });

  test("--limit-max-requests counts the requests of all", async () => {
    let isOver = false;
    const { url } = await new Promise<{ url: string }>((resolve, reject) => {
      serve([Upper, LowerCase], {
        ...{ port: 0, metricsPort: false, handleSignals: false, limitMaxRequests: 3 },
        ...{ logger: captureLogs().logger, onListening: resolve },
      }).then(() => (isOver = true), reject);
    });
    for (const path of ["/upper/health", "/", "/lower-case/health"]) {
      assert.equal((await fetch(url + path)).status, 200);
    }
    while (!isOver) await new Promise(setImmediate);
  });

  test("metrics of routes with the same path differ by their class", async () => {
    await using served = await serveClasses([Upper, { class: LowerCase, prefix: "/team/low" }]);
    for (const path of ["/upper/say", "/team/low/say", "/team/low/say"])
      await served.post(path, { text: "x" });
    await fetch(`${served.url}/health`);
    const metrics = await served.metricsWhen(
      (read) =>
        read.value("http_requests_total", { method: "GET", path: "/health", status_code: "200" }) === 1,
    );
    const labels = { method: "POST", path: "/say", status_code: "200" };
    assert.equal(metrics.value("http_requests_total", { app: "upper", ...labels }), 1);
    assert.equal(metrics.value("http_requests_total", { app: "team/low", ...labels }), 2);
    assert.match(metrics.text, /^fal_app_info\{app="upper",version="1\.0\.0"\} 1$/m);
    assert.match(metrics.text, /^fal_app_info\{app="team\/low",version="2\.0\.0"\} 1$/m);
    for (const shared of ["servable_bytes_in_flight", "servable_stalled_readers_total"]) {
      assert.equal(metrics.text.match(new RegExp(`^${shared}\\{`, "gm"))?.length, 1, shared);
    }
    const seen = new Set<string>();
    for (const line of metrics.text.split("\n").filter((text) => /^\w+\{/.test(text))) {
      const sample = line.slice(0, line.lastIndexOf(" "));
      assert.ok(!seen.has(sample), `twice: ${sample}`);
      seen.add(sample);
    }
  });
});

describe("serve()", () => {
  test("serves a single class without a prefix at the root, as its own serve() does", async () => {
    await using served = await serveClasses([Upper]);
    assert.equal(await (await served.post("/say", { text: "x" })).json(), "upper X");
    assert.doesNotMatch((await served.metrics()).text, /app="/);
    await using chosen = await serveClasses([{ class: Upper, prefix: "/up" }]);
    assert.equal(await (await chosen.post("/up/say", { text: "x" })).json(), "upper X");
    assert.equal((await chosen.post("/say", { text: "x" })).status, 404);
  });

  test("refuses what it can't serve, by name", async () => {
    class Odd extends App {
      static override metricsPort = 1;

      @endpoint("/")
      answer(): string {
        return "";
      }
    }
    class Even extends Odd {
      static override metricsPort = 2;
    }
    for (const [classes, message] of [
      [[], /needs a list of servable classes/],
      [Upper, /needs a list of servable classes/],
      [[Upper, String], /got String; write a servable class, or \{ class: MyApp/],
      [[Upper, "/a"], /got "\/a"; write/],
      [[Upper, undefined], /got undefined; write/],
      [[Upper, { class: LowerCase, path: "/a" }], /unknown field path with LowerCase/],
      [[Upper, Upper], /upper and upper both have the prefix \/upper/],
      [[Upper, { class: LowerCase, prefix: "/upper/low" }], /lies below \/upper, the prefix of upper/],
      [[Upper, { class: LowerCase, prefix: "low" }], /The prefix "low" of lower-case is not valid/],
    ] as const) {
      const given = classes as unknown as readonly ServableClass[];
      await assert.rejects(serve(given, { handleSignals: false, logger: captureLogs().logger, port: 0 }), {
        code: "SETTING_INVALID",
        message,
      });
    }
    await assert.rejects(
      serve([Odd, Even], { handleSignals: false, logger: captureLogs().logger, port: 0 }),
      /odd and even have different values of metricsPort \(1 and 2\)/,
    );
  });

  test("different statics for what the port has once are refused by name, unless an option decides", async () => {
    const named = (name: string, statics: Readonly<Record<string, unknown>>): ServableClass => {
      const own = class extends Upper {};
      Object.defineProperty(own, "name", { value: name });
      return Object.assign(own, { appName: name }, statics) as unknown as ServableClass; // any static may be set
    };
    const files = { key: "key.pem", certificate: "cert.pem" };
    for (const [setting, one, other] of [
      ["backlog", 1, 2],
      ["headerLimitBytes", 2_000, 3_000],
      ["keepAliveTimeoutMs", 1_000, 2_000],
      ["maxConnections", 5, 6],
      ["maxUploadBytes", 5, 6],
      ["https", files, { ...files, key: "other.pem" }],
    ] as const) {
      const classes = [named("one", { [setting]: one }), named("other", { [setting]: other })];
      await assert.rejects(
        serve(classes, { handleSignals: false, logger: captureLogs().logger, port: 0 }),
        (error: Error) => {
          assert.match(error.message, new RegExp(`^one and other have different values of ${setting}`));
          assert.doesNotMatch(error.message, /\.pem/);
          return true;
        },
      );
    }
    const limited = [named("one", { headerLimitBytes: 2_000 }), named("other", {})];
    const large = { "x-large": "a".repeat(3_000) };
    {
      await using served = await serveClasses(limited);
      for (const path of ["/one/health", "/other/health", "/health"]) {
        assert.equal(statusOf(await exchange(portOf(served), rawRequest("GET", path, large))), 431, path);
      }
    }
    await using served = await serveClasses([named("third", { headerLimitBytes: 2_500 }), ...limited], {
      headerLimitBytes: 10_000,
    });
    assert.equal(statusOf(await exchange(portOf(served), rawRequest("GET", "/one/health", large))), 200);
  });
});
