import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { createFalClient } from "@fal-ai/client";
import { Type } from "typebox";
import { WebSocket } from "ws";
import {
  App,
  AppException,
  endpoint,
  realtime,
  RequestCancelledException,
  websocket,
  type RawWebSocket,
  type RequestContext,
  type ServeAddresses,
} from "servable";
import { FakeClock, startTestServer } from "servable/testing";
import { silentLogger } from "../helpers/silent-logger.ts";
import { bodyOf, exchange, rawRequest, statusOf } from "../helpers/sockets.ts";

const aborted = (ctx: RequestContext): Promise<unknown> => once(ctx.signal, "abort");

/** Every way to react to an aborted signal, or to ignore it. */
class Ends extends App {
  readonly begunCalls: string[] = [];
  metricsUrl = "";
  metrics = "";
  closed: { code: number; reason: string } | undefined;
  onBegun = (): void => {};

  override async teardown(): Promise<void> {
    if (this.metricsUrl !== "") this.metrics = await (await fetch(this.metricsUrl)).text();
  }

  begin(what: string): void {
    this.begunCalls.push(what);
    this.onBegun();
  }

  @endpoint("/deaf")
  deaf(): Promise<never> {
    this.begin("deaf");
    return new Promise(() => {});
  }

  @endpoint("/heeds")
  async heeds(ctx: RequestContext): Promise<void> {
    this.begin("heeds");
    await aborted(ctx);
    ctx.signal.throwIfAborted();
  }

  @endpoint("/cancelled")
  async cancelled(ctx: RequestContext): Promise<never> {
    this.begin("cancelled");
    await aborted(ctx);
    throw new RequestCancelledException();
  }

  @endpoint("/own-error")
  async ownError(ctx: RequestContext): Promise<never> {
    this.begin("own error");
    await aborted(ctx);
    throw new Error("gave up");
  }

  @endpoint("/returns")
  async returns(ctx: RequestContext): Promise<string> {
    this.begin("returns");
    await aborted(ctx);
    return "a part";
  }

  @endpoint("/line", { maxConcurrency: 1 })
  line(): Promise<never> {
    this.begin("line");
    return new Promise(() => {});
  }

  @endpoint("/no-item", { stream: true })
  async *noItem(): AsyncGenerator<string> {
    this.begin("no item");
    await new Promise(() => {});
  }

  @endpoint("/no-item-returns", { stream: true })
  async *noItemReturns(ctx: RequestContext): AsyncGenerator<string> {
    this.begin("no item, returns");
    await aborted(ctx);
  }

  @endpoint("/begun", { stream: true })
  async *begun(): AsyncGenerator<string> {
    yield "one";
    this.begin("begun");
    await new Promise(() => {});
  }

  @endpoint("/begun-returns", { stream: true })
  async *begunReturns(ctx: RequestContext): AsyncGenerator<string> {
    yield "one";
    this.begin("begun, returns");
    await aborted(ctx);
  }

  @endpoint("/fails", { stream: true })
  async *fails(): AsyncGenerator<string> {
    yield "one";
    throw new AppException("Out of rhymes", 409);
  }

  @realtime("/live", { input: Type.Object({}), output: Type.Object({}) })
  live(): Promise<never> {
    this.begin("live");
    return new Promise(() => {});
  }

  @websocket("/close")
  close(socket: RawWebSocket, ctx: RequestContext): void {
    socket.close(Number(ctx.query["code"]), String(ctx.query["reason"]));
  }

  @websocket("/recorded")
  async recorded(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.onBegun();
    });
    if (!ctx.signal.aborted) await aborted(ctx);
  }

  /** Resolves once the condition holds; checked whenever a handler begins. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.onBegun = resolve));
  }
}

const STOPPED = "The server stopped before the request was done.";
const EVENT = `event: error\ndata: {"detail":"${STOPPED}","status":503}\n\n`;
const UNANSWERED = [
  ...["/deaf", "/heeds", "/cancelled", "/own-error", "/returns", "/line", "/line"],
  ...["/no-item", "/no-item-returns"],
];
const BEGUN = ["/begun", "/begun-returns"];

test(
  "a forced stop returns 503 to every pending call, however its handler reacts",
  { timeout: 60_000 },
  async () => {
    const app = new Ends();
    const force = new AbortController();
    let served: Promise<void> | undefined;
    const {
      port = 0,
      url,
      metricsUrl,
    } = await new Promise<ServeAddresses>((resolve) => {
      const options = { port: 0, metricsPort: 0, logger: silentLogger(), handleSignals: false };
      served = app.serve({ ...options, cutSignal: force.signal, onListening: resolve });
    });
    app.metricsUrl = metricsUrl ?? "";
    const post = (path: string): Promise<string> =>
      exchange(port, rawRequest("POST", path, { connection: "keep-alive" }));
    const answers = [...UNANSWERED, ...BEGUN].map(post);
    const halfBody = exchange(port, rawRequest("POST", "/deaf", { "content-length": "9" }, "ab"));
    const socket = new WebSocket(`${url.replace("http", "ws")}/live`);
    await once(socket, "open");
    socket.send(Buffer.from([0x80]));
    await app.until(() => app.begunCalls.length === 11); // One of the two is queued.
    const socketClosed = once(socket, "close");
    force.abort();
    for (const [index, path] of UNANSWERED.entries()) {
      const answer = (await answers[index]) ?? "";
      assert.equal(statusOf(answer), 503, path);
      assert.deepEqual(JSON.parse(bodyOf(answer)), { detail: STOPPED }, path);
    }
    for (const [index, path] of BEGUN.entries()) {
      const answer = (await answers[UNANSWERED.length + index]) ?? "";
      assert.ok(answer.includes(EVENT), path);
      assert.ok(!answer.includes("\r\n0\r\n"), `${path} has no proper end`);
    }
    assert.equal(statusOf(await halfBody), 503);
    assert.deepEqual((await socketClosed)[0], 1012);
    await served;
    for (const path of new Set([...UNANSWERED, ...BEGUN])) {
      const counted = new RegExp(`^http_requests_total\\{.*path="${path}",status_code="(\\d+)"`, "gm");
      const codes = [...app.metrics.matchAll(counted)].map(([, code]) => code);
      assert.deepEqual(codes, ["503"], path);
    }
    assert.match(app.metrics, /realtime_sessions_closed_total\{.*path="\/live",code="1012"\} 1/);
  },
);

describe("a stream that fails", { timeout: 30_000 }, () => {
  test("ends without its last chunk; over HTTP/1.0 its error event arrives before the reset", async () => {
    await using served = await startTestServer(new Ends());
    for (const version of ["1.1", "1.0"]) {
      const head = `POST /fails HTTP/${version}\r\nhost: localhost\r\nconnection: keep-alive\r\ncontent-length: 0`;
      const answer = await exchange(served.port, `${head}\r\n\r\n`);
      assert.ok(answer.includes('event: error\ndata: {"detail":"Out of rhymes","status":409}\n\n'), answer);
      assert.ok(!answer.includes("\r\n0\r\n"), answer);
    }
  });

  test("is an error in fal's JavaScript client: done() rejects, and on('error') is called", async () => {
    await using served = await startTestServer(new Ends());
    const fal = createFalClient({
      credentials: "none",
      fetch: () => fetch(`${served.url}/fails`, { method: "POST" }),
    });
    const stream = await fal.stream("me/app", { input: {} });
    const seen: unknown[] = [];
    let failure: unknown;
    stream.on("data", (item: unknown) => seen.push(item));
    stream.on("error", (error: unknown) => (failure = error));
    await assert.rejects(stream.done());
    assert.ok(failure instanceof Error);
    assert.deepEqual(seen, ["one", { detail: "Out of rhymes", status: 409 }]);
  });

  test("is complete for inject(), which has no connection to break", async () => {
    await using served = await startTestServer(new Ends());
    const { payload } = await served.server.inject({
      method: "POST",
      url: "/fails",
      headers: { host: "localhost" },
    });
    assert.match(payload, /"one"\n\nevent: error/);
  });
});

const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4001, 4999];

describe("a raw websocket", { timeout: 30_000 }, () => {
  test("is closed with every code that the protocol allows, and its reason, in both directions", async () => {
    const app = new Ends();
    await using served = await startTestServer(app);
    const address = served.url.replace("http", "ws");
    const reason = "é".repeat(61);
    for (const code of CODES) {
      const ended = new WebSocket(`${address}/close?code=${code}&reason=${reason}`);
      const [gotCode, gotReason] = (await once(ended, "close")) as [number, Buffer];
      assert.deepEqual([gotCode, gotReason.toString()], [code, reason]);
      app.closed = undefined;
      const ending = new WebSocket(`${address}/recorded`);
      await once(ending, "open");
      ending.close(code, reason);
      assert.equal((await once(ending, "close"))[0], code);
      await app.until(() => app.closed !== undefined);
      assert.deepEqual(app.closed, { code, reason });
    }
  });

  test("is not closed with a code or a reason that a close frame may not have", async () => {
    await using served = await startTestServer(new Ends());
    const address = served.url.replace("http", "ws");
    const refused: [number, string][] = [1004, 1005, 1006, 1015, 999, 2999, 5000].map((code) => [code, "x"]);
    for (const [code, reason] of [...refused, [4000, "é".repeat(62)] as const]) {
      const socket = new WebSocket(`${address}/close?code=${code}&reason=${reason}`);
      assert.equal((await once(socket, "close"))[0], 1011, `${code} ${reason}`);
    }
  });

  test("is pinged, and closed after two pings without a pong", async () => {
    const clock = new FakeClock();
    await using served = await startTestServer(new Ends(), { clock, websocketPingMs: 1_000 });
    const socket = new WebSocket(`${served.url.replace("http", "ws")}/recorded`, { autoPong: false });
    await once(socket, "open");
    const closed = once(socket, "close");
    for (let ping = 0; ping < 2; ping++) {
      const pinged = once(socket, "ping");
      clock.advance(1_000);
      await pinged;
    }
    clock.advance(1_000);
    assert.equal((await closed)[0], 1006);
  });
});
