import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { pascalCase, titleWords } from "../../../src/openapi/components.ts";
import type { SchemaNode } from "../../../src/routes/schema-walk.ts";
import { componentsOf } from "../../helpers/documents.ts";

/** The annotated schema of one field. */
function fieldOf(schema: object): unknown {
  const { RunInput } = componentsOf(Type.Object({ f: schema }));
  return (RunInput as { properties: SchemaNode }).properties["f"];
}

test("titles are made from the words of a name", () => {
  const titles: Readonly<Record<string, string>> = {
    num_images: "Num Images",
    numImages: "Num Images",
    NumImages: "Num Images",
    "num-images": "Num Images",
    prompt: "Prompt",
    HTTPServer: "HTTP Server",
    image2image: "Image2image",
    _private: "Private",
    "": "",
  };
  for (const [name, title] of Object.entries(titles)) assert.equal(titleWords(name), title);
  assert.equal(pascalCase("text_to_image"), "TextToImage");
  assert.equal(pascalCase("textToImage"), "TextToImage");
});

test("fields and components without a title get one", () => {
  const schema = componentsOf(
    Type.Object({ num_images: Type.Integer(), seed: Type.Integer({ title: "The Seed" }) }, { $id: "Wish" }),
  )["Wish"];
  assert.equal(schema?.["title"], "Wish");
  assert.deepEqual(schema?.["properties"], {
    num_images: { type: "integer", title: "Num Images" },
    seed: { type: "integer", title: "The Seed" },
  });
  assert.equal(componentsOf(Type.Object({}, { $id: "Wish", title: "Mine" }))["Wish"]?.["title"], "Mine");
});

test("every object lists its fields in order, at any depth", () => {
  const inner = Type.Object({ z: Type.Integer(), a: Type.Integer() });
  const order = ["z", "a"];
  const fields = {
    object: inner,
    list: Type.Array(inner),
    tuple: Type.Tuple([inner]),
    map: Type.Record(Type.String(), inner),
    open: Type.Object({}, { additionalProperties: inner }),
    union: Type.Union([inner, Type.Null()]),
    both: Type.Intersect([inner, Type.Object({ q: Type.Integer() })]),
  };
  const text = JSON.stringify(componentsOf(Type.Object(fields))["RunInput"]);
  assert.equal(text.split(JSON.stringify({ "x-fal-order-properties": order }).slice(1, -1)).length - 1, 7);
  const { allOf } = fieldOf(fields.both) as { allOf: SchemaNode[] };
  assert.deepEqual(
    allOf.map((part) => part["x-fal-order-properties"]),
    [order, ["q"]],
  );
  const root = componentsOf(Type.Object(fields))["RunInput"];
  assert.deepEqual(root?.["x-fal-order-properties"], Object.keys(fields));
  assert.deepEqual(componentsOf(Type.Object({}))["RunInput"]?.["x-fal-order-properties"], []);
});

test("unions of literals become enumerations", () => {
  const literals = (...values: (string | number | boolean)[]): object =>
    Type.Union(values.map((value) => Type.Literal(value)));
  assert.deepEqual(fieldOf(literals("a", "b")), { type: "string", enum: ["a", "b"], title: "F" });
  assert.deepEqual(fieldOf(literals(1, 2)), { type: "integer", enum: [1, 2], title: "F" });
  assert.deepEqual(fieldOf(literals(1.5, "a", true)), {
    type: ["number", "string", "boolean"],
    enum: [1.5, "a", true],
    title: "F",
  });
  assert.deepEqual(fieldOf(Type.Enum(["a", "b"])), { type: "string", enum: ["a", "b"], title: "F" });
  assert.deepEqual(fieldOf(Type.Literal("a")), { type: "string", const: "a", title: "F" });
});

test("a nullable literal stays a union", () => {
  assert.deepEqual(fieldOf(Type.Union([Type.Literal("a"), Type.Null()])), {
    anyOf: [{ type: "string", const: "a" }, { type: "null" }],
    title: "F",
  });
});

test("tuples are written as prefixItems", () => {
  assert.deepEqual(fieldOf(Type.Tuple([Type.String(), Type.Integer()])), {
    type: "array",
    prefixItems: [{ type: "string" }, { type: "integer" }],
    items: false,
    minItems: 2,
    title: "F",
  });
});

test("fields with a default are not required", () => {
  const schema = componentsOf(
    Type.Object({ a: Type.String(), b: Type.Integer({ default: 0 }), c: Type.Optional(Type.String()) }),
  )["RunInput"];
  assert.deepEqual(schema?.["required"], ["a"]);
  assert.ok(
    !("required" in (componentsOf(Type.Object({ b: Type.Integer({ default: 0 }) }))["RunInput"] ?? {})),
  );
});
