import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Type } from "typebox";
import { App, AppException, endpoint, FieldException, InputValidationError, realtime } from "servable";
import { connectTestSocket, startTestServer, type TestServer } from "servable/testing";
import { MAX_ANSWER_BYTES } from "../../src/answers.ts";
import { Validator } from "../../src/server/validation/validator.ts";

/**
 * Maximum processor time of a validation, as a multiple of parsing the body. Generous: the attacks it guards against
 * took thousands.
 */
const MAX_RATIO = 40;
/** Time that does not depend on the body: compiling and garbage collection. */
const SLACK_MS = 150;

const literals = Array.from({ length: 300 }, (_, index) => Type.Literal(`option number ${index}`));
const branches = Array.from({ length: 300 }, (_, index) =>
  Type.Object({
    data: Type.Optional(Type.Array(Type.Unknown())),
    kind: Type.Literal(`kind ${index}`),
    n: Type.Integer(),
  }),
);
const node = (...of: readonly object[]): object => ({ $defs: { Node: { anyOf: of } }, $ref: "#/$defs/Node" });
const NODE = { $ref: "#/$defs/Node" };
const typed = (kind: string): object => ({
  type: "object",
  properties: { child: NODE, children: { type: "array", items: NODE }, kind: { const: kind } },
  required: ["kind"],
});
const untyped = (field: string, more: object = {}): object => ({
  type: "object",
  properties: { child: NODE, children: { type: "array", items: NODE }, [field]: { type: "integer" } },
  ...more,
});

/** Schemas that were, or could be, expensive to validate. */
const SCHEMAS: Readonly<Record<string, object>> = {
  "a map": Type.Record(Type.String(), Type.Integer()),
  "a map of objects": Type.Record(Type.String(), Type.Object({ a: Type.Integer(), b: Type.String() })),
  "a list of objects": Type.Array(Type.Object({ a: Type.Integer(), b: Type.String(), c: Type.Boolean() })),
  "a list of literals": Type.Array(Type.Union(literals)),
  "a list of tagged objects": Type.Array(Type.Union(branches)),
  "a closed object": Type.Object({ a: Type.Optional(Type.Integer()) }, { additionalProperties: false }),
  "a union decided late": node(...["a", "b", "c", "d"].map(typed)),
  "a union decided by nothing": node(untyped("x"), untyped("y"), untyped("z")),
  "a union with closed branches": node(
    untyped("x", { additionalProperties: false }),
    untyped("y", { additionalProperties: false }),
  ),
  "an intersection that refers to itself": node({ allOf: [untyped("x"), untyped("y")] }, { type: "null" }),
  "exactly one of two that refer to themselves": {
    $defs: { Node: { oneOf: [untyped("x", { required: ["x"] }), untyped("y", { required: ["y"] })] } },
    $ref: "#/$defs/Node",
  },
  "a condition that refers to itself": {
    $defs: { Node: { if: untyped("x", { required: ["x"] }), then: untyped("y"), else: untyped("z") } },
    $ref: "#/$defs/Node",
  },
  "not what refers to itself": {
    $defs: { Node: { type: "object", not: untyped("x", { required: ["x"] }), ...untyped("y") } },
    ...NODE,
  },
  "what is unevaluated": {
    $defs: { Node: { anyOf: [untyped("x"), untyped("y")], unevaluatedProperties: false } },
    ...NODE,
  },
  "different items": { type: "array", uniqueItems: true },
  "lists of different items": {
    type: "array",
    items: { type: "array", uniqueItems: true },
    uniqueItems: true,
  },
  "a list that contains": { type: "array", contains: { type: "object", required: ["never"] } },
  "patterns of keys": {
    type: "object",
    patternProperties: Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`^k${index}_[a-z]+$`, { type: "integer" }]),
    ),
    additionalProperties: { type: "integer" },
  },
  "names of keys": { type: "object", propertyNames: { pattern: "^[a-z]+$", maxLength: 20 } },
  "a pattern with a bound": {
    type: "array",
    items: { type: "string", pattern: "^(a+)+$", maxLength: 100_000 },
  },
  "every format": {
    type: "array",
    items: {
      anyOf: ["url", "email", "uri", "date-time", "hostname", "regex"].map((format) => ({
        type: "string",
        format,
      })),
    },
  },
  "dependent fields": {
    type: "object",
    dependentRequired: { a: Array.from({ length: 500 }, (_, index) => `field ${index}`) },
  },
  "a thousand required fields": {
    type: "array",
    items: { type: "object", required: Array.from({ length: 1000 }, (_, index) => `field ${index}`) },
  },
};

function nested(depth: number, leaf: unknown, wrap: (inner: unknown) => unknown): unknown {
  let value = leaf;
  for (let level = 0; level < depth; level++) value = wrap(value);
  return value;
}

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const fields = (count: number, key: (index: number) => string, value: unknown): object =>
  Object.fromEntries(many(count, (index) => [key(index), value]));

/** Bodies that are built to get a large response, or a slow validation. */
const BODIES: Readonly<Record<string, unknown>> = {
  "many wrong fields": fields(10_000, (index) => `k${index}`, "x"),
  "long keys": fields(100, (index) => `${"k".repeat(1000)}${index}`, "x"),
  "keys that grow in JSON": fields(100, (index) => `${"\u0001".repeat(1000)}${index}`, "\u0001"),
  "one enormous key": { ["k".repeat(100_000)]: "x" },
  "one enormous text": { a: "x".repeat(200_000), kind: "x".repeat(200_000) },
  "a long list of wrong items": many(30_000, () => "x"),
  "a long list of empty objects": many(20_000, () => ({})),
  "a long list of different objects": many(10_000, (index) => ({ n: index, kind: `kind ${index % 300}` })),
  "a long list of lists": many(3000, (index) => many(10, (item) => [item, index])),
  "a deep chain": nested(400, { x: "no" }, (inner) => ({ child: inner })),
  "a deep chain of right kinds": nested(250, { kind: "a", child: 1 }, (inner) => ({
    child: inner,
    kind: "b",
  })),
  "a deep chain of wrong kinds": nested(250, { kind: "?" }, (inner) => ({ child: inner, kind: "?" })),
  "a deep chain that fits, over a wide end": nested(
    200,
    { children: many(2000, () => ({ x: 1 })) },
    (inner) => ({ child: inner, y: 1 }),
  ),
  "a bush": nested(10, { x: "no" }, (inner) => ({ children: [inner, inner], z: 1 })),
  "deep lists": nested(400, "x", (inner) => [inner]),
  "texts that go back": many(20, () => `${"a".repeat(5000)}!`),
  "texts like addresses": many(50, () => `http://${":@".repeat(1000)}`),
  "a 525 byte chain": nested(20, { kind: "x" }, (inner) => ({ child: inner, kind: "z" })),
  "a scalar": 1,
  "fields that others demand": { a: 1 },
};

/** Processor time of this process, in ms. */
function spent(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test(
  "a validation error has at most 64 KiB and takes little time compared to parsing the body",
  { timeout: 180_000 },
  (t) => {
    const validator = new Validator();
    const worst = { bytes: 0, ratio: 0, by: "" };
    for (const [name, schema] of Object.entries(SCHEMAS)) {
      const compiled = validator.compile(schema, name);
      for (const [kind, body] of Object.entries(BODIES)) {
        const text = JSON.stringify(body);
        let detail: unknown = [];
        let value: unknown;
        let [best, parsing] = [Infinity, Infinity];
        // Measures again when the first result is too slow, since that may be the machine's fault.
        for (let attempt = 0; attempt === 0 || (attempt < 3 && best > MAX_RATIO * parsing + 5); attempt++) {
          parsing = Math.min(
            parsing,
            spent(() => void (value = JSON.parse(text))),
          );
          const time = spent(() => {
            try {
              compiled.accept(value);
            } catch (error) {
              if (!(error instanceof InputValidationError)) throw error;
              detail = error.issues;
            }
          });
          best = Math.min(best, time);
        }
        const bytes = Buffer.byteLength(JSON.stringify({ detail }));
        const what = `${name} × ${kind}: ${text.length} bytes in, ${bytes} out, parsed in ${parsing} ms, judged in ${best} ms`;
        assert.ok(bytes <= MAX_ANSWER_BYTES, what);
        assert.ok(best <= MAX_RATIO * parsing + SLACK_MS, what);
        if (bytes > worst.bytes) worst.bytes = bytes;
        if (best > worst.ratio) [worst.ratio, worst.by] = [best, what];
      }
    }
    t.diagnostic(`most bytes: ${worst.bytes}; longest: ${worst.by}`);
  },
);

const LONG = "é\u0001".repeat(300_000);
const Anything = Type.Unsafe<{ how?: string }>({ type: "object", additionalProperties: true });

/** Handlers that repeat their input in errors. */
class Repeating extends App {
  @endpoint("/text", { input: Anything })
  text(): never {
    throw new AppException(LONG, 400);
  }

  @endpoint("/field", { input: Anything })
  field(): never {
    throw new FieldException("f".repeat(200_000), LONG);
  }

  @endpoint("/issues", { input: Anything })
  issues(): never {
    throw new InputValidationError(
      Array.from({ length: 5000 }, (_, n) => ({
        type: "value_error",
        loc: ["body", n],
        msg: "no",
        input: "x",
      })),
    );
  }

  @endpoint("/one-issue", { input: Anything })
  oneIssue(): never {
    throw new InputValidationError([{ type: "value_error", loc: ["body", LONG], msg: LONG, input: LONG }]);
  }

  @endpoint("/stream", { input: Anything, stream: true })
  async *stream(): AsyncGenerator<object> {
    throw new AppException(LONG, 400);
  }

  @endpoint("/map", { input: Type.Record(Type.String(), Type.Integer()) })
  map(): void {}

  @realtime("/frames", { input: Type.Record(Type.String(), Type.Integer()) })
  frames({ how }: Record<string, unknown>): never {
    if (how === 1) throw new AppException(LONG, 400);
    throw new FieldException("f".repeat(200_000), LONG);
  }
}

describe("error responses", { timeout: 60_000 }, () => {
  let served: TestServer<Repeating>;
  before(async () => {
    served = await startTestServer(new Repeating());
  });
  after(() => served.close());

  for (const path of ["/text", "/field", "/issues", "/one-issue", "/stream", "/map"]) {
    test(`${path} returns at most 64 KiB of valid JSON`, async () => {
      const answer = await served.post(
        path,
        fields(20_000, (index) => `key ${index}`, "x"),
      );
      const bytes = Buffer.from(await answer.arrayBuffer());
      assert.ok(answer.status >= 400, `${answer.status}`);
      assert.ok(bytes.length <= MAX_ANSWER_BYTES, `${bytes.length}`);
      assert.ok(bytes.length > 100);
      assert.ok("detail" in (JSON.parse(bytes.toString()) as object));
    });
  }

  test("the error reason of a realtime session has at most 64 KiB", async () => {
    const hostile = [
      { how: 1 },
      { how: 2 },
      { ["k".repeat(300_000)]: "x" },
      fields(5000, (index) => `${"k".repeat(50)}${index}`, "x"),
    ];
    for (const value of hostile) {
      const socket = await connectTestSocket(`${served.url}/frames`);
      socket.send(value as never);
      await socket.closed;
      const [failure] = socket.control;
      assert.equal(failure?.error, "INTERNAL_ERROR");
      assert.ok(Buffer.byteLength(JSON.stringify(failure)) <= MAX_ANSWER_BYTES);
    }
  });
});
