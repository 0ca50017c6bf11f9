import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Type, type TSchema } from "typebox";
import { compileTextConversion } from "../../src/server/parameters/text-conversion.ts";
import type { SchemaNode } from "../../src/routes/schema-walk.ts";
import { compileInput } from "../helpers/issues.ts";

const SCALARS: readonly TSchema[] = [
  Type.Integer(),
  Type.Number({ minimum: 0 }),
  Type.Boolean(),
  Type.Null(),
  Type.String({ maxLength: 2 }),
  Type.Literal("1"),
  Type.Literal(1),
  Type.Literal(true),
  Type.Enum({ a: "a", zero: "0" }),
];
const unions = fc
  .uniqueArray(fc.constantFrom(...SCALARS), { minLength: 1, maxLength: 4 })
  .map((branches) => (branches.length === 1 ? (branches[0] as TSchema) : Type.Union([...branches])));
const texts = fc.oneof(
  fc.constantFrom(
    "",
    "0",
    "1",
    "-1",
    "1.5",
    "1e2",
    "01",
    "+1",
    " 1",
    "true",
    "on",
    "off",
    "True",
    "null",
    "a",
  ),
  fc.integer().map(String),
  fc.double({ noNaN: true }).map(String),
  fc.string({ maxLength: 4 }),
);

/** The values that a text may stand for, in the documented order. */
function readings(text: string): unknown[] {
  const values: unknown[] = [text];
  let number: unknown;
  try {
    number = JSON.parse(text);
  } catch {}
  const isExact = typeof number === "number" && (Number.isSafeInteger(number) || !Number.isInteger(number));
  if (typeof number === "number" && isExact && text.trim() === text) values.push(number);
  if (["true", "1", "on"].includes(text)) values.push(true);
  if (["false", "0", "off"].includes(text)) values.push(false);
  if (text === "" || text === "null") values.push(null);
  return values;
}

const fitsNode = (node: SchemaNode): ((value: unknown) => boolean) => compileInput(node as TSchema).fits;

test("a text becomes the first of its readings that its schema accepts, and is refused if there is none", () => {
  let converted = 0;
  fc.assert(
    fc.property(unions, texts, (schema, text) => {
      const { document, fits } = compileInput(schema);
      const convert = compileTextConversion({ node: document, definitions: {}, fitsNode });
      const value = convert === undefined ? text : convert(text);
      const reading = readings(text).find(fits);
      if (reading === undefined) assert.equal(fits(value), isLarge(text) && fits(value));
      else assert.deepEqual(value, reading);
      if (reading !== undefined && reading !== text) converted++;
    }),
    { numRuns: 1000, includeErrorInReport: true },
  );
  assert.ok(converted > 50, `only ${converted} texts were converted`);
});

/** A whole number that a double holds, though it is not a safe integer: the reference leaves these out. */
function isLarge(text: string): boolean {
  return Math.abs(Number(text)) > Number.MAX_SAFE_INTEGER;
}
