import * as fc from "fast-check";
import { Type, type TSchema } from "typebox";

/** Field names; some are properties of every object, some are not identifiers. */
const NAMES = ["a", "b", "kind", "a-b", "constructor", "toString", "__proto__", ""] as const;

const NUMBERS = [0, -0, 1, -1.5, 2 ** 53 + 2, -(2 ** 60), 1e21, 1e-7, Number.MAX_VALUE];
const TEXTS = [
  "",
  "x",
  "\ud800",
  "a\udc00b",
  '"\\\n\u2028\0',
  "😀",
  "y".repeat(5000),
  "2024-01-01T00:00:00Z",
];

/** A schema with a value that fits it. */
export interface ResultCase {
  readonly schema: TSchema;
  readonly value: unknown;
}

const raw = (schema: object): TSchema => schema as TSchema;
const one = (schema: TSchema, ...values: readonly unknown[]): fc.Arbitrary<ResultCase> =>
  fc.constantFrom(...values).map((value) => ({ schema, value }));

const scalars: fc.Arbitrary<ResultCase> = fc.oneof(
  one(Type.Number(), ...NUMBERS),
  one(Type.Integer(), ...NUMBERS.filter(Number.isInteger)),
  one(Type.String(), ...TEXTS),
  one(Type.String({ format: "date-time" }), "2024-01-01T00:00:00Z"),
  one(Type.Boolean(), true, false),
  one(Type.Null(), null),
  one(Type.Unknown(), null, "x", -0, [1, undefined, { a: undefined }], { a: { b: [{}] } }, new Date(0)),
  one(raw({ enum: ["x", 5, true, null] }), "x", 5, true, null),
  one(raw({ enum: ["x", "y"] }), "y"),
  one(raw({ const: 5 }), 5),
  one(raw({ type: "string", nullable: true }), "x", null),
  one(raw({ type: ["integer", "string", "null"] }), 1, "x", null),
  one(raw({ type: "object" }), {}, { a: 1, b: { c: 2 } }, new Date(0)),
  one(raw({}), "x", { a: 1 }),
);

/** Objects: each field is required, optional or has a default; with or without undeclared fields. */
function objects(item: fc.Arbitrary<ResultCase>): fc.Arbitrary<ResultCase> {
  const field = fc.tuple(item, fc.constantFrom("required", "optional", "absent", "default"));
  return fc
    .tuple(
      fc.dictionary(fc.constantFrom(...NAMES), field, { maxKeys: 4, noNullPrototype: true }),
      fc.constantFrom("dropped", "refused", "any", "schema"),
      item,
    )
    .map(([fields, more, other]) => {
      const properties: [string, TSchema][] = [];
      const values: [string, unknown][] = [];
      for (const [key, [{ schema, value }, presence]] of Object.entries(fields)) {
        const fallback = JSON.parse(JSON.stringify(value)) as unknown;
        const hasDefault = presence === "default" && !(fallback instanceof Date) && typeof value !== "object";
        const required = presence === "required" || presence === "default";
        const given = hasDefault ? Type.With(schema, { default: value }) : schema;
        properties.push([key, required ? given : Type.Optional(given)]);
        if (presence !== "absent" && !hasDefault) values.push([key, value]);
      }
      if (more === "dropped") values.push(["unknown", { secret: 1 }]);
      if (more === "any") values.push(["more", { anything: [1] }]);
      if (more === "schema") values.push(["more", other.value]);
      const rules = { refused: false, any: true, schema: other.schema, dropped: undefined }[more];
      const options = rules === undefined ? {} : { additionalProperties: rules };
      return {
        schema: Type.Object(Object.fromEntries(properties), options),
        value: Object.fromEntries(values),
      };
    });
}

/** Results of all kinds of schemas, unions of objects with fields in common among them. */
const plainCases: fc.Arbitrary<ResultCase> = fc.letrec<{ result: ResultCase }>((tie) => {
  const item = tie("result");
  return {
    result: fc.oneof(
      { maxDepth: 4 },
      scalars,
      objects(item),
      fc.array(item, { minLength: 1, maxLength: 3 }).map((list) => ({
        schema: Type.Tuple(list.map(({ schema }) => schema)),
        value: list.map(({ value }) => value),
      })),
      fc.tuple(item, fc.nat(2)).map(([{ schema, value }, length]) => ({
        schema: Type.Array(schema),
        value: Array.from({ length }, () => value),
      })),
      fc.tuple(item, fc.subarray([...NAMES])).map(([{ schema, value }, keys]) => ({
        schema: Type.Record(Type.String(), schema),
        value: Object.fromEntries(keys.map((key) => [key, value])),
      })),
      fc.tuple(item, item).map(([first, second]) => ({
        schema: raw({
          type: "object",
          properties: { plain: { type: "string" } },
          patternProperties: { "^x_": first.schema, _y$: second.schema },
        }),
        value: { plain: "p", x_1: first.value, "2_y": second.value, z: 1 },
      })),
      item.map(({ schema, value }) => ({ schema: Type.Union([schema, Type.Null()]), value })),
      fc.tuple(item, item, fc.boolean()).map(([first, second, turned]) => ({
        schema: Type.Union(turned ? [second.schema, first.schema] : [first.schema, second.schema]),
        value: first.value,
      })),
      fc.tuple(item, fc.nat(3)).map(([{ schema, value }, depth]) => {
        const node = Type.Object({ item: schema, next: Type.Optional(Type.Ref("Node")) });
        let list: object = { item: value, extra: 1 };
        for (let level = 0; level < depth; level++) list = { item: value, next: list };
        return { schema: Type.Cyclic({ Node: node }, "Node"), value: list };
      }),
    ),
  };
}).result;

/** Forms of an object that an app may return in place of a plain one. */
const DRESSES: Readonly<Record<string, (fields: Record<string, unknown>) => unknown>> = {
  plain: (fields) => fields,
  frozen: (fields) => Object.freeze(fields),
  bare: (fields) => Object.create(null, Object.getOwnPropertyDescriptors(fields)) as object,
  instance: (fields) => ofClass({ inherited: { value: () => 5 } }, fields),
  getters(fields) {
    const accessors = Object.entries(fields).map(([key, item]) => [key, { get: () => item }]);
    return ofClass(Object.fromEntries(accessors) as PropertyDescriptorMap, {});
  },
  json: (fields) => ofClass({ toJSON: { value: () => ({ ...fields, secret: "added by toJSON" }) } }, fields),
};

/** An object with these own fields and these class members. */
function ofClass(members: PropertyDescriptorMap, fields: Record<string, unknown>): object {
  return Object.create(
    Object.create({}, members) as object,
    Object.getOwnPropertyDescriptors(fields),
  ) as object;
}

function dress(value: unknown, next: () => keyof typeof DRESSES): unknown {
  if (Array.isArray(value)) return value.map((item) => dress(item, next));
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  const fields = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, dress(item, next)]));
  return DRESSES[next()]?.(fields);
}

/** Schemas, each with a value that mostly fits it: plain objects or the other forms that apps return. */
export const resultCases: fc.Arbitrary<ResultCase> = fc
  .tuple(
    plainCases,
    fc.array(fc.constantFrom("plain", "plain", "plain", ...Object.keys(DRESSES)), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([{ schema, value }, dresses]) => {
    let index = 0;
    return { schema, value: dress(value, () => dresses[index++ % dresses.length] as string) };
  });
