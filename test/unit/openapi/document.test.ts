import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Type } from "typebox";
import { App, endpoint, realtime } from "../../../src/index.ts";
import { assertValidDocument, faultsOf } from "../../helpers/documents.ts";
import { GenerateApp } from "../../helpers/generate-app.ts";
import { Picture, PICTURE, Prompt, Tree } from "../../helpers/schemas.ts";
import { silentLogger } from "../../helpers/silent-logger.ts";

class RichApp extends App {
  @endpoint("/odd", {
    input: Type.Object({
      tuple: Type.Tuple([Type.String(), Tree]),
      map: Type.Record(Type.String(), Prompt),
      both: Type.Intersect([Prompt, Type.Object({ more: Type.Null() })]),
      either: Type.Union([Type.Literal(1), Type.Literal("a"), Type.Null()], { default: null }),
      template: Type.TemplateLiteral("a${string}"),
      anything: Type.Unknown(),
    }),
    output: Type.Array(Picture),
    summary: "Odd things",
    description: "All *kinds*.",
  })
  odd(): { url: string; seed: number }[] {
    return [PICTURE];
  }
  @endpoint("/tree", { input: Tree, output: Tree })
  tree(): { label: string; weight: number } {
    return { label: "a", weight: 1 };
  }
  @endpoint("/named", { input: Type.Object({}, { $id: "https://example.com/My Schema" }) })
  named(): void {}
  @endpoint("/text", { input: Type.String(), output: Type.Integer() })
  text(): number {
    return 5;
  }
  @endpoint("/stream", { input: Prompt, output: Picture, stream: true })
  async *stream(): AsyncGenerator<Picture> {
    yield PICTURE;
  }
  @endpoint("/bare")
  bare(): void {}
  @endpoint("/@me/it's,x;y=1&$!~")
  marks(): void {}
}

class BareApp extends App {
  @endpoint("/")
  run(): void {}
}

class OwnHealthApp extends App {
  @endpoint("/health", { healthCheck: true })
  override health(): unknown {
    return {};
  }
  @endpoint("/z", { input: Prompt })
  z(): void {}
}

for (const Served of [GenerateApp, RichApp, BareApp, OwnHealthApp]) {
  test(`the document of ${Served.name} is valid by the official schema, and its references resolve`, async () => {
    await assertValidDocument(await new Served().openapi());
  });
}

test("the official schema rejects an invalid document", async () => {
  const document = await new BareApp().openapi();
  assert.notEqual(await faultsOf({ ...document, info: { title: "no version" } as never }), undefined);
});

test("the document of a typical app matches its snapshot", async () => {
  const golden = new URL("../../fixtures/openapi-generate.json", import.meta.url);
  const document: unknown = JSON.parse(JSON.stringify(await new GenerateApp().openapi()));
  assert.deepEqual(document, JSON.parse(readFileSync(golden, "utf8")));
});

test("paths are sorted, followed by health, and are listed in that order", async () => {
  const document = await new RichApp().openapi();
  const order = ["/@me/it's,x;y=1&$!~", "/bare", "/named", "/odd", "/stream", "/text", "/tree", "/health"];
  assert.deepEqual(document["x-fal-order-paths"], order);
  assert.deepEqual(Object.keys(document.paths), order);
});

test("an endpoint at /health replaces the health check", async () => {
  const document = await new OwnHealthApp().openapi();
  assert.deepEqual(document["x-fal-order-paths"], ["/health", "/z"]);
  assert.deepEqual(Object.keys(document.paths["/health"] ?? {}), ["post"]);
});

test("an endpoint with a body is documented with its schemas", async () => {
  const document = await new RichApp().openapi();
  assert.deepEqual(JSON.parse(JSON.stringify(document.paths["/odd"])), {
    post: {
      operationId: "odd",
      summary: "Odd things",
      description: "All *kinds*.",
      requestBody: {
        required: true,
        content: { "application/json": { schema: { $ref: "#/components/schemas/OddInput" } } },
      },
      responses: {
        200: {
          description: "Successful Response",
          content: { "application/json": { schema: { $ref: "#/components/schemas/OddOutput" } } },
        },
        422: {
          description: "Validation Error",
          content: { "application/json": { schema: { $ref: "#/components/schemas/HTTPValidationError" } } },
        },
      },
    },
  });
});

test("a stream is documented as events with the item's schema", async () => {
  const { post } = (await new RichApp().openapi()).paths["/stream"] as {
    post: { responses: Record<string, { content: object }> };
  };
  assert.deepEqual(post.responses["200"]?.content, {
    "text/event-stream": { schema: { $ref: "#/components/schemas/Picture" } },
    "application/x-ndjson": { schema: { $ref: "#/components/schemas/Picture" } },
  });
  assert.ok("422" in post.responses);
});

test("the document of an app whose endpoints have no body does not mention validation", async () => {
  const document = await new BareApp().openapi();
  assert.deepEqual(document.components.schemas, {});
  assert.deepEqual(JSON.parse(JSON.stringify(document.paths)), {
    "/": {
      post: {
        operationId: "run",
        summary: "Run",
        responses: {
          200: { description: "Successful Response", content: { "application/json": { schema: {} } } },
        },
      },
    },
    "/health": {
      get: {
        operationId: "health",
        summary: "Health",
        responses: {
          200: { description: "Successful Response", content: { "application/json": { schema: {} } } },
        },
      },
    },
  });
});

test("title and version are the app's; servers are listed only with a root path", async () => {
  const document = await new RichApp().openapi();
  assert.deepEqual(document.info, { title: "rich-app", version: "0.1.0" });
  assert.equal(document.openapi, "3.1.0");
  assert.ok(!("servers" in document));
});

test("operation ids are unique", async () => {
  for (const Served of [GenerateApp, RichApp, OwnHealthApp]) {
    const text = JSON.stringify((await new Served().openapi()).paths);
    const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
  }
});

test("GET /openapi.json serves the same document", async () => {
  const app = new RichApp();
  const server = app.buildServer({ logger: silentLogger() });
  const answer = await server.inject({ url: "/openapi.json" });
  await server.close();
  assert.deepEqual(answer.json(), JSON.parse(JSON.stringify(await app.openapi())));
});

test("documenting an app without routes fails, as starting its server does", async () => {
  class Nothing extends App {}
  const refusal = {
    code: "ROUTES_MISSING",
    message: 'nothing has no route; put @endpoint("/") on the method it should serve.',
  };
  await assert.rejects(new Nothing().openapi(), refusal);
  assert.throws(() => new Nothing().buildServer(), refusal);
});

test("an invalid default or an unresolved reference is rejected before the server starts", async () => {
  class Default extends App {
    @endpoint("/", { input: Type.Object({ n: Type.Integer({ default: 0.5 }) }) })
    run(): void {}
  }
  class Reference extends App {
    @endpoint("/", { output: Type.Object({ next: Type.Ref("Nowhere") }) })
    run(): { next: unknown } {
      return { next: 5 };
    }
  }
  class Session extends App {
    @realtime("/rt", { input: Type.Object({ next: Type.Ref("Nowhere") }) })
    run(): object {
      return {};
    }
  }
  for (const [Refused, message] of [
    [Default, /^Cannot use the input of run\(\) as a schema: the default 0.5 of n does not fit$/],
    [Reference, /^Cannot use the output of run\(\) as a schema: "\$ref": "Nowhere" leads nowhere;/],
    [Session, /^Cannot use the input of run\(\) as a schema: "\$ref": "Nowhere" leads nowhere;/],
  ] as const) {
    assert.throws(() => new Refused().buildServer(), { code: "SCHEMA_INVALID", message });
    await assert.rejects(new Refused().openapi(), { code: "SCHEMA_INVALID", message });
  }
});
