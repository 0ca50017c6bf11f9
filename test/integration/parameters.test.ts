import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { FastifyRequest } from "fastify";
import { App, type BatchContext, endpoint, type RequestContext } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { Type, type Static } from "typebox";

const Params = Type.Object({ id: Type.Integer({ minimum: 1 }) });
const Query = Type.Object({
  limit: Type.Integer({ default: 10, maximum: 100 }),
  tags: Type.Optional(Type.Array(Type.String())),
  exact: Type.Optional(Type.Boolean()),
  score: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
});
const Headers = Type.Object({
  "x-count": Type.Integer(),
  "x-sizes": Type.Optional(Type.Array(Type.Integer())),
});
const Item = Type.Object({ name: Type.String() });
const Strict = Type.Object({ n: Type.Integer() }, { additionalProperties: false });

class Items extends App {
  calls = 0;

  @endpoint("/items/:id", { method: "GET", params: Params, query: Query, headers: Headers })
  get(
    ctx: RequestContext<{
      params: Static<typeof Params>;
      query: Static<typeof Query>;
      headers: Static<typeof Headers>;
    }>,
  ): object {
    this.calls++;
    const { "x-count": count, "x-sizes": sizes, host } = ctx.headers;
    return { params: ctx.params, query: ctx.query, count, sizes, hasHost: typeof host === "string" };
  }

  @endpoint("/items/:id", { method: "PUT", params: Params, query: Strict, input: Item, status: 201 })
  put(
    input: Static<typeof Item>,
    ctx: RequestContext<{ params: Static<typeof Params>; query: Static<typeof Strict> }>,
  ): object {
    return { input, params: ctx.params, query: ctx.query };
  }

  @endpoint("/items/:id", { method: "DELETE", status: 204 })
  delete(): void {}

  @endpoint("/items/new", { method: "GET" })
  fresh(): string {
    return "new";
  }

  @endpoint("/texts/:a/:b", { method: "PATCH" })
  texts(ctx: RequestContext<{ params: { a: string; b: string } }>): object {
    return { params: ctx.params, query: ctx.query };
  }

  @endpoint("/ticks", { method: "GET", stream: true, query: Strict, maxConcurrency: 1 })
  async *ticks(ctx: RequestContext<{ query: Static<typeof Strict> }>): AsyncGenerator<number> {
    this.calls++;
    for (let tick = 0; tick < ctx.query.n; tick++) yield tick;
  }

  @endpoint("/batches/:id", { params: Params, input: Item, batch: { maxSize: 4 } })
  batches(inputs: Static<typeof Item>[], batch: BatchContext<{ params: Static<typeof Params> }>): string[] {
    return inputs.map(({ name }, index) => name + (batch.requests[index]?.params.id ?? 0).toFixed());
  }
}

/** Puts requests of one path, language, version and caller into a batch. */
class Groups extends App {
  readonly batches: string[][] = [];
  release!: () => void;
  readonly #held = new Promise<void>((resolve) => (this.release = resolve));

  override authenticate(request: FastifyRequest): string {
    return String(request.headers["x-user"]);
  }

  @endpoint("/:id", {
    params: Params,
    query: Type.Object({ lang: Type.String({ default: "en" }) }),
    headers: Type.Object({ "x-version": Type.Integer() }),
    input: Item,
    batch: {
      maxSize: 8,
      maxCost: 10,
      cost: (_input, { params }) => params.id,
      groupBy: (_input, { params, query, headers, caller }) =>
        [typeof params.id, params.id, query.lang, headers["x-version"] + 1, caller].join(" "),
    },
  })
  async run(inputs: Static<typeof Item>[]): Promise<string[]> {
    const names = inputs.map(({ name }) => name);
    this.batches.push(names);
    await this.#held;
    return names;
  }
}

test("a batch is grouped, and its cost is counted, by the converted parameters and the callers of its requests", async () => {
  await using served = await startTestServer(new Groups());
  const { app } = served;
  const send = (name: string, path: string, user = "ada", version = 1): Promise<Response> =>
    served.post(path, { name }, { "x-user": user, "x-version": String(version) });
  const first = send("first", "/1");
  while (app.batches.length === 0) await turn();
  const others: Promise<Response>[] = [];
  let arrived = 0;
  served.server.server.on("request", () => void arrived++);
  for (const [name, path, user, version] of [
    ["a", "/1"],
    ["b", "/2"],
    ["c", "/1?lang=en"],
    ["d", "/1?lang=fr"],
    ["e", "/1", "bob"],
    ["f", "/1", "ada", 2],
    ["g", "/2"],
    ["h", "/6"],
    ["i", "/6"],
  ] as const) {
    others.push(send(name, path, user, version));
    while (arrived < others.length) await turn();
  }
  await fetch(`${served.url}/readyz`); // earlier requests have been read by then
  app.release();
  for (const answer of await Promise.all([first, ...others])) assert.equal(answer.status, 200);
  assert.deepEqual(
    app.batches.map((names) => names.join("")),
    ["first", "ac", "bg", "d", "e", "f", "h", "i"],
  );
});

describe("methods and parameters", () => {
  let app: Items;
  let served: TestServer<Items>;
  before(async () => {
    app = new Items();
    served = await startTestServer(app);
  });
  after(() => served.close());

  const detail = async (answer: Response): Promise<unknown> => {
    assert.equal(answer.status, 422);
    return ((await answer.json()) as { detail: unknown }).detail;
  };

  test("texts are converted as their schemas say, and defaults are filled in", async () => {
    const answer = await served.request("GET", "/items/5?tags=a&exact=true&score=&other=1", {
      headers: { "X-Count": "3", "x-sizes": "1, 2" },
    });
    assert.deepEqual(await answer.json(), {
      params: { id: 5 },
      query: { limit: 10, tags: ["a"], exact: true, score: null },
      count: 3,
      sizes: [1, 2],
      hasHost: true,
    });
  });

  test("faults of path, query, headers and body are answered together, before the method is called", async () => {
    const { calls } = app;
    const answer = await served.request(
      "GET",
      "/items/0?limit=x&limit2=1&exact=maybe&score=1e999&tags=a&tags=b",
    );
    assert.deepEqual(await detail(answer), [
      {
        type: "greater_than_equal",
        loc: ["path", "id"],
        msg: "Input should be greater than or equal to 1",
        input: "0",
        ctx: { ge: 1 },
      },
      {
        type: "int_parsing",
        loc: ["query", "limit"],
        msg: "Input should be a valid integer, unable to parse string as an integer",
        input: "x",
      },
      {
        type: "bool_parsing",
        loc: ["query", "exact"],
        msg: "Input should be a valid boolean, unable to interpret input",
        input: "maybe",
      },
      {
        type: "finite_number",
        loc: ["query", "score"],
        msg: "Input should be a finite number",
        input: "1e999",
      },
      { type: "missing", loc: ["header", "x-count"], msg: "Field required", input: null },
    ]);
    assert.equal(app.calls, calls);
    const put = await served.request("PUT", "/items/x?n=1&m=2", { body: { name: 5 } });
    assert.equal(put.headers.get("x-fal-billable-units"), "0");
    assert.deepEqual(
      ((await detail(put)) as { loc: unknown; type: unknown }[]).map(({ loc, type }) => [loc, type]),
      [
        [["path", "id"], "int_parsing"],
        [["query", "m"], "extra_forbidden"],
        [["body", "name"], "string_type"],
      ],
    );
  });

  test("a parameter that is not a list is refused if it is repeated", async () => {
    const answer = await served.request("GET", "/items/5?limit=1&limit=2", { headers: { "x-count": "1" } });
    assert.deepEqual(await detail(answer), [
      {
        type: "int_type",
        loc: ["query", "limit"],
        msg: "Input should be a valid integer",
        input: ["1", "2"],
      },
    ]);
  });

  test("one path has several methods, each with its status", async () => {
    const put = await served.request("PUT", "/items/5?n=1", { body: { name: "a" } });
    assert.equal(put.status, 201);
    assert.deepEqual(await put.json(), { input: { name: "a" }, params: { id: 5 }, query: { n: 1 } });
    const deleted = await served.request("DELETE", "/items/5");
    assert.equal(deleted.status, 204);
    assert.equal(await deleted.text(), "");
  });

  test("a fixed path takes precedence over a parameter", async () => {
    assert.equal(await (await served.request("GET", "/items/new")).json(), "new");
  });

  test("parameters without a schema are decoded texts, however long", async () => {
    const long = "x".repeat(5000);
    const answer = await served.request("PATCH", `/texts/a%2Fb%20c/${long}?q=1&q=2`);
    assert.deepEqual(await answer.json(), { params: { a: "a/b c", b: long }, query: { q: ["1", "2"] } });
  });

  test("HEAD answers where GET does, with its headers and without a body", async () => {
    const headers = { "x-count": "3" };
    const get = await served.request("GET", "/items/5", { headers });
    const head = await served.request("HEAD", "/items/5", { headers });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), "");
    for (const name of ["content-type", "content-length"]) {
      assert.equal(head.headers.get(name), get.headers.get(name), name);
    }
    assert.equal((await served.request("HEAD", "/items/5")).status, 422);
    assert.equal((await served.request("HEAD", "/batches/5")).status, 405, "a POST has no HEAD");
  });

  test("HEAD of a stream answers without calling the method", async () => {
    const { calls } = app;
    const head = await served.request("HEAD", "/ticks?n=1");
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.equal((await served.request("HEAD", "/ticks")).status, 422);
    assert.equal(app.calls, calls);
  });

  test("OPTIONS lists the methods of every path, and 405 those of a path with parameters", async () => {
    for (const [path, allow] of [
      ["/items/5", "DELETE, GET, HEAD, OPTIONS, PUT"],
      ["/items/new", "DELETE, GET, HEAD, OPTIONS, PUT"],
      ["/batches/1", "OPTIONS, POST"],
      ["/health", "GET, HEAD, OPTIONS"],
    ] as const) {
      const answer = await served.request("OPTIONS", path);
      assert.equal(answer.status, 204);
      assert.equal(answer.headers.get("allow"), allow, path);
    }
    assert.equal((await served.request("OPTIONS", "/nope")).status, 404);
    const refused = await served.request("POST", "/items/5");
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.get("allow"), "DELETE, GET, HEAD, PUT");
  });

  test("an extra slash leads to the path without it, also of a GET with parameters", async () => {
    const answer = await served.request("GET", "/items/5/?limit=1");
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.get("location"), "/items/5?limit=1");
  });

  test("an empty parameter is not a parameter", async () => {
    assert.equal((await served.request("GET", "/items/")).status, 404);
    assert.equal((await served.request("PATCH", "/texts//b")).status, 404);
  });

  test("a GET may stream events, and its parameters are checked before it waits in a queue", async () => {
    const answer = await served.request("GET", "/ticks?n=2");
    assert.equal(await answer.text(), "data: 0\n\ndata: 1\n\n");
    assert.equal((await served.request("GET", "/ticks?n=x")).status, 422);
  });

  test("each request of a batch has its own parameters", async () => {
    const answers = await Promise.all(
      [1, 2, 3].map(async (id) => (await served.post(`/batches/${id}`, { name: "n" })).json()),
    );
    assert.deepEqual(answers, ["n1", "n2", "n3"]);
    assert.equal((await served.post("/batches/x", { name: "n" })).status, 422);
  });

  test("a page of another origin may send a GET, which needs no preflight", async () => {
    const other = await startTestServer(new Items(), { cors: { origins: "*" } });
    try {
      const headers = { origin: "https://other.example", "x-count": "1" };
      assert.equal((await other.request("GET", "/items/5", { headers })).status, 200);
      const post = { body: "x", headers: { ...headers, "content-type": "text/plain" } };
      assert.equal((await other.request("POST", "/batches/1", post)).status, 403);
    } finally {
      await other.close();
    }
  });

  test("the document has each method, with its parameters", async () => {
    const document = await app.openapi();
    const item = document.paths["/items/{id}"] as Record<
      string,
      { parameters?: unknown[]; operationId: string }
    >;
    assert.deepEqual(Object.keys(item), ["get", "put", "delete"]);
    assert.deepEqual(item["get"]?.parameters?.slice(0, 2), [
      { name: "id", in: "path", required: true, schema: { type: "integer", minimum: 1, title: "Id" } },
      {
        name: "limit",
        in: "query",
        required: false,
        schema: { type: "integer", default: 10, maximum: 100, title: "Limit" },
      },
    ]);
    assert.deepEqual(item["delete"]?.parameters, [
      { name: "id", in: "path", required: true, schema: { type: "string", title: "Id" } },
    ]);
    assert.ok(document["x-fal-order-paths"].includes("/items/{id}"));
  });
});
