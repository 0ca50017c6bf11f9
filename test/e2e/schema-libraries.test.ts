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

const APP = `import { App, endpoint, realtime, type InferInput, type InferOutput, type RequestContext } from "servable";
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
