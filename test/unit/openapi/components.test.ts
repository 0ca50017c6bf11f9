import assert from "node:assert/strict";
import { test } from "node:test";
import { Type, type TSchema } from "typebox";
import { collectComponents } from "../../../src/openapi/components.ts";
import { endpointSignature } from "../../../src/routes/endpoint.ts";
import type { RouteSignature } from "../../../src/routes/signature.ts";
import { componentsOf } from "../../helpers/documents.ts";
import { Picture, Prompt, Tree } from "../../helpers/schemas.ts";
import { assertRefused } from "../../helpers/thrown.ts";

function route(methodName: string, input?: TSchema, output?: TSchema): RouteSignature {
  return endpointSignature(methodName, `/${methodName}`, {
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
  });
}
const names = (...routes: RouteSignature[]): string[] =>
  Object.keys(collectComponents(routes).schemas).sort();

test("a schema with an $id becomes a component of that name, nested ones too", () => {
  const Lora = Type.Object({ path: Type.String() }, { $id: "Lora" });
  const Style = Type.Union([Type.Literal("photo"), Type.Literal("anime")], { $id: "Style" });
  const schemas = componentsOf(
    Type.Object(
      { loras: Type.Array(Lora), style: Style, either: Type.Union([Lora, Style]) },
      { $id: "Wish" },
    ),
  );
  assert.deepEqual(Object.keys(schemas).sort(), ["Lora", "Style", "Wish"]);
  assert.deepEqual(schemas["Wish"]?.["properties"], {
    loras: { type: "array", items: { $ref: "Lora#" }, title: "Loras" },
    style: { $ref: "Style#" },
    either: { anyOf: [{ $ref: "Lora#" }, { $ref: "Style#" }], title: "Either" },
  });
  assert.deepEqual(schemas["Style"], { type: "string", enum: ["photo", "anime"], title: "Style" });
});

test("a schema without an $id is named after its method", () => {
  const anonymous = (): TSchema => Type.Object({ a: Type.Integer() });
  assert.deepEqual(names(route("generate", anonymous(), anonymous())), ["GenerateInput", "GenerateOutput"]);
  assert.deepEqual(names(route("text_to_image", anonymous())), ["TextToImageInput"]);
  assert.deepEqual(names(route("textToImage", undefined, Type.String())), ["TextToImageOutput"]);
});

test("if a generated name equals an $id or another generated name, it is changed", () => {
  const taken = Type.Object({ b: Type.Integer() }, { $id: "RunInput" });
  const anonymous = Type.Object({ a: Type.Integer() });
  const { schemas, reference } = collectComponents([route("run", anonymous), route("later", taken)]);
  assert.deepEqual(reference(anonymous), { $ref: "RunInput2#" });
  assert.deepEqual(reference(taken), { $ref: "RunInput#" });
  assert.deepEqual(Object.keys(schemas).sort(), ["RunInput", "RunInput2"]);
  assert.deepEqual(names(route("a_b", Type.Object({})), route("aB", Type.Object({}))), [
    "ABInput",
    "ABInput2",
  ]);
});

test("a schema used in several places is one component", () => {
  assert.deepEqual(names(route("one", Prompt, Picture), route("two", Prompt, Picture)), [
    "Picture",
    "Prompt",
  ]);
  const copy = Type.Object({ a: Type.Integer() }, { $id: "Same" });
  const again = Type.Object({ a: Type.Integer() }, { $id: "Same" });
  assert.deepEqual(names(route("one", copy), route("two", again)), ["Same"]);
});

test("an unnamed schema that is used several times is named after each use", () => {
  const anonymous = Type.Object({ a: Type.Integer() });
  const one = route("one", anonymous);
  const two = route("two", anonymous, anonymous);
  const { schemas, reference } = collectComponents([one, two]);
  assert.deepEqual(Object.keys(schemas).sort(), ["OneInput", "TwoInput", "TwoOutput"]);
  assert.deepEqual(reference(anonymous, { route: one, as: "input" }), { $ref: "OneInput#" });
  assert.deepEqual(reference(anonymous, { route: two, as: "input" }), { $ref: "TwoInput#" });
  assert.deepEqual(reference(anonymous, { route: two, as: "output" }), { $ref: "TwoOutput#" });
  assert.equal(schemas["TwoOutput"]?.["title"], "TwoOutput");
});

test("two different schemas with the same $id are rejected", () => {
  const one = Type.Object({ a: Type.Integer() }, { $id: "Same" });
  const two = Type.Object({ a: Type.String() }, { $id: "Same" });
  const message =
    'Two different schemas carry the $id "Same"; rename one, or use the same schema in both places.';
  assertRefused(() => names(route("a", one), route("b", two)), "SCHEMA_NAME_TAKEN", message);
  assertRefused(() => names(route("a", one, two)), "SCHEMA_NAME_TAKEN", message);
  assertRefused(() => names(route("a", Type.Object({ one, two }))), "SCHEMA_NAME_TAKEN", message);
});

test("the framework's own names are rejected", () => {
  for (const $id of ["HTTPValidationError", "ValidationError"]) {
    assertRefused(
      () => names(route("a", Type.Object({}, { $id }))),
      "SCHEMA_NAME_TAKEN",
      `The $id "${$id}" is the framework's own; rename the schema.`,
    );
  }
});

test("names that the specification does not allow are converted to valid ones", () => {
  assert.deepEqual(names(route("a", Type.Object({}, { $id: "https://example.com/x.json" }))), [
    "https___example.com_x.json",
  ]);
  assert.deepEqual(names(route("a", Type.Object({}, { $id: "My Schema" }))), ["My_Schema"]);
});

test('names such as "constructor", which every object inherits, are valid component names', () => {
  const $ids = ["constructor", "toString", "hasOwnProperty"];
  assert.deepEqual(
    names(...$ids.map(($id, index) => route(`m${index}`, Type.Object({}, { $id })))),
    $ids.sort(),
  );
});

test("keywords added at one use of a named schema are written beside its reference", () => {
  const Style = Type.Union([Type.Literal("photo"), Type.Literal("anime")], {
    $id: "Style",
    description: "A look",
  });
  const schemas = componentsOf(
    Type.Object({
      style: Type.With(Style, { default: "photo" }),
      other: Type.With(Style, { description: "Another look" }),
      plain: Style,
    }),
  );
  const { properties, required } = schemas["RunInput"] as { properties: object; required: string[] };
  assert.deepEqual(properties, {
    style: { $ref: "Style#", default: "photo" },
    other: { $ref: "Style#", description: "Another look" },
    plain: { $ref: "Style#" },
  });
  assert.deepEqual(required, ["other", "plain"]);
  assert.deepEqual(schemas["Style"], {
    type: "string",
    enum: ["photo", "anime"],
    description: "A look",
    title: "Style",
  });
});

test("a recursive schema is a component that refers to itself", () => {
  const schemas = componentsOf(Tree, Type.Object({ tree: Tree }));
  assert.deepEqual(Object.keys(schemas).sort(), ["RunOutput", "Tree"]);
  const { properties } = schemas["Tree"] as { properties: Record<string, object> };
  assert.deepEqual(properties["children"], { type: "array", items: { $ref: "Tree#" }, title: "Children" });
  const list = { type: "object", properties: { next: { $ref: "#" } } };
  assert.deepEqual(componentsOf(list)["RunInput"]?.["properties"], { next: { $ref: "RunInput#" } });
  assert.deepEqual(componentsOf({ ...list, $id: "List" })["List"]?.["properties"], {
    next: { $ref: "List#" },
  });
});

test("schemas that refer to each other are separate components", () => {
  const schema = Type.Cyclic(
    {
      Folder: Type.Object({ files: Type.Array(Type.Ref("File")) }),
      File: Type.Object({ folder: Type.Optional(Type.Ref("Folder")) }),
    },
    "Folder",
  );
  assert.deepEqual(Object.keys(componentsOf(schema)).sort(), ["File", "Folder"]);
});

test("the user's schemas are never modified", () => {
  const freeze = <T>(value: T): T => {
    if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
      Object.freeze(value);
      for (const key of Reflect.ownKeys(value)) freeze((value as Record<PropertyKey, unknown>)[key]);
    }
    return value;
  };
  const schema = freeze(
    Type.Object(
      {
        tuple: Type.Tuple([Type.String()]),
        kind: Type.Union([Type.Literal("a"), Type.Literal("b")], { default: "a" }),
        both: Type.Intersect([Type.Object({ a: Type.Integer() }), Prompt]),
        tree: Tree,
      },
      { $id: "Frozen" },
    ),
  );
  const before = structuredClone(schema);
  assert.deepEqual(Object.keys(componentsOf(schema, schema)).sort(), ["Frozen", "Prompt", "Tree"]);
  assert.deepEqual(structuredClone(schema), before);
});
