import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { createSerializer } from "../../../../src/server/http/serializer.ts";
import { Validator } from "../../../../src/server/validation/validator.ts";

/** The number of functions that code is compiled to while `run` runs. Ajv and fast-json-stringify call `Function`. */
function compiledBy(run: () => unknown): number {
  const original = globalThis.Function;
  let count = 0;
  globalThis.Function = new Proxy(original, {
    construct: (target, args: string[]) => (count++, new target(...args)),
    apply: (target, _this, args: string[]) => (count++, target(...args)),
  });
  try {
    run();
  } finally {
    globalThis.Function = original;
  }
  return count;
}

const picture = () =>
  Type.Object({
    url: Type.String({ minLength: 1 }),
    width: Type.Integer({ default: 512 }),
    tags: Type.Array(Type.String()),
  });
const PICTURE = { url: "a", width: 1, tags: ["x"] };

test("a schema is compiled by its first value, not when it is defined", () => {
  const validator = new Validator();
  const schemas = [0, 1, 2].map((minimum) => Type.Object({ seed: Type.Integer({ minimum, default: 7 }) }));
  let compiled = schemas.map((schema) => validator.compile(schema, "the input of run()"));
  assert.equal(
    compiledBy(() => (compiled = schemas.map((schema) => validator.compile(schema, "the input of run()")))),
    0,
  );
  for (const schema of compiled) {
    assert.equal(
      compiledBy(() => schema.accept({ seed: 5 })),
      1,
    );
    assert.equal(
      compiledBy(() => schema.accept({ seed: 5 })),
      0,
    );
  }
});

test("what is prepared is not compiled by the first value", () => {
  const schema = new Validator().compile(picture(), "the output of run()");
  const serialize = createSerializer(schema, "run");
  assert.ok(compiledBy(() => (schema.prepare(), schema.writer?.prepare())) >= 2);
  assert.equal(
    compiledBy(() => assert.deepEqual(JSON.parse(serialize(PICTURE)), PICTURE)),
    0,
  );
});

test("schemas that are the same compile once, though their notes differ", () => {
  const validator = new Validator();
  const first = validator.compile(picture(), "the output of one()");
  const others = [
    picture(),
    { ...picture(), title: "Picture", description: "A picture." },
    { ...picture(), "x-note": "own" },
  ].map((schema) => validator.compile(schema, "the output of two()"));
  createSerializer(first, "one")(PICTURE);
  for (const other of others) {
    assert.notEqual(other, first);
    assert.equal(
      compiledBy(() => createSerializer(other, "two")(PICTURE)),
      0,
    );
    assert.throws(() => other.accept({ ...PICTURE, url: "" }), /./);
  }
});

test("schemas that differ in anything that is enforced do not share a function", () => {
  const validator = new Validator();
  const fits = (schema: object, value: unknown): boolean =>
    validator.compile(schema, "the input of run()").fits(value);
  for (const minimum of [0, 5]) assert.equal(fits(Type.Integer({ minimum }), 3), minimum <= 3);
  for (const only of ["a", "b"]) assert.equal(fits(Type.Literal(only), "a"), only === "a");
  for (const pattern of ["^a$", "^b$"]) assert.equal(fits(Type.String({ pattern }), "a"), pattern === "^a$");
  // JSON would write both alike.
  for (const day of [new Date(0), "1970-01-01T00:00:00.000Z"])
    assert.equal(fits({ enum: [day] }, "1970-01-01T00:00:00.000Z"), typeof day === "string");
});

const DEEP = (levels: number): object =>
  Array.from({ length: levels }).reduce<object>((items) => ({ type: "array", items }), { type: "string" });

test("a fault of a schema is thrown when it is defined, without compiling", () => {
  const faults: readonly [schema: object, message: RegExp][] = [
    [{ type: "strng" }, /is not a JSON type: "strng"; did you mean "string"\?/],
    [{ type: "string", formt: "date" }, /"formt" is not a keyword; did you mean "format"\?/],
    [{ type: "string", pattern: "(" }, /"pattern" is not a valid pattern/],
    [{ type: "string", pattern: "^(a+)+$" }, /can go back over one text in too many ways/],
    [{ $ref: "#/$defs/Lost" }, /leads nowhere/],
    [{ $ref: "#" }, /leads back to itself/],
    [Type.Object({ seed: Type.Integer({ default: 1.5 }) }), /the default 1.5 of seed does not fit/],
    [Type.Object({ kind: Type.Union([Type.Literal("a")], { default: "b" }) }), /the default "b" of kind/],
  ];
  for (const [schema, message] of faults) {
    const compiled = compiledBy(() =>
      assert.throws(() => new Validator().compile(schema, "the input of run()"), message),
    );
    assert.equal(compiled, 0, String(message));
  }
});

test("a schema that may be too deep to compile is compiled when it is defined", () => {
  const validator = new Validator();
  assert.equal(
    compiledBy(() => validator.compile(DEEP(20), "the input of run()")),
    0,
  );
  assert.equal(
    compiledBy(() => validator.compile(DEEP(60), "the input of run()")),
    1,
  );
  assert.throws(() => validator.compile(DEEP(20_000), "the input of run()"), /SCHEMA_INVALID|stack/);
});

test("a result whose schema is too deep for the fast writer is written all the same", () => {
  const nested = Array.from({ length: 120 }).reduce<object>(
    (inner) => ({ type: "object", properties: { inner }, required: ["inner"] }),
    { type: "object", properties: { end: { type: "integer" } }, required: ["end"] },
  );
  const value = Array.from({ length: 120 }).reduce<object>((inner) => ({ inner }), { end: 1 });
  const serialize = createSerializer(new Validator().compile(nested, "the output of run()"), "run");
  assert.deepEqual(JSON.parse(serialize(value)), value);
});
