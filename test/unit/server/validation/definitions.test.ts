import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { compileInput, issueLocations } from "../../../helpers/issues.ts";

/** Schemas that are rejected when the class is defined, with the expected messages. */
const REFUSED: readonly (readonly [schema: object, message: RegExp])[] = [
  // Unknown keywords.
  [Type.String({ minLenght: 3 }), /"minLenght" is not a keyword; did you mean "minLength"\?/],
  [
    Type.Object({ a: Type.Number({ minumum: 3 }) }),
    /"minumum" at properties\.a is not a keyword; did you mean "minimum"\?/,
  ],
  [{ type: "object", requred: ["a"] }, /"requred" is not a keyword; did you mean "required"\?/],
  [{ items: { uniqueitems: true } }, /"uniqueitems" at items is not a keyword; did you mean "uniqueItems"\?/],
  [
    { $defs: { A: { additionalproperties: false } } },
    /at \$defs\.A is not a keyword; did you mean "additionalProperties"\?/,
  ],
  [
    { anyOf: [{ widget: "slider" }] },
    /"widget" at anyOf\.0 is not a keyword; your own annotations begin with "x-"/,
  ],
  [{ "x-servable-byte": {} }, /did you mean "x-servable-bytes"/],
  [{ $vocabulary: {} }, /"\$vocabulary" belongs to the schemas of dialects/],
  [{ $recursiveRef: "#" }, /"\$recursiveRef" is of an older draft; use "\$ref"/],
  [{ contentSchema: {} }, /"contentSchema" is not enforced/],
  [{ id: "Old" }, /"id" is of an older draft/],
  [{ formatMinimum: "2024-01-01", format: "date" }, /"formatMinimum" is not a keyword/],
  // Unknown formats and types.
  [Type.String({ format: "e-mail" }), /"format" is not known: "e-mail"; did you mean "email"\?/],
  [Type.String({ format: "datetime" }), /did you mean "date-time"\?/],
  [Type.String({ format: "idn-email" }), /"format" is not known: "idn-email"/],
  [Type.String({ format: "postcode" }), /"format" is not known: "postcode"/],
  [{ type: "strng" }, /"type" is not a JSON type: "strng"; did you mean "string"\?/],
  [{ type: ["string", "undefined"] }, /"type" is not a JSON type: "undefined"/],
  [Type.BigInt(), /"type" is not a JSON type: "bigint"/],
  [Type.Object({ a: Type.Undefined() }), /at properties\.a is not a JSON type/],
  [Type.Function([], Type.String()), /"type" is not a JSON type: "function"|not a keyword/],
  // Invalid values of keywords.
  [{ minLength: "3" }, /"minLength" must be a whole number of at least 0/],
  [{ maxItems: -1 }, /"maxItems" must be a whole number/],
  [{ minProperties: 1.5 }, /"minProperties" must be a whole number/],
  [{ minimum: NaN }, /"minimum" must be a finite number/],
  [{ exclusiveMinimum: true }, /"exclusiveMinimum" must be a finite number/],
  [{ multipleOf: 0 }, /"multipleOf" must be a number above 0/],
  [{ required: true }, /"required" must be a list of different names/],
  [{ required: ["a", "a"] }, /"required" must be a list of different names/],
  [{ enum: "a" }, /"enum" must be a list/],
  [{ enum: [] }, /"enum" must be a list with at least one value/],
  [{ anyOf: [] }, /"anyOf" must be a list of schemas/],
  [{ anyOf: { type: "string" } }, /"anyOf" must be a list of schemas/],
  [{ properties: [] }, /"properties" must be an object of schemas/],
  [{ properties: { a: "string" } }, /"properties" must be an object of schemas/],
  [{ items: "string" }, /"items" must be a schema/],
  [{ additionalProperties: "no" }, /"additionalProperties" must be a schema/],
  [{ dependentRequired: { a: "b" } }, /"dependentRequired" must be an object of lists of names/],
  [{ uniqueItems: "true" }, /"uniqueItems" must be true or false/],
  [{ pattern: "(" }, /"pattern" is not a valid pattern/],
  [{ patternProperties: { "[": {} } }, /"patternProperties" is not a valid pattern/],
  [{ minLength: 5, maxLength: 3 }, /"minLength" \(5\) is above "maxLength" \(3\)/],
  [{ minimum: 5, maximum: 3 }, /"minimum" \(5\) is above "maximum" \(3\)/],
  // Keywords without effect.
  [{ minContains: 2 }, /"minContains" has no effect without "contains"/],
  [{ then: { type: "string" } }, /"then" has no effect without "if"/],
  [{ additionalItems: false, items: {} }, /"additionalItems" has no effect without a list/],
  [{ nullable: true }, /"nullable" has no effect without a "type"/],
  // Code that a document cannot describe.
  [Type.Refine(Type.String(), () => true), /Type\.Refine is not enforced; check the value in the handler/],
  [
    Type.Object({ a: Type.Refine(Type.Array(Type.Integer()), () => true) }),
    /Type\.Refine is not enforced at properties\.a/,
  ],
  [
    Type.Object({
      a: Type.Codec(Type.String())
        .Decode((text) => new Date(text))
        .Encode((date) => date.toISOString()),
    }),
    /Type\.Codec is not applied at properties\.a/,
  ],
  // References.
  [{ $ref: "Nowhere" }, /"\$ref": "Nowhere" leads nowhere/],
  [{ properties: { a: { $ref: "#/properties/b" } } }, /leads nowhere/],
  [{ properties: { a: { $ref: "https://example.com/other.json" } } }, /leads nowhere/],
  [
    { $defs: { A: { $ref: "#/$defs/B" }, B: { $ref: "#/$defs/A" } }, $ref: "#/$defs/A" },
    /leads back to itself without going into the value/,
  ],
  [
    { $defs: { A: { anyOf: [{ type: "null" }, { $ref: "#/$defs/A" }] } }, $ref: "#/$defs/A" },
    /leads back to itself/,
  ],
  [
    {
      $defs: { A: { $dynamicAnchor: "n" }, B: { $id: "b", $dynamicAnchor: "n" } },
      properties: { a: { $dynamicRef: "#n" } },
    },
    /has more than one "\$dynamicAnchor" to choose from/,
  ],
  [{ $schema: "http://json-schema.org/draft-04/schema#" }, /"\$schema" names an unknown dialect/],
];

for (const [index, [schema, message]] of REFUSED.entries()) {
  test(`a schema is rejected by name: ${index}, ${message.source}`, () => {
    assert.throws(() => compileInput(schema), { code: "SCHEMA_INVALID", message });
  });
}

const Int = { type: "integer" };

/** Valid schemas, each with an invalid value and the paths of its errors. */
const TAKEN: Readonly<Record<string, readonly [schema: object, bad: unknown, locations: readonly string[]]>> =
  {
    "$schema of 2020-12": [
      { $schema: "https://json-schema.org/draft/2020-12/schema", properties: { a: Int } },
      { a: "x" },
      ["int_type body.a"],
    ],
    "$schema of draft-07": [
      {
        $schema: "http://json-schema.org/draft-07/schema#",
        definitions: { I: Int },
        properties: { a: { $ref: "#/definitions/I" } },
      },
      { a: "x" },
      ["int_type body.a"],
    ],
    "a pointer to a property": [
      { properties: { a: Int, b: { $ref: "#/properties/a" } } },
      { b: "x" },
      ["int_type body.b"],
    ],
    "a pointer into lists": [
      { prefixItems: [Int], items: { $ref: "#/prefixItems/0" } },
      [1, "x"],
      ["int_type body.1"],
    ],
    "a pointer with escapes": [
      { $defs: { "a/b~c d": Int }, properties: { a: { $ref: "#/$defs/a~1b~0c%20d" } } },
      { a: "x" },
      ["int_type body.a"],
    ],
    "an $id anywhere": [
      { properties: { a: { $id: "Size", ...Int }, b: { $ref: "Size" } } },
      { b: "x" },
      ["int_type body.b"],
    ],
    "an absolute $id": [
      {
        $id: "https://example.com/root.json",
        $defs: { S: { $id: "size.json", ...Int } },
        properties: { b: { $ref: "https://example.com/size.json" }, c: { $ref: "size.json" } },
      },
      { b: "x", c: "x" },
      ["int_type body.b", "int_type body.c"],
    ],
    "an $anchor": [
      { $defs: { S: { $anchor: "size", ...Int } }, properties: { a: { $ref: "#size" } } },
      { a: "x" },
      ["int_type body.a"],
    ],
    "a pointer below an $id": [
      {
        $defs: { S: { $id: "S", $defs: { I: Int }, properties: { a: { $ref: "#/$defs/I" } } } },
        properties: { s: { $ref: "S" }, t: { $ref: "S#/$defs/I" } },
      },
      { s: { a: "x" }, t: "x" },
      ["int_type body.s.a", "int_type body.t"],
    ],
    "# below an $id": [
      { properties: { list: { $id: "List", type: "object", properties: { next: { $ref: "#" }, n: Int } } } },
      { list: { next: { next: { n: "x" } } } },
      ["int_type body.list.next.next.n"],
    ],
    "a $ref to true and to false": [
      {
        $defs: { Any: true, None: false },
        properties: { a: { $ref: "#/$defs/Any" }, b: { $ref: "#/$defs/None" } },
      },
      { a: 1, b: 2 },
      ["value_error body.b"],
    ],
    "$comment, examples and OpenAPI's notes": [
      {
        $comment: "x",
        examples: [1],
        example: 1,
        ui: { important: true },
        deprecated: true,
        readOnly: true,
        contentEncoding: "base64",
        xml: {},
        externalDocs: {},
        "x-order": 1,
        ...Int,
      },
      "x",
      ["int_type body"],
    ],
  };

for (const [what, [schema, bad, locations]] of Object.entries(TAKEN)) {
  test(`${what} works`, () => assert.deepEqual(issueLocations(schema, bad), locations));
}

test("a Record covers all keys, including those with line breaks", () => {
  const value = { "a\nb": "no integer" };
  for (const schema of [
    Type.Record(Type.String(), Type.Integer()),
    Type.Record(Type.Any(), Type.Integer()),
    Type.Object({}, { additionalProperties: Type.Integer() }),
    { type: "object", patternProperties: { "^.*$": Int } },
    { type: "object", patternProperties: { "^(.*)$": Int, "^x": true } },
    { type: "object", properties: { x: true }, patternProperties: { "^.*$": Int } },
    Type.Intersect([Type.Record(Type.String(), Type.Integer()), Type.Object({})]),
  ]) {
    assert.deepEqual(issueLocations(schema, value), ["int_type body.a\nb"], JSON.stringify(schema));
  }
  const template = Type.Record(Type.TemplateLiteral("a${string}"), Type.Integer());
  assert.deepEqual(issueLocations(template, value), ["int_type body.a\nb"]);
});

test("compiling a schema in another dialect does not modify it", () => {
  const schema = {
    items: [Int],
    additionalItems: false,
    definitions: { A: Int },
    dependencies: { a: ["b"] },
  };
  const before = structuredClone(schema);
  compileInput(schema);
  assert.deepEqual(schema, before);
});
