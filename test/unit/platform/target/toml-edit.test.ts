import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { addTable, deleteTable, setKey } from "../../../../src/platform/target/toml-edit.ts";

test("an existing key is replaced in place, a new one is added below", () => {
  const text = "[a]\n  x = 1 # one\n\n[b]\ny = 2\n";
  assert.equal(setKey(text, "a", "x", 3), "[a]\nx = 3\n\n[b]\ny = 2\n");
  assert.equal(setKey(text, "a", "z", true), "[a]\n  x = 1 # one\nz = true\n\n[b]\ny = 2\n");
  assert.equal(setKey(text, undefined, "root", "r"), 'root = "r"\n[a]\n  x = 1 # one\n\n[b]\ny = 2\n');
});

test("a missing table is added, once", () => {
  assert.equal(setKey("x = 1\n", "a", "k", "v"), 'x = 1\n\n[a]\nk = "v"\n');
  assert.equal(addTable("", "a b"), '["a b"]\n');
  assert.equal(addTable("[a]\nx = 1\n", "a"), "[a]\nx = 1\n");
});

test("Windows line endings are supported", () => {
  assert.equal(setKey("[a]\r\nx = 1\r\n", "a", "x", 2), "[a]\nx = 2\n");
});

/** Forms that cannot be recognised line by line. */
const AWKWARD: readonly string[] = [
  'a = { x = 1, y = "two" }\n',
  "a.x = 1\na.y = 2\n",
  '[a]\nx = """\nkey = "no key"\n[b]\n"""\n',
  "[a]\nx = [\n  1,\n  2,\n]\ny = 1\n",
  "[a.b]\nx = 1\n[c]\ny = 1\n",
  "[[list]]\nx = 1\n[a]\ny = 1\n",
  '["a"]\n"x" = 1\n',
  "['a']\n'x' = 1\n",
  "[ a ] # head\nx = 1\n",
];

for (const text of AWKWARD) {
  test(`the data is correct after edits of ${JSON.stringify(text)}`, () => {
    const wanted = parse(text);
    const table = (wanted["a"] ?? {}) as Record<string, unknown>;
    assertData(setKey(text, "a", "x", "new"), { ...wanted, a: { ...table, x: "new" } });
    const { x: _, ...rest } = table;
    assertData(setKey(text, "a", "x", undefined), { ...wanted, a: rest });
    const { a: __, ...others } = wanted;
    assertData(deleteTable(text, "a"), others);
  });
}

const name = fc.oneof(
  fc.constantFrom("a", "b", "__proto__", "toString", "a.b", "a]b", 'q"q', "é", " ", "#"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }),
);
const value = fc.oneof(fc.string({ unit: "grapheme" }), fc.boolean(), fc.integer());
const edit = fc.record({
  table: fc.option(name, { nil: undefined }),
  key: name,
  value: fc.option(value, { nil: undefined }),
});

test("property: any edits of any tables give the same data as assignments", () => {
  fc.assert(
    fc.property(
      fc.dictionary(name, fc.dictionary(name, value, { maxKeys: 3 }), { maxKeys: 3 }),
      fc.array(edit, { maxLength: 5 }),
      (tables, edits) => {
        let text = stringify(tables);
        const wanted = parse(text) as Record<string, unknown>;
        for (const { table, key, value } of edits) {
          // A table cannot replace a value.
          if (table !== undefined && typeof (Object.hasOwn(wanted, table) ? wanted[table] : {}) !== "object")
            continue;
          text = setKey(text, table, key, value);
          if (table !== undefined && !Object.hasOwn(wanted, table)) put(wanted, table, {});
          const target = (table === undefined ? wanted : wanted[table]) as Record<string, unknown>;
          if (value === undefined) delete target[key];
          else put(target, key, value);
          assertData(text, wanted);
        }
      },
    ),
  );
});

function put(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function assertData(text: string, wanted: unknown): void {
  assert.deepEqual(plain(parse(text)), plain(wanted));
}

/** Data without prototypes, which differ between parsers. */
function plain(data: unknown): unknown {
  if (typeof data !== "object" || data === null) return data;
  return new Map(Object.entries(data).map(([key, item]) => [key, plain(item)]));
}
