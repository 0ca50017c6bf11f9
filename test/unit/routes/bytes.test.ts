import assert from "node:assert/strict";
import { test } from "node:test";
import { Type, type Static } from "typebox";
import { App, bytes, endpoint, realtime } from "../../../src/index.ts";
import { accepted, compileInput, issuesOf, issueLocations } from "../../helpers/issues.ts";
import { assertRefused } from "../../helpers/thrown.ts";

const Frame = Type.Object({
  image: bytes({ minBytes: 1, maxBytes: 3, description: "A picture." }),
  mask: Type.Optional(bytes()),
});
type Frame = Static<typeof Frame>;

test("bytes are accepted unchanged, also as a Buffer; the compiler knows their type", () => {
  const frame: Frame = { image: new Uint8Array([1, 2]), mask: Buffer.alloc(0) };
  const taken = accepted(Frame, { ...frame, extra: 1 }) as Frame;
  assert.equal(taken.image, frame.image);
  assert.deepEqual(taken, frame);
});

test("other values are rejected with the message of fal's Python SDK", () => {
  for (const image of ["AQI=", [1, 2], { 0: 1 }, 5, null, new Float32Array(1), new ArrayBuffer(2)]) {
    const [issue, ...more] = issuesOf(Frame, { image });
    assert.deepEqual(more, []);
    assert.deepEqual(
      [issue?.type, issue?.loc, issue?.msg, issue?.ctx],
      ["bytes_type", ["body", "image"], "Input should be a valid bytes", undefined],
    );
  }
});

test("too few and too many bytes are rejected", () => {
  assert.deepEqual(issuesOf(Frame, { image: new Uint8Array(0) }), [
    {
      type: "bytes_too_short",
      loc: ["body", "image"],
      msg: "Data should have at least 1 byte",
      input: "<binary 0 bytes>",
      ctx: { min_length: 1 },
    },
  ]);
  assert.deepEqual(issuesOf(Frame, { image: new Uint8Array(4) }), [
    {
      type: "bytes_too_long",
      loc: ["body", "image"],
      msg: "Data should have at most 3 bytes",
      input: "<binary 4 bytes>",
      ctx: { max_length: 3 },
    },
  ]);
});

test("bytes may be used alone, in lists, and in unions with other types", () => {
  const data = new Uint8Array([1]);
  assert.equal(accepted(bytes(), data), data);
  assert.deepEqual(issueLocations(bytes(), { a: 1 }), ["bytes_type body"]);
  assert.deepEqual(issueLocations(Type.Array(bytes()), [data, "x"]), ["bytes_type body.1"]);
  const either = Type.Object({ source: Type.Union([Type.String(), bytes()]) });
  assert.deepEqual(accepted(either, { source: data }), { source: data });
  assert.deepEqual(issueLocations(either, { source: 5 }), [
    "string_type body.source.str",
    "bytes_type body.source.bytes",
  ]);
  const maybe = Type.Object({ source: Type.Union([bytes(), Type.Null()]) });
  assert.deepEqual(issueLocations(maybe, { source: "x" }), ["bytes_type body.source"]);
});

test("results are checked as well", () => {
  const compiled = compileInput(Frame);
  assert.ok(compiled.fits({ image: new Uint8Array(1) }));
  assert.ok(!compiled.fits({ image: "x" }));
});

test("invalid limits are rejected", () => {
  const message = "bytes(): a limit must be a whole number of at least 0, got -1.";
  assertRefused(() => bytes({ minBytes: -1 }), "SCHEMA_INVALID", message);
  assertRefused(() => bytes({ maxBytes: 1.5 }), "SCHEMA_INVALID", /got 1\.5/);
  assertRefused(
    () => bytes({ minBytes: 2, maxBytes: 1 }),
    "SCHEMA_INVALID",
    "bytes(): minBytes (2) is above maxBytes (1).",
  );
});

test("in documents, bytes are a string with the format binary", async () => {
  class Show extends App {
    @realtime("/", { input: Frame })
    run(_input: Frame): object {
      return {};
    }
  }
  const { components } = await new Show().openapi();
  const properties = components.schemas["RunInput"]?.["properties"] as Record<string, unknown> | undefined;
  assert.deepEqual(properties?.["image"], {
    description: "A picture.",
    type: "string",
    format: "binary",
    contentMediaType: "application/octet-stream",
    "x-servable-bytes": { minBytes: 1, maxBytes: 3 },
    title: "Image",
  });
});

test("an endpoint, and a session with JSON messages, reject schemas with bytes at any depth", async () => {
  class Post extends App {
    @endpoint("/", { input: Type.Object({ list: Type.Array(Frame) }) })
    run(): void {}
  }
  class Result extends App {
    @endpoint("/", { output: Type.Object({ part: bytes() }) })
    run(): { part: Uint8Array } {
      return { part: new Uint8Array() };
    }
  }
  class Talk extends App {
    @realtime("/", { input: Frame, contentType: "application/json" })
    run(_input: Frame): object {
      return {};
    }
  }
  for (const [app, which] of [
    [new Post(), "input"],
    [new Result(), "output"],
    [new Talk(), "input"],
  ] as const) {
    const message = `JSON can't carry the bytes() in the ${which} of run(); send base64 as Type.String(), or serve the method with @realtime.`;
    assertRefused(() => app.buildServer(), "SCHEMA_INVALID", message);
    await assert.rejects(app.openapi(), { code: "SCHEMA_INVALID" });
  }
});
