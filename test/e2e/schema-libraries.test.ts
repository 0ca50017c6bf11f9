import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { connectTestSocket } from "servable/testing";
import { ANY_PORT, cleanEnvironment, root, startCli } from "../helpers/cli.ts";
import { blocksOf, readPage } from "../docs/markdown.ts";
import { readStreamed } from "../helpers/streamed-text.ts";
import { createToolProject } from "../helpers/tool-packages.ts";

const run = promisify(execFile);

const APP = `import {
  App, endpoint, realtime, type BatchContext, type InferInput, type InferOutput, type RequestContext,
} from "servable";
import { type } from "arktype";
import * as v from "valibot";
import * as z from "zod";

const ZodOrder = z.object({
  name: z.string().min(2),
  count: z.int().max(5).default(1),
  at: z.iso.datetime().transform((text) => new Date(text)),
  kind: z.enum(["a", "b"]).optional(),
  ids: z.array(z.strictObject({ id: z.number().gt(0) })).default([]),
}).meta({ id: "Order" });
const ZodAnswer = z.object({ text: z.string().transform((text) => text + "!"), day: z.date() });

const ValibotOrder = v.object({
  name: v.pipe(v.string(), v.minLength(2)),
  count: v.optional(v.pipe(v.number(), v.integer(), v.maxValue(5)), 1),
  at: v.pipe(v.string(), v.isoTimestamp(), v.transform((text) => new Date(text))),
  kind: v.optional(v.picklist(["a", "b"])),
  ids: v.optional(v.array(v.strictObject({ id: v.pipe(v.number(), v.gtValue(0)) })), []),
});
const ValibotAnswer = v.object({ text: v.pipe(v.string(), v.transform((text) => text + "!")), day: v.date() });

const ArkOrder = type({
  name: "string >= 2",
  count: "number.integer <= 5 = 1",
  at: "string.date.iso.parse",
  "kind?": "'a' | 'b'",
  ids: type({ id: "number > 0", "+": "reject" }).array().default(() => []),
});
const ArkAnswer = type({ text: type("string").pipe((text) => text + "!"), day: "Date", "+": "delete" });

const Checked = z.object({ key: z.string().refine(async (key) => key === "open", "no such key") });
const Step = z.object({ n: z.number().max(2) }).transform(({ n }) => ({ n, twice: n * 2 }));

const ZodPart = { id: z.coerce.number().int() };
const ZodQuery = z.object({
  limit: z.coerce.number().max(5).default(3),
  day: z.iso.date().transform((text) => new Date(text)).optional(),
  exact: z.stringbool().optional(),
  tags: z.union([z.string().transform((tag) => [tag]), z.array(z.string())]).default([]),
});
const ValibotPart = { id: v.pipe(v.string(), v.regex(/^-?\\d+$/), v.transform(Number)) };
const ValibotQuery = v.object({
  limit: v.optional(v.pipe(v.string(), v.transform(Number), v.number(), v.maxValue(5)), "3"),
  tags: v.optional(v.union([v.pipe(v.string(), v.transform((tag) => [tag])), v.array(v.string())]), []),
});
const ArkPart = { id: "string.integer.parse" } as const;
const ArkQuery = type({
  limit: type("string.numeric.parse").to("number <= 5").default("3"),
  tags: type("string").pipe((tag) => [tag]).or("string[]").default(() => []),
});
const Lazy = z.object({ key: z.string().refine(async (key) => key === "open") });
const Token = z.object({ "x-token": z.coerce.number() });

const answer = (order: { name: string; count: number; at: Date; ids: object[] }) => ({
  text: order.name + order.count + order.ids.length,
  day: order.at,
  secret: "never sent",
});

export class Libraries extends App {
  @endpoint("/zod", { input: ZodOrder, output: ZodAnswer })
  zod(order: z.output<typeof ZodOrder>): z.input<typeof ZodAnswer> {
    return answer(order);
  }

  @endpoint("/valibot", { input: ValibotOrder, output: ValibotAnswer })
  async valibot(order: InferOutput<typeof ValibotOrder>, _ctx: RequestContext): Promise<InferInput<typeof ValibotAnswer>> {
    return answer(order);
  }

  @endpoint("/ark", { input: ArkOrder, output: ArkAnswer })
  ark(order: typeof ArkOrder.infer): typeof ArkAnswer.inferIn {
    return answer(order);
  }

  @endpoint("/checked", { input: Checked, output: Checked })
  async checked(input: z.infer<typeof Checked>): Promise<z.infer<typeof Checked>> {
    return input;
  }

  @endpoint("/wrong", { output: ZodAnswer })
  wrong(): z.input<typeof ZodAnswer> {
    return { text: 5 } as never;
  }

  @endpoint("/steps", { input: Step, output: Step, stream: true })
  async *steps({ n }: z.output<typeof Step>): AsyncGenerator<z.input<typeof Step>> {
    for (let step = 0; step <= n; step++) yield { n: step + 1 };
  }

  @endpoint("/batch", { input: ZodOrder, output: ZodAnswer, batch: { maxSize: 2 } })
  batch(orders: z.output<typeof ZodOrder>[]): z.input<typeof ZodAnswer>[] {
    return orders.map(answer);
  }

  @endpoint("/worker", { input: ZodOrder, output: ZodAnswer, workers: 1 })
  worker(order: z.output<typeof ZodOrder>): z.input<typeof ZodAnswer> {
    return answer(order);
  }

  @endpoint("/zod/:id", { method: "GET", params: z.object(ZodPart), query: ZodQuery, headers: Token })
  zodItem(
    ctx: RequestContext<{
      params: { id: number };
      query: z.output<typeof ZodQuery>;
      headers: z.output<typeof Token>;
    }>,
  ): object {
    const { "x-token": token, host } = ctx.headers;
    return { ...ctx.params, ...ctx.query, token, hasHost: typeof host === "string" };
  }

  @endpoint("/valibot/:id", { params: v.object(ValibotPart), query: ValibotQuery, maxConcurrency: 1 })
  valibotItem(ctx: RequestContext<{ params: { id: number }; query: InferOutput<typeof ValibotQuery> }>): object {
    return { ...ctx.params, ...ctx.query };
  }

  @endpoint("/ark/:id", { params: type(ArkPart), query: ArkQuery, workers: 1 })
  arkItem(ctx: RequestContext<{ params: { id: number }; query: typeof ArkQuery.infer }>): object {
    return { ...ctx.params, ...ctx.query };
  }

  @endpoint("/batches/:id", { params: z.object(ZodPart), input: ZodOrder, batch: { maxSize: 2 } })
  batches(orders: z.output<typeof ZodOrder>[], batch: BatchContext<{ params: { id: number } }>): number[] {
    return orders.map((_order, index) => (batch.requests[index]?.params.id ?? 0) + 1);
  }

  @endpoint("/optional", { query: ZodQuery, item: Step, output: ZodAnswer, stream: "optional" })
  optional(
    ctx: RequestContext<{ query: z.output<typeof ZodQuery> }>,
  ): z.input<typeof ZodAnswer> | AsyncGenerator<z.input<typeof Step>> {
    return ctx.query.exact ? this.steps({ n: 1, twice: 2 }) : { text: "one", day: new Date(0) };
  }

  @endpoint("/lazy", { query: Lazy })
  lazy(ctx: RequestContext<{ query: z.output<typeof Lazy> }>): object {
    return ctx.query;
  }

  @realtime("/live", { input: Checked, output: Step })
  live(input: z.output<typeof Checked>): z.input<typeof Step> {
    return { n: input.key.length - 3 };
  }
}
`;

/** Code that each library's types refuse, with the message of the compiler. */
const REFUSED: readonly (readonly [code: string, message: RegExp])[] = [
  [
    'class A extends App { @endpoint("/", { input: Zod }) a(input: { n: string }): void {} }',
    /first parameter does not accept the input; write \(input: InferOutput<typeof Schema>\)/,
  ],
  [
    'class B extends App { @endpoint("/", { output: Zod }) b(): number { return 1; } }',
    /the result does not fit the `output` schema; return InferInput<typeof Schema>/,
  ],
  [
    'class C extends App { @endpoint("/", { input: Valibot }) c(input: string): void {} }',
    /first parameter does not accept the input/,
  ],
  [
    'class D extends App { @endpoint("/", { input: Ark }) d(input: { n: boolean }): void {} }',
    /first parameter does not accept the input/,
  ],
  [
    'class E extends App { @realtime("/", { input: Ark, output: Valibot }) e(input: typeof Ark.infer): { n: boolean } { return { n: true }; } }',
    /a result does not fit the `output` schema, or is not an object; return InferInput/,
  ],
];

const TYPES = `import { App, endpoint, realtime } from "servable";
import { type } from "arktype";
import * as v from "valibot";
import * as z from "zod";
const Zod = z.object({ n: z.string().transform(Number) });
const Valibot = v.object({ n: v.pipe(v.string(), v.transform(Number)) });
const Ark = type({ n: "string.numeric.parse" });
`;

/** The example of the guide, which the tests of the documentation can't run: it imports Zod. */
const GUIDE =
  blocksOf(readPage("docs/guides/validation.md")).find(({ text }) => text.includes('from "zod"'))?.text ?? "";

interface Issue {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input?: unknown;
  readonly ctx?: unknown;
}

/** An operation with its answers. */
interface Described {
  readonly responses: { readonly 200: { readonly content: Record<string, { schema: { $ref: string } }> } };
}

/** Asserts some of a schema's fields. */
function assertHas(node: object | undefined, wanted: object): void {
  const found = Object.entries(node ?? {}).filter(([key]) => key in wanted);
  assert.deepEqual(Object.fromEntries(found), wanted);
}

const folder = await createToolProject("schemas", {
  "app.ts": APP,
  "guide.ts": GUIDE,
  "refused.ts": TYPES + REFUSED.map(([code]) => code).join("\n"),
});
const guide = startCli(["run", "guide.ts", ...ANY_PORT], folder);
const app = startCli(["run", "app.ts", ...ANY_PORT], folder);
const url = await app.listening();

describe("schemas of Zod, Valibot and ArkType", { timeout: 600_000 }, () => {
  const post = async (path: string, body: unknown): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const issuesOf = async (path: string, body: unknown): Promise<readonly Issue[]> => {
    const answer = await post(path, body);
    assert.equal(answer.status, 422, JSON.stringify(answer));
    return (answer.body as { detail: readonly Issue[] }).detail;
  };

  const at = "2026-01-02T03:04:05.000Z";

  for (const path of ["/zod", "/valibot", "/ark", "/batch", "/worker"]) {
    test(`${path}: the method gets converted input, and its converted result is sent`, async () => {
      assert.deepEqual(await post(path, { name: "Ada", at, more: 1 }), {
        status: 200,
        body: { text: "Ada10!", day: at },
      });
    });

    test(`${path}: faults are answered in the form of other 422`, async () => {
      const body = { name: "A", count: 9, kind: "c", ids: [{ id: 0 }, { id: 1, no: 1 }] };
      const found = (await issuesOf(path, body)).map(({ type, loc, input, ctx }) => [
        loc.join("."),
        type,
        input,
        ctx,
      ]);
      found.sort(([one], [two]) => (String(one) < String(two) ? -1 : 1));
      assert.deepEqual(found, [
        ["body.at", "missing", body, undefined],
        ["body.count", "less_than_equal", 9, { le: 5 }],
        ["body.ids.0.id", "greater_than", 0, { gt: 0 }],
        ["body.ids.1.no", "extra_forbidden", 1, undefined],
        ["body.kind", "literal_error", "c", undefined],
        ["body.name", "string_too_short", "A", { min_length: 2 }],
      ]);
      const [wrong] = await issuesOf(path, { name: 5, at });
      assert.deepEqual([wrong?.type, wrong?.input], ["string_type", 5]);
      assert.match(wrong?.msg ?? "", /string/);
    });
  }

  test("the example of the guide gives the answer that the guide shows", async () => {
    const response = await fetch(await guide.listening(), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"guest": "Ada", "from": "2026-03-01"}',
    });
    const text = await response.text();
    assert.ok(readPage("docs/guides/validation.md").includes(`is answered with \`${text}\``), text);
  });

  const ask = async (method: string, path: string): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(url + path, { method, headers: { "x-token": "7" } });
    return { status: response.status, body: await response.json() };
  };

  test("schemas of parameters get the texts and convert them, also before a queue, a worker and a batch", async () => {
    assert.deepEqual(await ask("GET", "/zod/4?tags=a&exact=true&day=2026-01-02&more=1"), {
      status: 200,
      body: {
        ...{ id: 4, limit: 3, exact: true, day: "2026-01-02T00:00:00.000Z", tags: ["a"] },
        ...{ token: 7, hasHost: true },
      },
    });
    for (const path of ["/valibot", "/ark"]) {
      assert.deepEqual(await ask("POST", `${path}/4`), { status: 200, body: { id: 4, limit: 3, tags: [] } });
      assert.deepEqual(await ask("POST", `${path}/-1?limit=2&tags=a&tags=b`), {
        status: 200,
        body: { id: -1, limit: 2, tags: ["a", "b"] },
      });
    }
    assert.deepEqual(await post("/batches/4", { name: "Ada", at }), { status: 200, body: 5 });
  });

  test("faults of parameters are answered together, with the texts that were sent", async () => {
    for (const [method, path] of [
      ["GET", "/zod"],
      ["POST", "/valibot"],
      ["POST", "/ark"],
    ] as const) {
      const { status, body } = await ask(method, `${path}/x?limit=9`);
      assert.equal(status, 422, path);
      const found = (body as { detail: readonly Issue[] }).detail.map(({ loc, input }) => [loc, input]);
      assert.deepEqual(found, [
        [["path", "id"], "x"],
        [["query", "limit"], "9"],
      ]);
    }
    const { detail } = (await (await fetch(`${url}/zod/1`)).json()) as { detail: readonly Issue[] };
    assert.deepEqual(detail[0]?.loc, ["header", "x-token"]);
    const both = await issuesOf("/batches/x", { name: "Ada" });
    assert.deepEqual(
      both.map(({ loc }) => loc),
      [
        ["path", "id"],
        ["body", "at"],
      ],
    );
  });

  test("an optional stream has a schema for its result and one for its items", async () => {
    const single = await post("/optional", {});
    assert.deepEqual(single, { status: 200, body: { text: "one!", day: "1970-01-01T00:00:00.000Z" } });
    const stream = await fetch(`${url}/optional?exact=true`, { method: "POST" });
    assert.equal(await stream.text(), 'data: {"n":1,"twice":2}\n\ndata: {"n":2,"twice":4}\n\n');
  });

  test("an asynchronous schema of parameters is a logged error that says so", async () => {
    assert.deepEqual(await ask("POST", "/lazy?key=open"), {
      status: 500,
      body: { detail: "Internal Server Error" },
    });
    const [line] = await app.logged(/^lazy\(\) failed$/);
    const { err } = line as unknown as { err: { message: string } };
    assert.equal(err.message, "The schema of a parameter of lazy() is asynchronous, which is not supported.");
  });

  test("the document has the parameters of each library, and the items of an optional stream", async () => {
    const { paths, components } = (await (await fetch(`${url}/openapi.json`)).json()) as {
      components: { schemas: Record<string, { properties?: object }> };
      paths: Record<
        string,
        Record<string, { parameters: { name: string; in: string; required: boolean }[] }>
      >;
    };
    for (const [path, method] of [
      ["/zod/{id}", "get"],
      ["/valibot/{id}", "post"],
      ["/ark/{id}", "post"],
    ] as const) {
      const found = paths[path]?.[method]?.parameters.map((each) => [each.in, each.name, each.required]);
      const wanted = [["path", "id", true], ["query", "limit", false]]; // prettier-ignore
      assert.deepEqual(found?.slice(0, 2), wanted, path);
    }
    const optional = paths["/optional"]?.["post"] as unknown as Described;
    const types = Object.entries(optional.responses[200].content);
    assert.deepEqual(
      types.map(([type, { schema }]) => [type, schema.$ref.split("/").at(-1)]),
      [
        ["application/json", "OptionalOutput"],
        ["text/event-stream", "OptionalItem"],
        ["application/x-ndjson", "OptionalItem"],
      ],
    );
    assert.ok("OptionalItem" in components.schemas, Object.keys(components.schemas).join(", "));
  });

  test("an asynchronous check is waited for", async () => {
    assert.deepEqual(await post("/checked", { key: "open" }), { status: 200, body: { key: "open" } });
    assert.deepEqual(await issuesOf("/checked", { key: "shut" }), [
      { type: "value_error", loc: ["body", "key"], msg: "no such key", input: "shut" },
    ]);
  });

  test("a result that does not fit is answered with 500, and logged with its faults", async () => {
    const { status, body } = await post("/wrong", {});
    assert.deepEqual([status, body], [500, { detail: "Internal Server Error" }]);
    const [line] = await app.logged(/^wrong\(\) failed$/);
    const { err } = line as unknown as { err: { code: string; message: string } };
    assert.equal(err.code, "OUTPUT_INVALID");
    assert.match(err.message, /text: .*expected string.*; day: /);
  });

  test("items of a stream are converted, and a wrong one ends it with an error", async () => {
    const response = await fetch(`${url}/steps`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"n":2}',
    });
    const { text } = await readStreamed(response);
    assert.match(text, /data: \{"n":1,"twice":2\}\s+.*data: \{"n":2,"twice":4\}\s+event: error/s);
  });

  test("realtime inputs and outputs are validated and converted", async () => {
    const socket = await connectTestSocket(`${url}/live`);
    socket.send({ key: "open" });
    assert.deepEqual(await socket.next(), { n: 1, twice: 2 });
    socket.send({ key: "shut" });
    await assert.rejects(socket.next(), /key: no such key/);
  });

  test("the document has each library's JSON Schema, of inputs before and results after conversion", async () => {
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
      components: { schemas: Record<string, { properties: Record<string, object>; required: string[] }> };
      paths: Record<string, { post: { requestBody: { content: Record<string, { schema: object }> } } }>;
    };
    const { schemas } = document.components;
    assert.deepEqual(document.paths["/zod"]?.post.requestBody.content["application/json"]?.schema, {
      $ref: "#/components/schemas/Order",
    });
    for (const [input, output] of [
      ["Order", "ZodOutput"],
      ["ValibotInput", "ValibotOutput"],
      ["ArkInput", "ArkOutput"],
    ] as const) {
      const { properties, required } = schemas[input] ?? { properties: {}, required: [] };
      assert.deepEqual(required.toSorted(), ["at", "name"], input);
      assertHas(properties["name"], { type: "string", minLength: 2, title: "Name" });
      assertHas(properties["count"], { type: "integer", maximum: 5 });
      assertHas(properties["at"], { type: "string" });
      const result = schemas[output];
      assert.deepEqual(result?.required.toSorted(), ["day", "text"], output);
      assertHas(result?.properties["day"], { type: "string", format: "date-time" });
    }
    assert.equal(app.stderr, "");
  });

  test("the compiler accepts what the libraries infer, and refuses the rest with advice", async () => {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const compile = async (...files: string[]): Promise<string> => {
      const options = ["--module", "NodeNext", "--target", "ES2022", "--lib", "ESNext,DOM", "--strict"];
      const args = [tsc, ...options, "--noEmit", "--skipLibCheck", "--ignoreConfig", ...files];
      try {
        return (await run(process.execPath, args, { cwd: folder, env: cleanEnvironment() })).stdout;
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    assert.equal(await compile("app.ts", "guide.ts"), "");
    const text = await compile("refused.ts");
    const faults = text.split(/^(?=refused\.ts)/m);
    const firstLine = TYPES.split("\n").length;
    for (const [index, [code, message]] of REFUSED.entries()) {
      const own = faults.filter((fault) => fault.startsWith(`refused.ts(${firstLine + index},`)).join("");
      assert.match(own, message, `${code}\n${text}`);
    }
  });
});
