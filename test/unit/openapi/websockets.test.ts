import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { Type, type Static } from "typebox";
import { App, endpoint, realtime, websocket, type OpenApiDocument } from "../../../src/index.ts";
import { assertValidDocument } from "../../helpers/documents.ts";
import { RealtimeDocumentApp } from "../../helpers/realtime-document-app.ts";
import { Picture, PICTURE, Prompt, Tree } from "../../helpers/schemas.ts";
import { silentLogger } from "../../helpers/silent-logger.ts";

/** Plain data, as parsed from the JSON. */
async function read(app: App): Promise<OpenApiDocument> {
  return JSON.parse(JSON.stringify(await app.openapi())) as OpenApiDocument;
}

suite("websockets in the document", async () => {
  const document = await read(new RealtimeDocumentApp());

  test("the document of an app with every kind of route matches its snapshot", () => {
    const golden = new URL("../../fixtures/openapi-realtime.json", import.meta.url);
    assert.deepEqual(document, JSON.parse(readFileSync(golden, "utf8")));
  });

  test("it is valid by the official schema, and its references resolve", async () => {
    await assertValidDocument(document);
  });

  test("a typed realtime route without a POST on its path gets a documented POST mirror", () => {
    assert.deepEqual(document.paths["/rt"], {
      "x-fal-protocol": {
        type: "realtime",
        operationId: "rt",
        config: { buffering: null, sessionTimeout: null, maxBatchSize: 1 },
        contentType: "application/msgpack",
        realtimeMode: "unary",
      },
      post: {
        operationId: "rt_post",
        summary: "Realtime endpoint: rt",
        description: "Draws *as you go*.",
        requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Stroke" } } } },
        responses: {
          200: {
            description: "WebSocket message response",
            content: { "application/json": { schema: { $ref: "#/components/schemas/Sketch" } } },
          },
        },
      },
    });
  });

  test("if the path has a POST of its own, only the protocol is added", () => {
    const { post, ...rest } = document.paths["/both"] as { post: { operationId: string } };
    assert.equal(post.operationId, "both_post");
    assert.deepEqual(Object.keys(rest), ["x-fal-protocol"]);
  });

  test("the protocol lists the route's settings, and batches are described by the schema of a single item", () => {
    const { "x-fal-protocol": protocol, post } = document.paths["/batched"] as Record<string, object>;
    assert.deepEqual(protocol, {
      type: "realtime",
      operationId: "batched",
      config: { buffering: 2, sessionTimeout: 10, maxBatchSize: 4 },
      contentType: "application/json",
      realtimeMode: "unary",
    });
    assert.deepEqual(schemasOf(post), ["Stroke", "Sketch"]);
  });

  test("streams are described by the item's schema; without an output schema the mirror answers 204", () => {
    assert.deepEqual(schemasOf(document.paths["/tiles"]?.["post"]), ["TilesInput", "Tile"]);
    const post = document.paths["/collect"]?.["post"] as { responses: object } | undefined;
    assert.deepEqual(post?.responses, { 204: { description: "WebSocket message response" } });
  });

  test("an untyped session and a raw websocket have no mirror, and a raw one has neither content type nor mode", () => {
    assert.deepEqual(Object.keys(document.paths["/untyped"] ?? {}), ["x-fal-protocol"]);
    assert.deepEqual(document.paths["/raw"], {
      "x-fal-protocol": {
        type: "websocket",
        operationId: "raw",
        config: { buffering: null, sessionTimeout: null, maxBatchSize: 1 },
      },
      description: "Anything goes.",
    });
  });

  test("paths are sorted, then health, then websockets, and are listed in that order", () => {
    const order = ["/", "/both", "/health", "/batched", "/collect", "/raw", "/rt", "/tiles", "/untyped"];
    assert.deepEqual(document["x-fal-order-paths"], order);
    assert.deepEqual(Object.keys(document.paths), order);
  });

  test("schemas of sessions have titles and the order of their fields", () => {
    const schema = document.components.schemas["TilesInput"];
    assert.equal(schema?.["title"], "TilesInput");
    assert.deepEqual(schema?.["x-fal-order-properties"], ["factor", "frame_count"]);
  });

  test("GET /openapi.json serves the same document", async () => {
    const server = new RealtimeDocumentApp().buildServer({ logger: silentLogger() });
    const answer = await server.inject({ url: "/openapi.json" });
    await server.close();
    assert.deepEqual(answer.json(), document);
  });

  test("a POST to a mirrored path is still answered with 404", async () => {
    const server = new RealtimeDocumentApp().buildServer({ logger: silentLogger() });
    const answer = await server.inject({ method: "POST", url: "/rt", payload: { x: 1, y: 1 } });
    await server.close();
    assert.equal(answer.statusCode, 404);
  });
});

test("a mirror gets another name if an operation already has its name", async () => {
  class Names extends App {
    @endpoint("/other", { input: Prompt })
    rt_post(): void {}
    @realtime("/rt", { input: Prompt })
    rt(_input: Prompt): object {
      return {};
    }
    @realtime("/rt2", { input: Prompt })
    rt_post2(_input: Prompt): object {
      return {};
    }
  }
  const document = await read(new Names());
  const ids = ["/other", "/rt", "/rt2"].map(
    (path) => (document.paths[path]?.["post"] as { operationId: string } | undefined)?.operationId,
  );
  assert.deepEqual(ids, ["rt_post", "rt_post2", "rt_post2_post"]);
  await assertValidDocument(document);
});

test("the document of an app with only websockets does not mention validation", async () => {
  class Sockets extends App {
    @realtime("/rt", { input: Prompt, output: Picture })
    rt(_input: Prompt): Picture {
      return PICTURE;
    }
    @websocket("/ws")
    raw(): void {}
  }
  const document = await read(new Sockets());
  assert.deepEqual(Object.keys(document.components.schemas), ["Picture", "Prompt"]);
  assert.deepEqual(document["x-fal-order-paths"], ["/health", "/rt", "/ws"]);
  await assertValidDocument(document);
});

test("a session's schema never replaces an endpoint's component", async () => {
  const Other = Type.Object({ prompt: Type.Integer() }, { $id: "Prompt" });
  class Clash extends App {
    @endpoint("/", { input: Prompt })
    post(_input: Prompt): void {}
    @realtime("/rt", { input: Other })
    rt(_input: Static<typeof Other>): object {
      return {};
    }
  }
  const refusal = {
    code: "SCHEMA_NAME_TAKEN",
    message:
      'Two different schemas carry the $id "Prompt"; rename one, or use the same schema in both places.',
  };
  await assert.rejects(new Clash().openapi(), refusal);
  assert.throws(() => new Clash().buildServer(), refusal);

  class Anonymous extends App {
    @endpoint("/", { input: Type.Object({ a: Type.Integer() }) })
    run_it(): void {}
    @realtime("/rt", { input: Type.Object({ b: Type.Integer() }) })
    runIt(_input: { b: number }): object {
      return {};
    }
  }
  const { schemas } = (await read(new Anonymous())).components;
  assert.deepEqual(schemas["RunItInput"]?.["x-fal-order-properties"], ["a"]);
  assert.deepEqual(schemas["RunItInput2"]?.["x-fal-order-properties"], ["b"]);
});

test("recursive and unusual schemas are valid in sessions too", async () => {
  class Odd extends App {
    @realtime("/tree", {
      input: Tree,
      output: Type.Object({ pair: Type.Tuple([Tree, Prompt]) }),
      mode: "bidi",
    })
    async *tree(): AsyncGenerator<{ pair: [Tree, Prompt] }> {}
    @realtime("/@me/it's,x;y=1&$!~", { input: Type.Object({}, { $id: "https://example.com/My Schema" }) })
    marks(): object {
      return {};
    }
  }
  await assertValidDocument(await read(new Odd()));
});

/** The names of the components that an operation takes and returns. */
function schemasOf(operation: unknown): string[] {
  const references = JSON.stringify(operation).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
  return [...references].map(([, name = ""]) => name);
}
