import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { App, AppException, bearerTokens, endpoint, type RequestContext } from "servable";
import { Type, type Static } from "typebox";
import { serveApp, type Metrics, type ServedApp } from "../helpers/served-app.ts";

const Ask = Type.Object({ stream: Type.Boolean(), fails: Type.Optional(Type.Boolean()) });
type Ask = Static<typeof Ask>;
const Item = Type.Object({ n: Type.Integer() });
type Item = Static<typeof Item>;

/** Every kind of answer. A hook replaces those of requests that ask for it. */
class Hooked extends App {
  static override auth = bearerTokens(["a-key"]);
  closed = 0;
  release: (() => void) | undefined;

  override configure(server: FastifyInstance): void {
    server.addHook("onSend", (request, reply, payload, done) => {
      const wish = request.headers["x-hook"];
      if (wish === "throws") done(Object.assign(new Error("no"), { statusCode: 418 }));
      else if (wish === "replaces") done(null, (reply.code(410).removeHeader("content-length"), "gone"));
      else done(null, payload);
    });
    server.addHook("onSend", async (request) => {
      await Promise.resolve();
      if (request.headers["x-hook"] === "rejects") throw Object.assign(new Error("no"), { statusCode: 418 });
    });
  }

  @endpoint("/json", { input: Ask })
  json({ fails }: Ask): object {
    if (fails === true) throw new AppException("failed", 409);
    return { fine: true };
  }

  @endpoint("/queued", { input: Ask, maxConcurrency: 1, maxQueue: { count: 0 } })
  async queued({ fails }: Ask): Promise<object> {
    if (fails === true) await new Promise<void>((resolve) => (this.release = resolve));
    return { fine: true };
  }

  @endpoint("/bytes", { input: Ask })
  bytes(): Uint8Array {
    return Buffer.from("bytes");
  }

  @endpoint("/pieces", { input: Ask })
  pieces(): Readable {
    return Readable.from([Buffer.from("one"), Buffer.from("two")]);
  }

  @endpoint("/optional", { input: Ask, output: Item, item: Item, stream: "optional", maxConcurrency: 1 })
  optional({ stream, fails }: Ask, ctx: RequestContext): Item | AsyncGenerator<Item> {
    if (fails === true) throw new AppException("failed", 409);
    ctx.status(stream ? 202 : 201);
    return stream ? this.#items() : { n: 0 };
  }

  @endpoint("/items", { input: Ask, output: Item, stream: true })
  async *items({ fails }: Ask): AsyncGenerator<Item> {
    if (fails === true) throw new AppException("failed", 409);
    yield* this.#items();
  }

  async *#items(): AsyncGenerator<Item> {
    try {
      yield { n: 1 };
      yield { n: 2 };
    } finally {
      this.closed++;
    }
  }
}

const KEY = { authorization: "Bearer a-key" };

interface Call {
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The status of the answer, unless a hook changes it. */
  readonly status: number;
  /** Another call of the endpoint runs. */
  readonly isBusy?: boolean;
}

const CALLS: readonly Call[] = [
  { path: "/json", body: { stream: false }, status: 200 },
  { path: "/json", body: { stream: false, fails: true }, status: 409 },
  { path: "/json", body: { stream: "x" }, status: 422 },
  { path: "/json", body: { stream: false }, headers: { authorization: "" }, status: 401 },
  { path: "/queued", body: { stream: false }, status: 200 },
  { path: "/queued", body: { stream: true }, status: 429, isBusy: true },
  { path: "/bytes", body: { stream: false }, status: 200 },
  { path: "/pieces", body: { stream: false }, status: 200 },
  { path: "/optional", body: { stream: false }, status: 201 },
  { path: "/optional", body: { stream: true }, status: 202 },
  { path: "/optional", body: { stream: true, fails: true }, status: 409 },
  { path: "/optional", body: { stream: "x" }, status: 422 },
  { path: "/items", body: { stream: true }, status: 200 },
  { path: "/items", body: { stream: true, fails: true }, status: 409 },
  { path: "/health", status: 200 },
];

function send(served: ServedApp, { path, body, headers }: Call, hook: string): Promise<Response> {
  const all = { ...KEY, ...headers, "x-hook": hook };
  if (body === undefined) return fetch(served.url + path, { headers: all });
  return served.post(path, body, { headers: all });
}

/** The counted requests of a path, by status. */
function counts({ text }: Metrics, path: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [, given, status = "", count] of text.matchAll(
    /^http_requests_total\{.*?path="([^"]*)",status_code="(\d+)"\} (\d+)$/gm,
  )) {
    if (given === path) found[status] = Number(count);
  }
  return found;
}

describe("an answer that passes through hooks is counted once", { timeout: 300_000 }, () => {
  for (const [hook, changed] of [["passes"], ["throws", 418], ["rejects", 418], ["replaces", 410]] as const) {
    for (const call of CALLS) {
      const what = `${call.path} with ${JSON.stringify(call.body)}`;
      test(`${what}, ${call.status}, by a hook that ${hook}`, async () => {
        const app = new Hooked();
        await using served = await serveApp(app);
        const other = call.isBusy && send(served, { ...call, body: { stream: true, fails: true } }, "passes");
        while (call.isBusy && app.release === undefined) await turn();
        const answer = await send(served, call, hook);
        await answer.text();
        const status = changed ?? call.status;
        assert.equal(answer.status, status);
        await served.metricsWhen((metrics) => counts(metrics, call.path)[status] === 1);
        // A second request is counted after anything that the first one could still cause.
        await (await send(served, call, hook)).text();
        const metrics = await served.metricsWhen((now) => counts(now, call.path)[status] === 2);
        assert.deepEqual(counts(metrics, call.path), { [status]: 2 });
        app.release?.();
        await other;
      });
    }
  }
});

test("an optional stream behind a queue passes through hooks in both forms, and frees its place each time", async () => {
  const app = new Hooked();
  await using served = await serveApp(app);
  const ask = async (body: unknown, hook: string): Promise<[number, string]> => {
    const answer = await send(served, { path: "/optional", body, status: 200 }, hook);
    return [answer.status, await answer.text()];
  };
  const stream = 'data: {"n":1}\n\ndata: {"n":2}\n\n';
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(await ask({ stream: false }, "passes"), [201, '{"n":0}']);
    assert.deepEqual(await ask({ stream: true }, "passes"), [202, stream]);
    assert.equal((await ask({ stream: true }, "throws"))[0], 418);
    assert.equal((await ask({ stream: false }, "rejects"))[0], 418);
    assert.deepEqual(await ask({ stream: true }, "replaces"), [410, "gone"]);
  }
  const together = await Promise.all([1, 2, 3, 4].map((index) => ask({ stream: index % 2 === 0 }, "passes")));
  assert.deepEqual(
    together.map(([status]) => status),
    [201, 202, 201, 202],
  );
  assert.equal(app.closed, 8, "the generators of all streams have ended");
  const labels = { method: "POST", path: "/optional" };
  const idle = await served.metricsWhen((now) => now.value("servable_run_seconds_count", labels) === 14);
  assert.equal(idle.value("servable_queue_depth", labels), 0);
  assert.equal(idle.value("http_requests_in_progress", labels), 0);
});

/** Hooks that an app without configure() adds to its built server, each with what they do to an answer. */
const LATE_HOOKS: readonly (readonly [name: string, add: (server: FastifyInstance) => void])[] = [
  [
    "onRequest",
    (server) => server.addHook("onRequest", async (_request, reply) => void reply.header("x-by", "hook")),
  ],
  [
    "preParsing",
    (server) => server.addHook("preParsing", async (_request, reply) => void reply.header("x-by", "hook")),
  ],
  [
    "preValidation",
    (server) => server.addHook("preValidation", async (_request, reply) => void reply.header("x-by", "hook")),
  ],
  [
    "preHandler",
    (server) => server.addHook("preHandler", async (_request, reply) => void reply.header("x-by", "hook")),
  ],
  [
    "onSend",
    (server) => server.addHook("onSend", async (_request, reply) => void reply.header("x-by", "hook")),
  ],
];

class Plain extends App {
  @endpoint("/", { input: Ask })
  answer({ fails }: Ask): object {
    if (fails === true) throw new AppException("failed", 409);
    return { fine: "é" };
  }
}

/** Its handler returns once the body of its request has ended. */
class Waiting extends App {
  end: () => void = () => {};
  readonly #ended = new Promise<void>((resolve) => (this.end = resolve));

  @endpoint("/", { input: Ask })
  async answer(_input: Ask): Promise<object> {
    await this.#ended;
    return { fine: true };
  }
}

describe("a hook that is added to a built server", () => {
  for (const [name, add] of LATE_HOOKS) {
    test(`${name} sets headers of results and of errors`, async () => {
      const server = new Plain().buildServer({ logger: pino({ level: "silent" }) });
      add(server);
      for (const [fails, status] of [
        [false, 200],
        [true, 409],
      ] as const) {
        const answer = await server.inject({ method: "POST", url: "/", payload: { stream: false, fails } });
        assert.equal(answer.statusCode, status);
        assert.equal(answer.headers["x-by"], "hook");
      }
      await server.close();
    });
  }

  test("may wait for the end of a request's body, even while its handler runs", async () => {
    const app = new Waiting();
    const server = app.buildServer({ logger: pino({ level: "silent" }) });
    server.addHook("onRequest", (request, _reply, done) => {
      request.raw.once("end", app.end);
      done();
    });
    const url = await server.listen({ host: "127.0.0.1", port: 0 });
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ stream: false }),
    });
    assert.deepEqual(await answer.json(), { fine: true });
    await server.close();
  });
});
