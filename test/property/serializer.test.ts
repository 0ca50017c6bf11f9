import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Type } from "typebox";
import { createSerializer } from "../../src/server/serializer.ts";
import { compileInput } from "../helpers/issues.ts";
import { resultCases } from "../helpers/results.ts";

type Node = Record<string, unknown>;
type Fits = (schema: object, value: unknown) => boolean;

/** What a caller should read of a result, said again in the plainest way: unknown fields dropped, then JSON. */
function expected(schema: Node, value: unknown, fits: Fits, defs: Node = {}): unknown {
  const again = (node: unknown, item: unknown): unknown => expected(node as Node, item, fits, defs);
  if (typeof schema["$ref"] === "string") {
    const { $defs = defs } = schema as { $defs?: Node };
    return expected($defs[schema["$ref"]] as Node, value, fits, $defs);
  }
  if (Array.isArray(schema["anyOf"])) {
    const branches = (schema["anyOf"] as Node[]).filter((branch) => fits({ $defs: defs, ...branch }, value));
    if (branches.length === 0) return json(value); // a toJSON() said something else than what was found to fit
    const known = (branch: Node): number =>
      isObject(value)
        ? Object.keys(propertiesOf(branch, defs)).filter((key) => read(value, key) !== undefined).length
        : 0;
    return again(
      branches.reduce((best, branch) => (known(branch) > known(best) ? branch : best)),
      value,
    );
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    return value.map(
      (item, index) => again((Array.isArray(items) ? items[index] : items) ?? {}, item) ?? null,
    );
  }
  const isMap = "properties" in schema || "patternProperties" in schema || "additionalProperties" in schema;
  if (!isObject(value) || !isMap) return json(value);
  const source: unknown = typeof value["toJSON"] === "function" ? value["toJSON"]() : value;
  if (!isObject(source)) return json(source);
  const result: [string, unknown][] = [];
  const properties = propertiesOf(schema, defs);
  for (const [key, property] of Object.entries(properties)) {
    const item = read(source, key) ?? (read(source, key) === null ? null : (property as Node)["default"]);
    if (item !== undefined) result.push([key, again(property, item)]);
  }
  for (const key of Object.keys(source)) {
    if (Object.hasOwn(properties, key)) continue;
    const patterns = Object.entries((schema["patternProperties"] ?? {}) as Node);
    const [, matching] = patterns.find(([pattern]) => new RegExp(pattern, "u").test(key)) ?? [];
    const other = matching ?? schema["additionalProperties"] ?? ("properties" in schema ? false : {});
    if (other !== false) result.push([key, again(other === true ? {} : other, source[key])]);
  }
  return Object.fromEntries(result.filter(([, item]) => item !== undefined));
}

function propertiesOf(node: Node, defs: Node): Node {
  const { $ref, $defs = defs } = node as { $ref?: string; $defs?: Node };
  return ((typeof $ref === "string" ? ($defs[$ref] as Node) : node)["properties"] ?? {}) as Node;
}

function isObject(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function read(value: Node, key: string): unknown {
  return Object.hasOwn(value, key) || !(key in Object.prototype) ? value[key] : undefined;
}

function json(value: unknown): unknown {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

test("whatever fits is serialised, as JSON of the fields that the schema knows", () => {
  let fitting = 0;
  const runs = 300;
  fc.assert(
    fc.property(resultCases, ({ schema, value }) => {
      const compiled = compileInput(schema);
      if (!compiled.fits(value)) return;
      fitting++;
      const fits: Fits = (node, item) => compileInput(node).fits(item);
      const answer = JSON.parse(createSerializer(compiled.document)(value)) as unknown;
      assert.deepEqual(answer, json(expected(schema as Node, value, fits)));
    }),
    { numRuns: runs, includeErrorInReport: true },
  );
  assert.ok(fitting > runs / 2, `only ${fitting} values fit: little was tried`);
});

test("texts of any kind come out of a serializer as they went in", () => {
  const serialize = createSerializer(compileInput(Type.Object({ text: Type.String() })).document);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      assert.deepEqual(JSON.parse(serialize({ text })), { text });
    }),
    { numRuns: 1000 },
  );
});

test("without a schema a serializer is JSON.stringify, and nothing is null", () => {
  const serialize = createSerializer(undefined);
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(serialize(value), JSON.stringify(value))));
  assert.equal(serialize(undefined), "null");
});
