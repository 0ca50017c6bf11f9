import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Type } from "typebox";
import { OutputValidationError } from "../../src/errors.ts";
import { MESSAGE_PACK_FORM, sendable } from "../../src/json/sendable.ts";
import { createPresenter, createSerializer } from "../../src/server/http/serializer.ts";
import { compileInput } from "../helpers/issues.ts";
import { knownPart, type Fits } from "../helpers/known-fields.ts";
import { resultCases } from "../helpers/results.ts";

/** The same value with each toJSON() applied. Values of a class's getters are not enumerable. */
function withConversions(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return withConversions((toJSON as () => unknown).call(value));
  if (Array.isArray(value)) return value.map(withConversions);
  const copy = {};
  const prototype = Object.getPrototypeOf(value) as object | null;
  const inherited =
    prototype === null || prototype === Object.prototype ? [] : Object.getOwnPropertyNames(prototype);
  const getters = inherited.filter((key) => !(key in Object.prototype));
  for (const key of [...getters, ...Object.keys(value)]) {
    const item = withConversions((value as Record<string, unknown>)[key]);
    Object.defineProperty(copy, key, {
      value: item,
      enumerable: Object.hasOwn(value, key),
      configurable: true,
    });
  }
  return copy;
}

function json(value: unknown): unknown {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

test("a valid value is serialized to JSON with the fields that the schema knows", () => {
  let fitting = 0;
  const runs = 300;
  fc.assert(
    fc.property(resultCases, ({ schema, value }) => {
      const compiled = compileInput(schema);
      const serialize = createSerializer(compiled, "run");
      const converted = withConversions(value);
      if (!compiled.fits(converted)) {
        assert.throws(() => serialize(value), OutputValidationError);
        return;
      }
      fitting++;
      const fits: Fits = (node, item) => compileInput(node).fits(item);
      assert.deepEqual(JSON.parse(serialize(value)), json(knownPart(compiled.document, converted, fits)));
    }),
    { numRuns: runs, includeErrorInReport: true },
  );
  assert.ok(fitting > runs / 2, `only ${fitting} values fit: little was tried`);
});

const PICTURE = Type.Object({
  url: Type.String(),
  seed: Type.Integer({ default: 7 }),
  sizes: Type.Array(Type.Object({ width: Type.Number() }), { maxItems: 3 }),
  note: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
const pictures = fc.record(
  {
    url: fc.oneof({ weight: 5, arbitrary: fc.string() }, fc.constant(new URL("http://localhost/"))),
    seed: fc.oneof({ weight: 5, arbitrary: fc.nat() }, fc.constantFrom(undefined, 1.5)),
    sizes: fc.array(
      fc.record(
        { width: fc.oneof({ weight: 5, arbitrary: fc.nat() }, fc.constant(NaN)), secret: fc.string() },
        { requiredKeys: ["width"] },
      ),
      { maxLength: 4 },
    ),
    note: fc.option(fc.string()),
    secret: fc.string(),
  },
  { requiredKeys: ["url", "sizes"] },
);

for (const [name, results] of [
  ["results of any schema", resultCases],
  ["results of declared fields", pictures.map((value) => ({ schema: PICTURE, value }))],
] as const) {
  test(`over a websocket, ${name} are sent alike, whether or not they need a conversion`, () => {
    let fitting = 0;
    fc.assert(
      fc.property(results, ({ schema, value }) => {
        const compiled = compileInput(schema);
        const outcomeOf = (present: () => unknown): unknown => {
          try {
            return { sent: present() };
          } catch (error) {
            return error instanceof Error;
          }
        };
        const converted = outcomeOf(() => sendable(compiled.present(value, "run"), MESSAGE_PACK_FORM));
        if (converted !== true) fitting++;
        const sent = outcomeOf(() => createPresenter(compiled, "run", MESSAGE_PACK_FORM)(value));
        assert.deepEqual(sent, converted);
      }),
      { numRuns: 300, includeErrorInReport: true },
    );
    assert.ok(fitting > 75, `only ${fitting} values fit: little was tried`);
  });
}

test("a serializer keeps every string unchanged", () => {
  const serialize = createSerializer(compileInput(Type.Object({ text: Type.String() })), "run");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      assert.deepEqual(JSON.parse(serialize({ text })), { text });
    }),
    { numRuns: 1000 },
  );
});

test("without a schema a serializer equals JSON.stringify, and undefined becomes null", () => {
  const serialize = createSerializer(undefined, "run");
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(serialize(value), JSON.stringify(value))));
  assert.equal(serialize(undefined), "null");
});
