import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { INHERITED_NAMES } from "../../../../src/server/validation/json-values.ts";
import { accepted, compileInput, issueLocations } from "../../../helpers/issues.ts";

const one = (name: string, value: unknown): object => Object.fromEntries([[name, value]]);
const names = [...INHERITED_NAMES];

test("the inherited names include constructor, toString and __proto__", () => {
  for (const name of ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"]) {
    assert.ok(INHERITED_NAMES.has(name));
  }
});

for (const name of names) {
  test(`a field named ${name} works like any other`, () => {
    const required = Type.Object(one(name, Type.String()) as Record<string, ReturnType<typeof Type.String>>);
    assert.deepEqual(issueLocations(required, {}), [`missing body.${name}`]);
    assert.deepEqual(issueLocations(required, one(name, 5)), [`string_type body.${name}`]);
    assert.deepEqual(accepted(required, { ...one(name, "x"), extra: 1 }), one(name, "x"));

    const optional = Type.Object({ [name]: Type.Optional(Type.String()), a: Type.Integer() }, {});
    assert.deepEqual(accepted(optional, { a: 1 }), { a: 1 });
    const closed = Type.Object({ [name]: Type.Optional(Type.String()) }, { additionalProperties: false });
    assert.deepEqual(accepted(closed, {}), {});
    assert.deepEqual(accepted(closed, one(name, "x")), one(name, "x"));
    assert.deepEqual(issueLocations(closed, { b: 1 }), ["extra_forbidden body.b"]);

    const filled = accepted(Type.Object({ [name]: Type.String({ default: "x" }) }), {}) as object;
    assert.ok(Object.hasOwn(filled, name));
    assert.equal(Object.getPrototypeOf(filled), Object.prototype);
    assert.deepEqual(filled, one(name, "x"));
  });
}

test("a field with such a name may be required without being declared, at any depth and in a definition", () => {
  const bare = { type: "object", required: ["constructor"] };
  assert.deepEqual(issueLocations(bare, {}), ["missing body.constructor"]);
  assert.equal(compileInput(Type.Array(Type.Union([Type.Null(), bare]))).fits([null, {}]), false);
  const tree = Type.Cyclic(
    { Tree: Type.Object({ valueOf: Type.Integer(), next: Type.Optional(Type.Ref("Tree")) }) },
    "Tree",
  );
  assert.deepEqual(issueLocations(tree, { valueOf: 1, next: {} }), ["missing body.next.valueOf"]);
});

test("a required field with such a name selects the branch of a union", () => {
  const odd = Type.Object({ toString: Type.Integer(), a: Type.Integer({ default: 1 }) });
  const schema = Type.Union([odd, Type.Object({ b: Type.Integer({ default: 2 }) })]);
  assert.deepEqual(accepted(schema, {}), { b: 2 });
  assert.deepEqual(accepted(schema, { toString: 5 }), { toString: 5, a: 1 });
});

test("a getter of a result's class is still used beside a field with such a name", () => {
  class Point {
    readonly constructorName = 1;
    get x(): number {
      return 5;
    }
  }
  const schema = Type.Object({ x: Type.Integer(), constructor: Type.Optional(Type.String()) });
  const compiled = compileInput(schema);
  assert.ok(compiled.fits(new Point()));
  assert.deepEqual(
    compiled
      .issuesOf(Object.create(Point.prototype, { constructor: { value: 5, enumerable: true } }), ["output"])
      .map(({ loc }) => loc.join(".")),
    ["output.constructor"],
  );
});

/** Schemas that require the field `""`, each with values that lack it. */
const WITHOUT_NAME: readonly (readonly [schema: object, missing: object, present: object])[] = [
  [{ type: "object", required: [""] }, { a: 1 }, { "": 1 }],
  [
    { type: "object", required: ["a", ""], properties: { "": { type: "integer" } } },
    { a: 1 },
    { a: 1, "": 1 },
  ],
  [{ type: "object", dependentRequired: { a: [""] } }, { a: 1 }, { a: 1, "": 1 }],
  [{ type: "array", items: { anyOf: [{ type: "object", required: [""] }] } }, [{ a: 1 }], [{ "": 1 }]],
];
for (const [schema, missing, present] of WITHOUT_NAME) {
  test(`the field without a name is required by ${JSON.stringify(schema)}`, () => {
    const { fits } = compileInput(schema);
    assert.equal(fits(missing), false);
    assert.equal(fits(present), true);
  });
}
