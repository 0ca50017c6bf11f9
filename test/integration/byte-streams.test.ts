import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { describe, test } from "node:test";
import {
  App,
  AppException,
  endpoint,
  RequestCancelledException,
  type RequestContext,
  ServerStoppedException,
} from "servable";
import { FakeClock, startTestServer } from "servable/testing";
import { captureLogs } from "../helpers/captured-logs.ts";
import { serveApp } from "../helpers/served-app.ts";
import { exchange, openSocket, rawRequest } from "../helpers/sockets.ts";

const PIECE = Buffer.alloc(64 * 1024, 1);

interface Resolver<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function createResolver<T>(): Resolver<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}

/** Serves one stream at a time, which the test controls. */
class StreamsApp extends App {
  source: () => Readable | ReadableStream = () => Readable.from([]);
  reason: unknown;

  @endpoint("/")
  run(ctx: RequestContext): Readable | ReadableStream {
    ctx.signal.addEventListener("abort", () => (this.reason = ctx.signal.reason));
    return this.source();
  }

  @endpoint("/queued", { maxConcurrency: 1 })
  queued(): Readable | ReadableStream {
    return this.source();
  }

  @endpoint("/patient", { timeoutMs: 1000 })
  patient(): Readable | ReadableStream {
    return this.source();
  }

  @endpoint("/sized", { method: "GET" })
  sized(ctx: RequestContext): Response {
    const length = String(ctx.query["length"]);
    const text = new Blob(["hello"]).stream();
    return new Response(text, { headers: { "content-length": length } });
  }
}

/** A stream of Node that gives pieces without an end, and counts them. */
function endless(): { stream: Readable; read: () => number } {
  let count = 0;
  const stream = new Readable({
    read() {
      count++;
      setImmediate(() => this.push(PIECE));
    },
  });
  return { stream, read: () => count };
}

/** A stream of Node that gives one piece, unless it is empty, and then waits. */
function waiting(first: string = "first"): Readable {
  let isFirst = first !== "";
  return new Readable({
    read() {
      if (isFirst) this.push(first);
      isFirst = false;
    },
  });
}

describe("a stream of bytes", { timeout: 60_000 }, () => {
  test("is read only as fast as its client reads", async () => {
    await using served = await startTestServer(new StreamsApp());
    const source = endless();
    served.app.source = () => source.stream;
    const socket = await openSocket(served.port);
    socket.pause();
    socket.write(rawRequest("POST", "/"));
    // Reading stops once all buffers are full: then nothing is read for many turns.
    let before = -1;
    while (before !== source.read() || source.read() === 0) {
      before = source.read();
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(source.read() < 1000, `${source.read()} pieces were read`);
    socket.destroy();
    await once(source.stream, "close");
  });

  for (const kind of ["Node", "web"] as const) {
    test(`of ${kind} is destroyed when its client disconnects, even while it waits for a piece`, async () => {
      await using served = await startTestServer(new StreamsApp());
      const stopped = createResolver<void>();
      served.app.source = () => {
        if (kind === "Node") return waiting().once("close", () => stopped.resolve());
        return new ReadableStream({
          start: (controller) => controller.enqueue(PIECE),
          cancel: () => stopped.resolve(),
        });
      };
      const socket = await openSocket(served.port);
      socket.write(rawRequest("POST", "/"));
      await once(socket, "data");
      socket.destroy();
      await stopped.promise;
      assert.ok(served.app.reason instanceof RequestCancelledException);
    });
  }

  test("is destroyed when its client disconnects before the first piece", async () => {
    await using served = await startTestServer(new StreamsApp());
    const called = createResolver<Readable>();
    served.app.source = () => {
      const stream = waiting("");
      called.resolve(stream);
      return stream;
    };
    const socket = await openSocket(served.port);
    socket.write(rawRequest("POST", "/"));
    const stream = await called.promise;
    socket.destroy();
    await once(stream, "close");
  });

  test("that fails before its first piece is answered with the error", async () => {
    const { logger, lines } = captureLogs();
    await using served = await startTestServer(new StreamsApp(), { logger });
    for (const path of ["/", "/queued"]) {
      served.app.source = () => waiting("").destroy(new AppException({ code: 7 }, 409));
      const answer = await served.post(path);
      assert.equal(answer.status, 409);
      assert.deepEqual(await answer.json(), { detail: { code: 7 } });
      served.app.source = () =>
        new ReadableStream({
          pull() {
            throw new Error("secret");
          },
        });
      const failed = await served.post(path);
      assert.equal(failed.status, 500);
      assert.equal(await failed.text(), '{"detail":"Internal Server Error"}');
      assert.match(JSON.stringify(lines.at(-1)), /secret/);
    }
  });

  test("that fails midway breaks the connection after the pieces that came, for any version of HTTP", async () => {
    const { logger, lines } = captureLogs();
    await using served = await startTestServer(new StreamsApp(), { logger });
    served.app.source = () =>
      Readable.from(
        (async function* () {
          yield "one";
          yield "two";
          throw new Error("halfway");
        })(),
        { objectMode: false },
      );
    const answer = await exchange(served.port, rawRequest("POST", "/"));
    assert.match(answer, /one\r\n3\r\ntwo\r\n$/);
    await assert.rejects(async () => (await served.post("/")).text());
    assert.match(JSON.stringify(lines.at(-1)), /halfway/);
    const old = await openSocket(served.port);
    const failed = once(old, "error");
    old.write(rawRequest("POST", "/").toString().replace("HTTP/1.1", "HTTP/1.0"));
    const [error] = (await failed) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
  });

  test("that gives something other than bytes or text breaks the connection", async () => {
    const { logger, lines } = captureLogs();
    await using served = await startTestServer(new StreamsApp(), { logger });
    served.app.source = () => Readable.from(["a", { b: 1 }]);
    await assert.rejects(async () => (await served.post("/")).text());
    assert.match(JSON.stringify(lines.at(-1)), /a stream of bytes gave a value of type object/);
  });

  test("that was read, destroyed or locked before is an error", async () => {
    const { logger, lines } = captureLogs();
    await using served = await startTestServer(new StreamsApp(), { logger });
    const locked = new Blob(["a"]).stream() as ReadableStream;
    locked.getReader();
    for (const used of [Readable.from(["a"]).destroy(), locked]) {
      served.app.source = () => used;
      assert.equal((await served.post("/")).status, 500);
      assert.match(JSON.stringify(lines.at(-1)), /run\(\) returned what can't be sent: the stream was /);
    }
  });

  test("with a promised length is held to it", async () => {
    await using served = await startTestServer(new StreamsApp());
    const right = await fetch(`${served.url}/sized?length=5`);
    assert.equal(right.headers.get("content-length"), "5");
    assert.equal(await right.text(), "hello");
    await assert.rejects(async () => (await fetch(`${served.url}/sized?length=9`)).text());
    await assert.rejects(async () => (await fetch(`${served.url}/sized?length=2`)).text());
  });

  test("has the endpoint's timeout for each piece: 504 before the first, a broken connection later", async () => {
    const clock = new FakeClock();
    await using served = await startTestServer(new StreamsApp(), { clock });
    const next = (first: string): Promise<unknown> => {
      const asked = createResolver<void>();
      served.app.source = () => {
        const stream = waiting(first);
        const read = stream._read.bind(stream);
        let count = 0;
        stream._read = (size) => {
          read(size);
          if (++count === (first === "" ? 1 : 2)) asked.resolve();
        };
        return stream;
      };
      return asked.promise;
    };
    const early = next("");
    const answer = served.post("/patient");
    await early;
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
    const late = await answer;
    assert.equal(late.status, 504);
    assert.deepEqual(await late.json(), { detail: "The stream gave no item for 1000 ms." });

    const again = next("first");
    const begun = await served.post("/patient");
    await again;
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
    await assert.rejects(begun.text());
  });

  test("is counted once it is over: by its status, as 499 if the client left, and as 500 if it failed", async () => {
    const app = new StreamsApp();
    await using served = await serveApp(app);
    app.source = () => Readable.from(["a", "b"], { objectMode: false });
    await (await served.post("/")).text();
    app.source = () => waiting();
    const request = get(served.url, { method: "POST" });
    request.on("error", () => {});
    const [answer] = (await once(request, "response")) as [Readable];
    answer.on("error", () => {});
    await once(answer, "data");
    const running = await served.metrics();
    assert.equal(running.value("http_requests_in_progress", { method: "POST", path: "/" }), 1);
    request.destroy();
    app.source = () => {
      const stream = waiting();
      stream.once("data", () => setImmediate(() => stream.destroy(new Error("broken"))));
      return stream;
    };
    await assert.rejects(async () => (await served.post("/")).text());
    const count = { method: "POST", path: "/" };
    const metrics = await served.metricsWhen(
      (now) =>
        now.value("http_requests_in_progress", count) === 0 &&
        now.value("http_requests_total", { ...count, status_code: "500" }) === 1,
    );
    assert.equal(metrics.value("http_requests_total", { ...count, status_code: "200" }), 1);
    assert.equal(metrics.value("http_requests_total", { ...count, status_code: "499" }), 1);
  });

  test("is waited for by a server that stops, and broken off by a forced stop", async () => {
    const app = new StreamsApp();
    const stream = new Readable({ read() {} });
    app.source = () => stream;
    const stop = new AbortController();
    const force = new AbortController();
    const listening = createResolver<string>();
    const outcome = app.serve({
      ...{ port: 0, metricsPort: false, handleSignals: false, signal: stop.signal, cutSignal: force.signal },
      onListening: ({ url }) => listening.resolve(url),
      logger: captureLogs().logger,
    });
    const url = await listening.promise;
    stream.push("a");
    const answer = await fetch(url, { method: "POST" });
    stop.abort();
    stream.push("b");
    const reader = answer.body?.getReader();
    let text = "";
    while (text !== "ab") text += Buffer.from((await reader?.read())?.value ?? []).toString();
    force.abort();
    await assert.rejects(async () => reader?.read());
    await outcome;
    assert.ok(app.reason instanceof ServerStoppedException);
    assert.ok(stream.destroyed);
  });
});
