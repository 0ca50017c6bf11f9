import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Type, type Static } from "typebox";
import { App, AppException, endpoint, type RequestContext } from "servable";
import { FakeClock } from "servable/testing";
import fc from "fast-check";
import type { ServerOptions } from "../../src/server/definition.ts";
import { serveBuilt, type Served as Built } from "../helpers/built-server.ts";
import { bodyOf, openSocket, statusOf } from "../helpers/sockets.ts";

const MB = 1_000_000;
const Anything = Type.Object({ data: Type.Optional(Type.Unknown()), how: Type.Optional(Type.String()) });
type Anything = Static<typeof Anything>;

class Sink extends App {
  waiting: (() => void)[] = [];

  @endpoint("/", { input: Anything })
  async take({ how }: Anything, ctx: RequestContext): Promise<string> {
    if (how === "throw") throw new AppException("no", 418);
    if (how !== "wait") return "taken";
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
      ctx.signal.addEventListener("abort", () => resolve());
    });
    return "waited";
  }

  @endpoint("/late", { input: Anything, timeoutMs: 20 })
  async late(_input: Anything, ctx: RequestContext): Promise<void> {
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
  }

  @endpoint("/stream", { input: Anything, stream: true })
  async *stream({ how }: Anything): AsyncGenerator<number> {
    yield 1;
    if (how === "throw") throw new AppException("no", 418);
    yield 2;
  }

  @endpoint("/queued", { input: Anything, maxConcurrency: 2, maxQueue: 1, overloadStatus: 503 })
  queued(): string {
    return "ran";
  }

  @endpoint("/without")
  without(): string {
    return "without";
  }
}

type Served = Built<Sink>;

const serve = (options: ServerOptions = {}, app: Sink = new Sink()): Promise<Served> =>
  serveBuilt(app, options);

const head = (length: number | "chunked", path = "/"): string =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
  `${length === "chunked" ? "transfer-encoding: chunked" : `content-length: ${length}`}\r\n\r\n`;

/** Collects what the server sends until the connection closes, whatever the caller sends meanwhile. */
async function answerOn(socket: Socket): Promise<string> {
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  if (!socket.closed) await once(socket, "close");
  return received;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

async function idle({ built: { state } }: Served): Promise<void> {
  await until(() => state.budget.held === 0);
}

test("unfinished bodies hold at most the budget; further requests are refused immediately, with Retry-After", async () => {
  await using served = await serve({
    maxBytesInFlight: 20 * MB,
    bodyLimitBytes: 5 * MB,
    clock: new FakeClock(),
  });
  const { budget } = served.built.state;
  const sockets: Socket[] = [];
  const refused: Promise<string>[] = [];
  for (let count = 0; count < 30; count++) {
    const socket = await openSocket(served.port);
    sockets.push(socket);
    socket.write(head(4 * MB) + `{"data":"${"x".repeat(1 * MB)}`);
    if (count < 5) await until(() => budget.held === (count + 1) * 4 * MB);
    else refused.push(answerOn(socket));
  }
  for (const answer of await Promise.all(refused)) {
    assert.equal(statusOf(answer), 429);
    assert.match(answer, /\r\nretry-after: 1\r\n/);
    assert.match(answer, /\r\nconnection: close\r\n/);
    assert.deepEqual(JSON.parse(bodyOf(answer)), {
      detail: "Too much is being sent at a time; try again later.",
    });
  }
  assert.equal(budget.held, 20 * MB);
  for (const socket of sockets) socket.destroy();
  await idle(served);
  const answer = await fetch(served.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  assert.equal(answer.status, 200);
});

test("a caller that is refused while sending still receives the whole response", async () => {
  await using served = await serve({ maxBytesInFlight: 10 * MB, bodyLimitBytes: 10 * MB });
  served.built.state.budget.hold(10 * MB);
  for (const body of ["declared", "chunked"]) {
    const socket = await openSocket(served.port);
    let isReset = false;
    socket.on("error", () => (isReset = true));
    const answer = answerOn(socket);
    socket.write(head(body === "chunked" ? "chunked" : 9 * MB));
    const part = Buffer.alloc(500_000, "x");
    for (let count = 0; count < 17; count++) {
      if (body === "chunked") socket.write(`${part.length.toString(16)}\r\n`);
      socket.write(part);
      if (body === "chunked") socket.write("\r\n");
    }
    assert.equal(statusOf(await answer), 429, body);
    assert.ok(!isReset, body);
  }
  served.built.state.budget.free(10 * MB);
});

test("a chunked body is counted as it arrives", async () => {
  await using served = await serve({ maxBytesInFlight: 3 * MB, bodyLimitBytes: 3 * MB });
  const { budget } = served.built.state;
  const first = await openSocket(served.port);
  const chunk = `${MB.toString(16)}\r\n${"x".repeat(MB)}\r\n`;
  first.write(head("chunked") + chunk + chunk);
  await until(() => budget.held >= 2 * MB);
  const second = await openSocket(served.port);
  second.write(head("chunked") + chunk + chunk);
  assert.equal(statusOf(await answerOn(second)), 429);
  assert.ok(budget.held <= 3 * MB);
  first.destroy();
  await idle(served);
});

test("a stalled body is refused in favor of one that arrives", async () => {
  const clock = new FakeClock();
  await using served = await serve({ maxBytesInFlight: 4 * MB, bodyLimitBytes: 4 * MB, clock });
  const { budget } = served.built.state;
  const stalled = await openSocket(served.port);
  const stalledAnswer = answerOn(stalled);
  stalled.write(head(4 * MB) + '{"data":"');
  await until(() => budget.held === 4 * MB);
  clock.advance(3_000);
  const body = JSON.stringify({ data: "x".repeat(2 * MB) });
  const answer = await fetch(served.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  assert.equal(answer.status, 200);
  assert.equal(statusOf(await stalledAnswer), 429);
  await idle(served);
});

test("a request in progress is counted until its response, with the memory of its parsed values", async () => {
  await using served = await serve({ maxBytesInFlight: 10 * MB });
  const { budget } = served.built.state;
  const post = (body: string): Promise<Response> =>
    fetch(served.url, { method: "POST", headers: { "content-type": "application/json" }, body });
  const values = `[${"[],".repeat(50_000)}1]`;
  const first = post(`{"how":"wait","data":${values}}`);
  await until(() => served.app.waiting.length === 1);
  assert.ok(budget.held > 50_000 * 64, String(budget.held));
  const second = post(`{"how":"wait","data":${values}}`);
  await until(() => served.app.waiting.length === 2);
  assert.equal((await post(`{"data":${values}}`)).status, 429);
  assert.equal((await post(`{"data":[1,2,3]}`)).status, 200);
  const never = await post(`{"data":[${"[],".repeat(200_000)}1]}`);
  assert.deepEqual(
    [never.status, await never.json()],
    [413, { detail: "Request body holds too many values" }],
  );
  for (const go of served.app.waiting) go();
  await Promise.all([first, second]);
  await idle(served);
});

test("the app or the endpoint chooses the status of the refusal", async () => {
  class Patient extends Sink {
    static override overloadStatus = 503 as const;
  }
  for (const [app, path, status] of [
    [new Sink(), "/", 429],
    [new Sink(), "/queued", 503],
    [new Patient(), "/", 503],
    [new Patient(), "/stream", 503],
  ] as const) {
    await using served = await serve({ maxBytesInFlight: MB }, app);
    served.built.state.budget.hold(MB);
    for (const length of [10, 500_000]) {
      const answer = await fetch(served.url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ data: "x".repeat(length) }),
      });
      assert.equal(answer.status, status, path);
      assert.equal(answer.headers.get("retry-after"), "1");
    }
    served.built.state.budget.free(MB);
  }
});

test("a body larger than the whole budget returns 413, even on an idle server", async () => {
  await using served = await serve({ maxBytesInFlight: MB });
  const body = JSON.stringify({ data: "x".repeat(MB) });
  const headers = { "content-type": "application/json" };
  assert.equal((await fetch(served.url, { method: "POST", headers, body })).status, 413);
  await idle(served);
});

test("the budget is free again however requests end", { timeout: 120_000 }, async () => {
  await using served = await serve({ maxBytesInFlight: 3 * MB, bodyLimitBytes: 600_000, maxValues: 20_000 });
  const request = fc.record({
    path: fc.constantFrom("/", "/late", "/stream", "/queued", "/without", "/nope", "/health"),
    size: fc.constantFrom(0, 10, 3_000, 70_000, 500_000, 700_000),
    how: fc.constantFrom("ok", "throw", "wait", "deep", "values", "broken", "bytes"),
    framing: fc.constantFrom("declared", "chunked"),
    sent: fc.constantFrom("all", "all", "half", "head"),
    type: fc.constantFrom("application/json", "application/json", "text/plain"),
  });
  const bodyFor = (how: string, size: number): Buffer => {
    if (how === "deep") return Buffer.from("[".repeat(size));
    if (how === "values") return Buffer.from(`[${"1,".repeat(size / 2)}1]`);
    if (how === "broken") return Buffer.from(`{"data":"${"x".repeat(size)}`);
    if (how === "bytes") return Buffer.alloc(size, 0xff);
    return Buffer.from(JSON.stringify({ how, data: "x".repeat(size) }));
  };
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), async (requests) => {
      await Promise.all(
        requests.map(async ({ path, size, how, framing, sent, type }) => {
          const body = bodyFor(how, size);
          const socket = await openSocket(served.port);
          const framed =
            framing === "declared"
              ? body
              : Buffer.concat([
                  Buffer.from(`${body.length.toString(16)}\r\n`),
                  body,
                  Buffer.from("\r\n0\r\n\r\n"),
                ]);
          const start = head(framing === "declared" ? body.length : "chunked", path).replace(
            "application/json",
            type,
          );
          socket.write(start);
          if (sent === "half") socket.write(framed.subarray(0, framed.length / 2));
          if (sent === "all" && body.length > 0) socket.write(framed);
          const first = once(socket, "data");
          if (sent === "all" && how !== "wait" && body.length > 0) await first.catch(() => {});
          else await turn();
          first.catch(() => {});
          socket.destroy();
        }),
      );
      for (const go of served.app.waiting.splice(0)) go();
      await until(() => {
        for (const go of served.app.waiting.splice(0)) go();
        return served.built.state.budget.held === 0;
      });
    }),
    { numRuns: 150 },
  );
  assert.equal(served.built.state.budget.held, 0);
});
