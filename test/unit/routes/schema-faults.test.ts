import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { bytes } from "../../../src/routes/bytes.ts";
import { schemaFault } from "../../../src/routes/schema-faults.ts";

class Point {
  x = 1;
}

const validate = (value: unknown) => ({ value });
const ACCEPTED: Readonly<Record<string, unknown>> = {
  "a schema of TypeBox": Type.Object({ a: Type.String() }),
  "a schema of TypeBox without keywords": Type.Unknown(),
  "a schema without keywords": {},
  "JSON Schema": { type: "object", properties: {} },
  "a reference": { $ref: "#/$defs/A", $defs: { A: {} } },
  "annotations alone": { "x-note": 1 },
  "bytes()": bytes(),
  "an object with Standard Schema": { "~standard": { version: 1, vendor: "own", validate } },
  "a function with Standard Schema": Object.assign(() => {}, {
    "~standard": { version: 1, vendor: "own", validate },
  }),
};

for (const [name, schema] of Object.entries(ACCEPTED)) {
  test(`${name} is a schema`, () => assert.equal(schemaFault(schema), undefined));
}

const REFUSED: readonly (readonly [name: string, value: unknown, message: RegExp])[] = [
  ["a text", "string", /must be a schema, for example Type\.Object.*got string\./],
  ["null", null, /got null\./],
  ["a list", [], /got a list\./],
  ["a class", Point, /got the class Point\./],
  ["a function", (input: unknown) => input, /got the function without a name\./],
  ["a function with a name", String, /got the function String\./],
  [
    "fields without a schema around them",
    { name: Type.String() },
    /\(name\) are not keywords of JSON Schema/,
  ],
  ["an instance of a class", new Point(), /an object of the class Point\./],
  ["a map", new Map(), /an object of the class Map\./],
  [
    "a schema of @sinclair/typebox",
    { type: "string", [Symbol.for("TypeBox.Kind")]: "String" },
    /is a schema of @sinclair\/typebox \(TypeBox 0\.x\); install `typebox`/,
  ],
  [
    "a schema of an old Zod",
    { _def: {}, parse: () => {} },
    /Zod schema without Standard Schema; install zod 4/,
  ],
  ["another version of Standard Schema", { "~standard": { version: 2, validate } }, /update its library/],
  ["types without validate()", { "~standard": { version: 1, vendor: "own" } }, /with validate\(\)/],
];

for (const [name, value, message] of REFUSED) {
  test(`${name} is not a schema`, () => assert.match(schemaFault(value) ?? "", message));
}
