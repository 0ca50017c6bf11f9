import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { fn, type IsolatedFunction } from "../../../src/index.ts";
import type { FunctionTarget } from "../../../src/functions/host.ts";
import { callerLocation } from "../../../src/functions/source-location.ts";
import { createProject } from "../../helpers/cli.ts";
import { RecordingHost } from "../../helpers/recording-host.ts";
import { assertRefused } from "../../helpers/thrown.ts";

const require = createRequire(import.meta.url);

type AnyFunction = IsolatedFunction<unknown[], unknown>;

/** The target that a function's host receives. */
async function targetOf(value: unknown): Promise<FunctionTarget> {
  const host = new RecordingHost();
  await ((value as AnyFunction).on(host) as AnyFunction)();
  return host.last.target;
}

/** Loads a module of a project, and returns the source text from the position of each definition. */
async function locationsIn(files: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const folder = createProject(files);
  const [entry = ""] = Object.keys(files);
  const file = join(folder, entry);
  const exports = (entry.endsWith(".cts") ? require(file) : await import(pathToFileURL(file).href)) as Record<
    string,
    unknown
  >;
  const locations: Record<string, string> = {};
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function") continue;
    const { place: location } = (await targetOf(value)).entry;
    const path = Object.keys(files).find(
      (name) => pathToFileURL(join(folder, name)).href === location.module,
    );
    const line = (files[path ?? ""] ?? "").split("\n")[location.line - 1] ?? "";
    locations[name] = `${path ?? location.module}: ${line.slice(location.column - 1)}`;
  }
  return locations;
}

const TYPES = "interface A {\n  a: 1;\n}\n\ntype B = A;\n\n";

describe("the definition of a function is located in", () => {
  test("a TypeScript module, although it is loaded without its types", async () => {
    const locations = await locationsIn({
      "app.ts": `import { fn } from "servable";\n${TYPES}export const f = fn({}, (b: B) => b);\nexport default fn({}, async () => {});\n`,
    });
    assert.deepEqual(locations, {
      f: "app.ts: fn({}, (b: B) => b);",
      default: "app.ts: fn({}, async () => {});",
    });
  });

  test("a module of a package that does not declare its format", async () => {
    const locations = await locationsIn({
      "app.mts": `import { fn } from "servable";\n${TYPES}export const f = fn({}, (b: B) => b);\n`,
      "package.json": "{}",
    });
    assert.deepEqual(locations, { f: "app.mts: fn({}, (b: B) => b);" });
  });

  test("a CommonJS module in TypeScript", async () => {
    const locations = await locationsIn({
      "app.cts": `import servable = require("servable");\n${TYPES}exports.f = servable.fn({}, (b: B) => b);\n`,
    });
    assert.match(locations["f"] ?? "", /^app\.cts: (?:servable\.)?fn\(\{\}, \(b: B\) => b\);$/);
  });

  test("JavaScript, even beside a source map, because the JavaScript is bundled", async () => {
    const map = {
      version: 3,
      sources: ["../src/app.ts"],
      names: [],
      mappings: "AAEA;AACA,OAAO",
      sourcesContent: ["// the source\n\n\nnothing\n"],
    };
    const locations = await locationsIn({
      "dist/app.js":
        'import { fn } from "servable";\nexport const f = fn({}, (b) => b);\n//# sourceMappingURL=app.js.map\n',
      "dist/app.js.map": JSON.stringify(map),
      "src/app.ts": "",
    });
    assert.deepEqual(locations, { f: "dist/app.js: fn({}, (b) => b);" });
  });

  test("a line with several definitions", async () => {
    const line = "export const f = fn({}, () => 1), g = fn({}, () => 2);";
    const locations = await locationsIn({ "app.ts": `import { fn } from "servable";\n${line}\n` });
    assert.deepEqual(locations, {
      f: "app.ts: fn({}, () => 1), g = fn({}, () => 2);",
      g: "app.ts: fn({}, () => 2);",
    });
  });

  test("the file that calls fn(), or the module named in its options", async () => {
    const locations = await locationsIn({
      "app.ts":
        'import { make } from "./make.ts";\nexport const f = make({});\nexport const g = make({ module: import.meta.url });\n',
      "make.ts":
        'import { fn } from "servable";\nexport const make = (options: object) => fn(options, () => 1);\n',
    });
    assert.deepEqual(locations, {
      f: "make.ts: fn(options, () => 1);",
      g: "app.ts: make({ module: import.meta.url });",
    });
  });

  test("a file whose name has to be escaped", async () => {
    const locations = await locationsIn({
      "a b/ä#%25.ts": 'import { fn } from "servable";\nexport const f = fn({}, () => 1);\n',
    });
    assert.deepEqual(locations, { f: "a b/ä#%25.ts: fn({}, () => 1);" });
  });
});

test("a definition deep in the call stack is found", async () => {
  const nest = (depth: number): AnyFunction =>
    depth === 0 ? (fn({}, () => 1) as unknown as AnyFunction) : nest(depth - 1);
  const { place: location } = (await targetOf(nest(500))).entry;
  assert.equal(location.module, import.meta.url.replace(/\?.*$/, ""));
});

test("locating a definition does not change how errors are formatted", () => {
  const { stackTraceLimit } = Error;
  const prepare = (): string => "prepared";
  const previous = Error.prepareStackTrace;
  Error.prepareStackTrace = prepare;
  try {
    const location = callerLocation();
    assert.equal(location?.module, import.meta.url.replace(/\?.*$/, ""));
    assert.equal(Error.prepareStackTrace, prepare);
    assert.equal(Error.stackTraceLimit, stackTraceLimit);
  } finally {
    Error.prepareStackTrace = previous;
  }
});

test("a module that does not call fn() is rejected", () => {
  assertRefused(
    () => fn({ module: "file:///elsewhere.ts" }, () => 1),
    "FUNCTION_OPTION_INVALID",
    "fn() is not called from file:///elsewhere.ts; `module` is the module that exports the function, as import.meta.url.",
  );
});

describe("in messages, a function is called", () => {
  const names: [what: string, source: string, name: string][] = [
    ["by its handler's name", "export const f = fn({}, function speak() {});", "speak()"],
    ["by what its line calls it", "export const speak = fn({}, () => 1);", "speak()"],
    [
      "by its export's name where that is given",
      'export const { a } = { a: fn({ exportName: "a" }, () => 1) };',
      "a()",
    ],
    ["the default export of its file", "export default fn({}, () => 1);", "the default export of app.ts"],
    [
      "by its source location, as the last resort",
      "export const [f] = [fn({}, () => 1)];",
      "the function at app.ts:2",
    ],
  ];
  for (const [what, source, name] of names) {
    test(what, async () => {
      const folder = createProject({ "app.ts": `import { fn } from "servable";\n${source}\n` });
      const exports = (await import(pathToFileURL(join(folder, "app.ts")).href)) as Record<string, unknown>;
      assert.equal((await targetOf(Object.values(exports)[0])).name, name);
    });
  }
});
