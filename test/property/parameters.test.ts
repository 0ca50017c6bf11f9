import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Type, type TSchema } from "typebox";
import type { FastifyRequest } from "fastify";
import { InputValidationError } from "../../src/errors.ts";
import { endpointSignature } from "../../src/routes/endpoint.ts";
import { FieldReader, FieldTexts } from "../../src/server/bodies/field-values.ts";
import { compileParameters } from "../../src/server/parameters/request-parameters.ts";
import { Validator } from "../../src/server/validation/validator.ts";
import { compileTextConversion } from "../../src/server/validation/text-conversion.ts";
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

/** The value of a field, or the faults as `type name index`. */
type Outcome = { readonly value: unknown } | { readonly faults: readonly string[] };

function outcomeOf(read: () => unknown): Outcome {
  try {
    return { value: (read() as { x?: unknown }).x };
  } catch (error) {
    if (!(error instanceof InputValidationError)) throw error;
    return { faults: error.issues.map(({ type, loc }) => [type, ...loc.slice(1)].join(" ")) };
  }
}

const validator = new Validator();
const lists = fc
  .tuple(unions, fc.constantFrom("alone", "list", "either"))
  .map(([schema, form]) =>
    form === "alone"
      ? schema
      : form === "list"
        ? Type.Array(schema)
        : Type.Union([schema, Type.Array(schema)]),
  );

test("a field of a form has the value and the faults of the same texts in a query string", () => {
  let [values, faults] = [0, 0];
  fc.assert(
    fc.property(lists, fc.array(texts, { minLength: 1, maxLength: 3 }), (schema, given) => {
      const object = Type.Object({ x: schema });
      const parameters = compileParameters(validator, endpointSignature("run", "/", { query: object }));
      const query = outcomeOf(() => {
        const request = { query: { x: given.length === 1 ? given[0] : given } } as unknown as FastifyRequest;
        const typed = parameters?.read(request, { rawHeaders: {} }, (issues) => {
          throw new InputValidationError(issues);
        });
        return typed?.query;
      });
      const form = outcomeOf(() => {
        const fields = new FieldTexts();
        for (const text of given) fields.add("x", text);
        const limits = { maxDepth: 10, maxValues: 100 };
        return new FieldReader(validator.compile(object, "the form"), limits, validator).read(fields);
      });
      // An empty field of a form may count as missing, and one that occurs twice is named as such.
      const isOwn = "faults" in form && /^(?:missing|value_error) x$/.test(form.faults[0] ?? "");
      if (!isOwn) assert.deepEqual(form, query);
      else assert.ok("faults" in query);
      if ("faults" in form) faults++;
      else values++;
    }),
    { numRuns: 500, includeErrorInReport: true },
  );
  assert.ok(values > 50 && faults > 50, `${values} values, ${faults} faults`);
});
