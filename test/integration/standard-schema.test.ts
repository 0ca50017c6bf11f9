import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { App, endpoint, realtime, ServeWrapper, type StandardSchema } from "servable";
import { connectTestSocket, startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { captureLogs } from "../helpers/captured-logs.ts";
import { silentLogger } from "../helpers/silent-logger.ts";

type Validate<Output> = StandardSchema<unknown, Output>["~standard"]["validate"];

/** A schema of no known library. */
function schemaOf<Output>(validate: Validate<Output>, vendor = "own"): StandardSchema<unknown, Output> {
  return { "~standard": { version: 1, vendor, validate } };
}

const Anything = schemaOf((value) => ({ value }));
const Never = schemaOf<unknown>(() => new Promise(() => {}));
const Thrown = schemaOf<unknown>(() => {
  throw new TypeError("a fault of the schema");
});
const Nested = schemaOf<unknown>(() => ({
  issues: [
    { message: "here", path: ["list", { key: 1 }, "deep"] },
    { message: "there", path: [{ key: "missing" }] },
    { message: "all" },
    { message: "key", path: [Symbol("sym")] },
  ],
}));
const Many = schemaOf<unknown>((value) => ({
  issues: (value as unknown[]).map((_, index) => ({ message: `no. ${index}`, path: [index] })),
}));
const Late = schemaOf(async (value) => {
  await Promise.resolve();
  const { n } = value as { n: number };
  return n > 0 ? { value: { n, wasChecked: true } } : { issues: [{ message: "too small", path: ["n"] }] };
});
type Checked = { n: number; wasChecked: boolean };
const Plain = Type.Object({ n: Type.Integer({ default: 7 }) });

class Standard extends App {
  calls = 0;

  @endpoint("/anything", { input: Anything, output: Anything })
  anything(input: unknown): unknown {
    this.calls++;
    return { input };
  }

  @endpoint("/never", { input: Never, timeoutMs: 1 })
  never(): void {
    this.calls++;
  }

  @endpoint("/queued", { input: Never, timeoutMs: 1, maxConcurrency: 1 })
  queued(): void {
    this.calls++;
  }

  @endpoint("/unpresented", { output: Never, timeoutMs: 1, maxConcurrency: 1 })
  unpresented(): unknown {
    return 1;
  }

  @endpoint("/thrown", { input: Thrown })
  thrown(): void {
    this.calls++;
  }

  @endpoint("/nested", { input: Nested })
  nested(): void {
    this.calls++;
  }

  @endpoint("/many", { input: Many })
  many(): void {
    this.calls++;
  }

  @endpoint("/mixed", { input: Plain, output: Late })
  mixed(input: Static<typeof Plain>): unknown {
    return input;
  }

  @endpoint("/filtered", { input: Late, output: Plain })
  filtered(input: Checked): Static<typeof Plain> {
    return input;
  }

  @endpoint("/unsendable", { output: Anything })
  unsendable(): unknown {
    return { list: [new Map()] };
  }

  @realtime("/grouped", { input: Late, output: Late, maxBatchSize: 3 })
  grouped(inputs: Checked[]): Checked[] {
    return inputs;
  }

  @realtime("/shared", { input: Late, output: Plain, maxBatchSize: 3, batch: "shared" })
  shared(inputs: Checked[]): Static<typeof Plain>[] {
    return inputs.map(({ n }) => ({ n: n * 10 }));
  }

  @realtime("/bidi", { input: Late, output: Late, mode: "bidi" })
  async *bidi(inputs: AsyncIterable<Checked>): AsyncGenerator<Checked> {
    yield* inputs;
  }
}

/** The next warning about a schema without a description. */
function undocumented(): Promise<Error> {
  return new Promise((resolve) => {
    const listen = (warning: Error & { code?: string }): void => {
      if (warning.code !== "SCHEMA_UNDOCUMENTED") return;
      process.off("warning", listen);
      resolve(warning);
    };
    process.on("warning", listen);
  });
}

const detailOf = async (response: Response): Promise<unknown> =>
  ((await response.json()) as { detail: unknown }).detail;

describe("schemas with Standard Schema alone", { timeout: 120_000 }, () => {
  test("the place of an issue is shown with its keys and value, and a missing field with its object", async () => {
    await using server = await startTestServer(new Standard());
    const body = { list: [0, { deep: "x" }] };
    const response = await server.post("/nested", body);
    assert.equal(response.status, 422);
    assert.equal(response.headers.get("x-fal-billable-units"), "0");
    assert.deepEqual(await detailOf(response), [
      { type: "value_error", loc: ["body", "list", 1, "deep"], msg: "here", input: "x" },
      { type: "missing", loc: ["body", "missing"], msg: "there", input: body },
      { type: "value_error", loc: ["body"], msg: "all", input: body },
      { type: "missing", loc: ["body", "Symbol(sym)"], msg: "key", input: body },
    ]);
  });

  test("an answer with very many issues keeps within 64 KiB", async () => {
    await using server = await startTestServer(new Standard());
    const response = await server.post(
      "/many",
      Array.from({ length: 20_000 }, () => "x".repeat(10)),
    );
    const text = await response.text();
    assert.equal(response.status, 422);
    assert.ok(text.length <= 64 * 1024);
    const { detail } = JSON.parse(text) as { detail: { type: string }[] };
    assert.ok(detail.length > 100);
    assert.equal(detail.at(-1)?.type, "errors_omitted");
  });

  test("a body that is not JSON does not reach a schema that accepts anything", async () => {
    const app = new Standard();
    await using server = await startTestServer(app);
    const sent = await fetch(`${server.url}/anything`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: "12",
    });
    assert.equal(sent.status, 422);
    const [issue] = (await detailOf(sent)) as { input: string; msg: string }[];
    assert.equal(issue?.input, "<binary 2 bytes>");
    assert.match(issue?.msg ?? "", /content type is "application\/octet-stream"/);
    assert.equal(app.calls, 0);
    const broken = await fetch(`${server.url}/anything`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{",
    });
    assert.equal(((await detailOf(broken)) as { type: string }[])[0]?.type, "json_invalid");
    assert.equal(app.calls, 0);
  });

  for (const path of ["/never", "/queued", "/unpresented"]) {
    test(`${path}: a validation that never ends is cut off by the endpoint's timeout`, async () => {
      const app = new Standard();
      await using server = await startTestServer(app);
      assert.equal((await server.post(path, {})).status, 504);
      assert.equal(app.calls, 0);
    });
  }

  test("an error that a schema throws is an error of the app, and logged", async () => {
    const { logger, lines } = captureLogs();
    await using server = await startTestServer(new Standard(), { logger });
    const response = await server.post("/thrown", {});
    assert.equal(response.status, 500);
    assert.deepEqual(await response.json(), { detail: "Internal Server Error" });
    assert.match(JSON.stringify(lines), /a fault of the schema/);
  });

  test("one schema can be of TypeBox and the other of a library", async () => {
    await using server = await startTestServer(new Standard(), { logger: silentLogger() });
    assert.deepEqual(await (await server.post("/mixed", {})).json(), { n: 7, wasChecked: true });
    assert.equal((await server.post("/mixed", { n: 0 })).status, 500);
    assert.equal((await server.post("/mixed", { n: "x" })).status, 422);
    assert.deepEqual(await (await server.post("/filtered", { n: 2 })).json(), { n: 2 });
    assert.equal((await server.post("/filtered", { n: 0 })).status, 422);
  });

  test("values that JSON can't carry are refused after validation as well", async () => {
    const { logger, lines } = captureLogs();
    await using server = await startTestServer(new Standard(), { logger });
    assert.equal((await server.post("/unsendable", {})).status, 500);
    assert.match(JSON.stringify(lines), /list\.0 is a Map/);
  });

  test("inputs of a session are validated one after the other, alone and in batches", async () => {
    await using server = await startTestServer(new Standard());
    for (const [path, factor] of [
      ["/grouped", 1],
      ["/shared", 10],
      ["/bidi", 1],
    ] as const) {
      const socket = await connectTestSocket(server.url + path);
      for (let n = 1; n <= 5; n++) socket.send({ n });
      for (let n = 1; n <= 5; n++) assert.equal(((await socket.next()) as Checked).n, n * factor, path);
      socket.send({ n: 0 });
      await assert.rejects(socket.next(), /n: too small/, path);
    }
  });

  test("a schema whose library has no JSON Schema is documented as any value, with a warning", async () => {
    const Unknown = schemaOf((value) => ({ value }), "unheard-of");
    const warned = undocumented();
    const document = await new ServeWrapper((input: unknown) => input, {
      input: Unknown,
      output: Plain,
    } as never).openapi();
    const { message } = await warned;
    assert.match(message, /the input of POST \/ as any value: .* unheard-of has no Standard JSON Schema/);
    assert.ok(JSON.stringify(document).includes('"requestBody"'));
  });

  for (const [vendor, advice] of [
    ["valibot", /install the package @valibot\/to-json-schema/],
    ["zod", /Zod 3 has no JSON Schema; install zod 4/],
    ["arktype", /install arktype 2\.1 or newer/],
  ] as const) {
    test(`without a converter of ${vendor}, the warning names what to install`, async () => {
      const warned = undocumented();
      const input = schemaOf((value) => ({ value }), vendor);
      await new ServeWrapper((value: unknown) => value, { input } as never).openapi();
      assert.match((await warned).message, advice);
    });
  }
});
