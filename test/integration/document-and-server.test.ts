import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { App, endpoint, realtime, ServeWrapper } from "servable";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";

const Lora = Type.Object({ path: Type.String() }, { $id: "Lora" });
const Wish = Type.Object(
  {
    words: Type.Record(Type.String(), Type.Integer()),
    anything: Type.Record(Type.String(), Type.Unknown()),
    byNumber: Type.Record(Type.Integer(), Type.String(), { additionalProperties: false }),
    lora: Lora,
    maybeLora: Type.Union([Lora, Type.Null()], { default: null }),
    either: Type.Union([Lora, Type.String()]),
    loras: Type.Array(Lora),
    maybe: Type.Union([Type.Integer(), Type.Null()], { default: null }),
  },
  { $id: "Wish" },
);
const Note = Type.Object({ text: Type.String({ default: "none" }) }, { $id: "Note" });
const Nullable = Type.Union([Note, Type.Null()], { default: null });
const Whole = Type.Object({ text: Type.String({ default: "none" }) }, { default: {} });
const Frame = Type.Object({ at: Type.Integer() });

class Documented extends App {
  @endpoint("/wish", { input: Wish })
  wish(_wish: Static<typeof Wish>): object {
    return {};
  }

  @endpoint("/nullable", { input: Nullable })
  nullable(note: Static<typeof Nullable>): object {
    return { note };
  }

  @endpoint("/whole", { input: Whole })
  whole(note: Static<typeof Whole>): object {
    return { note };
  }

  @endpoint("/needed", { input: Note })
  needed(note: Static<typeof Note>): object {
    return { note };
  }

  @endpoint("/first", { input: Frame, output: Frame })
  first(frame: Static<typeof Frame>): Static<typeof Frame> {
    return frame;
  }

  @realtime("/second", { input: Frame, output: Frame })
  second(frame: Static<typeof Frame>): Static<typeof Frame> {
    return frame;
  }

  @realtime("/ticks", { output: Frame })
  ticks(): Static<typeof Frame> {
    return { at: 1 };
  }
}

type Post = { requestBody?: { required?: boolean; content: Record<string, { schema: object }> } };

describe("a class's OpenAPI document and its server's behavior", async () => {
  const document = await new Documented().openapi();
  const wish = document.components.schemas["Wish"]?.["properties"] as Record<string, Record<string, unknown>>;
  const post = (path: string): Post => document.paths[path]?.["post"] as Post;

  test("maps are described by their values", () => {
    assert.deepEqual(wish["words"]?.["additionalProperties"], { type: "integer" });
    assert.equal(wish["anything"]?.["additionalProperties"], true);
    assert.deepEqual(wish["byNumber"]?.["additionalProperties"], { type: "string" });
    assert.match(JSON.stringify(wish["byNumber"]), /"propertyNames":\{"pattern":/);
    assert.doesNotMatch(JSON.stringify(document), /patternProperties/);
  });

  test("a mere reference to a component, or to one or null, has no title of its own", () => {
    const titles = Object.fromEntries(Object.entries(wish).map(([key, { title }]) => [key, title]));
    assert.deepEqual(titles, {
      ...{
        words: "Words",
        anything: "Anything",
        byNumber: "By Number",
        lora: undefined,
        maybeLora: undefined,
      },
      ...{ either: "Either", loras: "Loras", maybe: "Maybe" },
    });
  });

  test("a body is optional if its schema has a default, and required otherwise", async () => {
    await using server = await startTestServer(new Documented());
    for (const [path, note] of [
      ["/nullable", null],
      ["/whole", { text: "none" }],
    ] as const) {
      assert.equal(post(path).requestBody?.required, false);
      const answer = await server.post(path);
      assert.equal(answer.status, 200);
      assert.deepEqual(await answer.json(), { note });
    }
    assert.equal(post("/needed").requestBody?.required, true);
    assert.equal((await server.post("/needed")).status, 422);
    assert.deepEqual(await (await server.post("/nullable", { text: "a" })).json(), { note: { text: "a" } });
  });

  test("an unnamed schema is named after each operation that uses it", () => {
    const refers = (path: string): string => JSON.stringify(document.paths[path]?.["post"]);
    assert.match(refers("/first"), /FirstInput.*FirstOutput/);
    assert.match(refers("/second"), /SecondInput.*SecondOutput/);
  });

  test("a realtime route without an input has a POST operation without a body", () => {
    assert.equal(post("/ticks").requestBody, undefined);
    assert.match(JSON.stringify(post("/ticks")), /TicksOutput/);
  });

  test("the title of a function's document is the function's name", async () => {
    const greet = ({ path }: Static<typeof Lora>): string => path;
    assert.equal((await new ServeWrapper(greet, { input: Lora }).openapi()).info.title, "greet");
  });
});
