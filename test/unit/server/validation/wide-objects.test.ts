import assert from "node:assert/strict";
import { test } from "node:test";
import { Type, type TSchema } from "typebox";
import { createSerializer } from "../../../../src/server/http/serializer.ts";
import { accepted, compileInput, issueLocations } from "../../../helpers/issues.ts";

/** Enough fields for an object to be validated and written in parts. Every third one is optional. */
const NUMBERS = Array.from({ length: 450 }, (_, index) => index);
const fields: Record<string, TSchema> = Object.fromEntries(
  NUMBERS.map((index) => {
    const type = index % 2 === 0 ? Type.String({ maxLength: 9 }) : Type.Integer();
    return [`field${index}`, index % 3 === 0 ? Type.Optional(type) : type];
  }),
);
const value = (): Record<string, unknown> =>
  Object.fromEntries(NUMBERS.map((index) => [`field${index}`, index % 2 === 0 ? `"${index}"` : index]));

test("fields in every part of a wide object are validated", () => {
  const schema = Type.Object(fields);
  assert.deepEqual(accepted(schema, value()), value());
  for (const index of NUMBERS.filter((number) => number % 7 === 0 || number % 50 < 2)) {
    const wrong = { ...value(), [`field${index}`]: null };
    assert.equal(issueLocations(schema, wrong).length, 1, `field${index}`);
    const { [`field${index}`]: _removed, ...rest } = value();
    if (index % 3 === 0) assert.deepEqual(accepted(schema, rest), rest);
    else assert.deepEqual(issueLocations(schema, rest), [`missing body.field${index}`]);
  }
});

test("unknown fields of a wide object are dropped or refused, in any order of its fields", () => {
  const reversed = Object.fromEntries(Object.entries({ ...value(), other: 1 }).toReversed());
  assert.deepEqual(accepted(Type.Object(fields), { ...reversed }), value());
  const strict = Type.Object(fields, { additionalProperties: false });
  assert.deepEqual(issueLocations(strict, reversed), ["extra_forbidden body.other"]);
  assert.deepEqual(accepted(strict, value()), value());
  const open = Type.Object(fields, { additionalProperties: Type.Integer() });
  assert.deepEqual(accepted(open, { ...reversed }), { ...value(), other: 1 });
  assert.deepEqual(issueLocations(open, { ...value(), other: "a" }), ["int_type body.other"]);
});

test("a wide object inside others, beside allOf and with a field that every object inherits is validated", () => {
  const inner = Type.Object(fields);
  const list = Type.Array(Type.Intersect([inner, Type.Object({ more: Type.Integer() })]));
  assert.deepEqual(accepted(list, [{ ...value(), more: 1 }]), [{ ...value(), more: 1 }]);
  assert.deepEqual(issueLocations(list, [{ ...value(), field1: "a", more: 1 }]), ["int_type body.0.field1"]);
  const odd = Type.Object({ ...fields, constructor: Type.Integer() } as Record<string, TSchema>);
  assert.deepEqual(issueLocations(odd, value()), ["missing body.constructor"]);
});

test("a wide result is written with required fields first, as narrow ones are", () => {
  const serialize = createSerializer(compileInput(Type.Object(fields)), "run");
  const order = [
    ...NUMBERS.filter((index) => index % 3 !== 0),
    ...NUMBERS.filter((index) => index % 3 === 0),
  ];
  const sorted = (of: Record<string, unknown>): string =>
    JSON.stringify(Object.fromEntries(order.map((index) => [`field${index}`, of[`field${index}`]])));
  assert.equal(serialize({ ...value(), other: 1 }), sorted(value()));
  const required = Object.fromEntries(
    Object.entries(value()).filter((_, index) => index % 3 !== 0 || index > 440),
  );
  assert.equal(serialize(required), sorted(required));
});

test("defaults of a wide result are filled in", () => {
  const defaults = Object.fromEntries(
    NUMBERS.map((index) => [`field${index}`, Type.Integer({ default: index })]),
  );
  const serialize = createSerializer(compileInput(Type.Object({ id: Type.Integer(), ...defaults })), "run");
  assert.deepEqual(JSON.parse(serialize({ id: 1, field7: 0 })), {
    id: 1,
    ...Object.fromEntries(NUMBERS.map((index) => [`field${index}`, index])),
    field7: 0,
  });
});
