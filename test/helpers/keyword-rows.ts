/** A keyword of JSON Schema 2020-12, with values that it accepts and values that it refuses. */
export interface KeywordRow {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
}

const A = { properties: { a: { type: "integer" } } };

/** Each keyword that restricts values, by name. */
export const KEYWORD_ROWS: Readonly<Record<string, KeywordRow>> = {
  type: { schema: { type: ["integer", "null"] }, good: [1, null], bad: ["1", 1.5, [], true] },
  enum: {
    schema: { enum: ["a", 1, { b: [1] }, null] },
    good: ["a", 1, { b: [1] }, null],
    bad: ["b", 2, { b: 1 }, false],
  },
  const: {
    schema: { const: { a: [1, { b: 2 }] } },
    good: [{ a: [1, { b: 2 }] }],
    bad: [{ a: [1] }, 1, null],
  },
  multipleOf: { schema: { multipleOf: 0.5 }, good: [1.5, 0, "x"], bad: [0.3, 1.2] },
  maximum: { schema: { maximum: 3 }, good: [3, "x"], bad: [3.1, 4] },
  exclusiveMaximum: { schema: { exclusiveMaximum: 3 }, good: [2.9], bad: [3, 4] },
  minimum: { schema: { minimum: 3 }, good: [3], bad: [2.9, -1] },
  exclusiveMinimum: { schema: { exclusiveMinimum: 3 }, good: [3.1], bad: [3, 0] },
  maxLength: { schema: { maxLength: 2 }, good: ["ab", "😀😀", 5], bad: ["abc", "😀😀😀"] },
  minLength: { schema: { minLength: 2 }, good: ["ab", "😀😀"], bad: ["a", "😀"] },
  pattern: { schema: { pattern: "^[a-z]+$" }, good: ["abc", 5], bad: ["ABC", "a\nb", ""] },
  format: { schema: { format: "date" }, good: ["2024-02-29", 5], bad: ["2023-02-29", "x"] },
  maxItems: { schema: { maxItems: 1 }, good: [[], [1], "x"], bad: [[1, 2]] },
  minItems: { schema: { minItems: 1 }, good: [[1]], bad: [[]] },
  uniqueItems: {
    schema: { uniqueItems: true },
    good: [[1, "1", true, [1]], [{ a: 1 }, { a: 2 }], []],
    bad: [
      [1, 1.0],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      [[1], [1]],
      ["a", "a"],
    ],
  },
  maxContains: { schema: { contains: { const: 1 }, maxContains: 1 }, good: [[1, 2], "x"], bad: [[1, 1], []] },
  minContains: { schema: { contains: { const: 1 }, minContains: 2 }, good: [[1, 1]], bad: [[1], []] },
  contains: {
    schema: { contains: { type: "string" }, prefixItems: [true] },
    good: [[1, "a"]],
    bad: [[1], []],
  },
  maxProperties: { schema: { maxProperties: 1 }, good: [{}, { a: 1 }], bad: [{ a: 1, b: 2 }] },
  minProperties: { schema: { minProperties: 1 }, good: [{ a: 1 }], bad: [{}] },
  required: { schema: { required: ["a"] }, good: [{ a: null }, "x"], bad: [{}, { b: 1 }] },
  dependentRequired: {
    schema: { dependentRequired: { card: ["address"] } },
    good: [{}, { address: 1 }, { card: 1, address: 1 }],
    bad: [{ card: 1 }],
  },
  dependentSchemas: {
    schema: {
      dependentSchemas: { card: { required: ["address"], properties: { address: { type: "string" } } } },
    },
    good: [{}, { card: 1, address: "x" }],
    bad: [{ card: 1 }, { card: 1, address: 1 }],
  },
  dependencies: {
    schema: { dependencies: { a: ["b"], c: { required: ["d"] } } },
    good: [
      { a: 1, b: 1 },
      { c: 1, d: 1 },
    ],
    bad: [{ a: 1 }, { c: 1 }],
  },
  allOf: { schema: { allOf: [A, { required: ["a"] }] }, good: [{ a: 1 }], bad: [{}, { a: "x" }] },
  anyOf: { schema: { anyOf: [{ type: "string" }, { minimum: 3 }] }, good: ["x", 3], bad: [2] },
  oneOf: { schema: { oneOf: [{ multipleOf: 2 }, { multipleOf: 3 }] }, good: [2, 3], bad: [6, 5] },
  not: { schema: { not: { type: "string" } }, good: [1, null], bad: ["x"] },
  if: {
    schema: { if: { type: "string" }, then: { minLength: 2 }, else: { type: "number" } },
    good: ["ab", 1],
    bad: ["a", true],
  },
  prefixItems: {
    schema: { prefixItems: [{ type: "string" }, { type: "integer" }] },
    good: [["a", 1, true], []],
    bad: [[1], ["a", "b"]],
  },
  items: { schema: { items: { type: "integer" } }, good: [[1, 2], "x"], bad: [[1, "2"]] },
  "items after prefixItems": { schema: { prefixItems: [true], items: false }, good: [[1]], bad: [[1, 2]] },
  "items as a list": {
    schema: { items: [{ type: "string" }], additionalItems: { type: "integer" } },
    good: [["a", 1]],
    bad: [[1], ["a", "b"]],
  },
  unevaluatedItems: {
    schema: {
      anyOf: [{ prefixItems: [{ type: "string" }] }, { prefixItems: [true, { type: "integer" }] }],
      unevaluatedItems: false,
    },
    good: [["a"], ["a", 1], []],
    bad: [
      ["a", 1, 2],
      ["a", "b"],
    ],
  },
  properties: { schema: A, good: [{ a: 1 }, {}], bad: [{ a: "x" }] },
  patternProperties: {
    schema: { patternProperties: { "^n_": { type: "integer" } } },
    good: [{ n_a: 1, b: "x" }],
    bad: [{ n_a: "x" }],
  },
  additionalProperties: {
    schema: { ...A, additionalProperties: { type: "string" } },
    good: [{ a: 1, b: "x" }],
    bad: [{ b: 1 }],
  },
  propertyNames: { schema: { propertyNames: { maxLength: 2 } }, good: [{ ab: 1 }], bad: [{ abc: 1 }] },
  unevaluatedProperties: {
    schema: { allOf: [A, { properties: { b: true } }], unevaluatedProperties: false },
    good: [{ a: 1, b: 2 }],
    bad: [{ a: 1, c: 2 }],
  },
  "unevaluatedProperties of a schema": {
    schema: {
      oneOf: [
        { ...A, required: ["a"] },
        { properties: { b: true }, required: ["b"] },
      ],
      unevaluatedProperties: { type: "string" },
    },
    good: [
      { a: 1, c: "x" },
      { b: 2, a: "x" },
    ],
    bad: [{ a: 1, c: 2 }],
  },
  nullable: { schema: { type: "string", nullable: true }, good: ["x", null], bad: [1] },
  $ref: {
    schema: { $defs: { Id: { type: "integer" } }, properties: { a: { $ref: "#/$defs/Id" } } },
    good: [{ a: 1 }],
    bad: [{ a: "x" }],
  },
  "keywords beside $ref": {
    schema: { $defs: { Id: { type: "integer" } }, properties: { a: { $ref: "#/$defs/Id", minimum: 3 } } },
    good: [{ a: 3 }],
    bad: [{ a: 1 }, { a: "x" }],
  },
  $dynamicRef: {
    schema: {
      $defs: {
        Node: {
          $dynamicAnchor: "node",
          type: "object",
          properties: { next: { $dynamicRef: "#node" }, n: { type: "integer" } },
        },
      },
      properties: { a: { $dynamicRef: "#node" } },
    },
    good: [{ a: { next: { n: 1 } } }],
    bad: [{ a: { next: { n: "x" } } }],
  },
};
