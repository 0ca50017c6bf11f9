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
function asTold(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return asTold((toJSON as () => unknown).call(value));
  if (Array.isArray(value)) return value.map(asTold);
  const copy = {};
  const prototype = Object.getPrototypeOf(value) as object | null;
  const inherited =
    prototype === null || prototype === Object.prototype ? [] : Object.getOwnPropertyNames(prototype);
  const getters = inherited.filter((key) => !(key in Object.prototype));
  for (const key of [...getters, ...Object.keys(value)]) {
    const item = asTold((value as Record<string, unknown>)[key]);
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
      const told = asTold(value);
      if (!compiled.fits(told)) {
        assert.throws(() => serialize(value), OutputValidationError);
        return;
      }
      fitting++;
      const fits: Fits = (node, item) => compileInput(node).fits(item);
      assert.deepEqual(JSON.parse(serialize(value)), json(knownPart(compiled.document, told, fits)));
    }),
    { numRuns: runs, includeErrorInReport: true },
  );
  assert.ok(fitting > runs / 2, `only ${fitting} values fit: little was tried`);
});

test("a result that needs no conversion is sent over a websocket as one that is converted", () => {
  let fitting = 0;
  fc.assert(
    fc.property(resultCases, ({ schema, value }) => {
      const compiled = compileInput(schema);
      const outcomeOf = (present: () => unknown): unknown => {
        try {
          return { sent: present() };
        } catch (error) {
          return { refused: (error as Error).name };
        }
      };
      const sent = outcomeOf(() => createPresenter(compiled, "run", MESSAGE_PACK_FORM)(value));
      const converted = outcomeOf(() => sendable(compiled.present(value, "run"), MESSAGE_PACK_FORM));
      if (typeof converted === "object" && converted !== null && "sent" in converted) {
        fitting++;
        assert.deepEqual(sent, converted);
      } else {
        assert.ok("refused" in (sent as object));
      }
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
  assert.ok(fitting > 150, `only ${fitting} values fit: little was tried`);
});

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
