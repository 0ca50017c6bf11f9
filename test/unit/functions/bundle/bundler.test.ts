import assert from "node:assert/strict";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { bundleModule } from "../../../../src/functions/bundle/bundler.ts";
import { createBundle } from "../../../../src/functions/bundle/bundle.ts";
import { FalServerlessError } from "../../../../src/errors.ts";
import { bundleProject, ownSources, staticImports } from "../../../helpers/bundles.ts";
import { createProject } from "../../../helpers/cli.ts";

/** A package as it is installed in node_modules. */
function installed(name: string, code = "export const value = 1;"): Record<string, string> {
  return {
    [`node_modules/${name}/package.json`]: JSON.stringify({
      name,
      version: "1.0.0",
      type: "module",
      main: "index.js",
    }),
    [`node_modules/${name}/index.js`]: code,
  };
}

const ONE = 'import { fn } from "servable";\nexport const f = fn({}, () => one());\n';

describe("a bundle includes", () => {
  test("local modules at any depth: TypeScript, JavaScript and JSON", async () => {
    const bundle = await bundleProject({
      "app.ts": `import { one } from "./lib/one.ts";\n${ONE}`,
      "lib/one.ts":
        'import data from "./data.json" with { type: "json" };\nimport { two } from "./two.js";\nexport const one = () => [data.word, two];',
      "lib/two.js": 'export const two = "word from js";',
      "lib/data.json": '{ "word": "word from json" }',
    });
    assert.deepEqual(ownSources(bundle), ["app.ts", "lib/data.json", "lib/one.ts", "lib/two.js"]);
    assert.match(bundle.code, /word from js/);
    assert.match(bundle.code, /word from json/);
    assert.deepEqual(bundle.imports, []);
    assert.equal(bundle.module, "app.ts");
    assert.equal(bundle.root, pathToFileURL(`${bundle.folder}/`).href);
  });

  test("modules resolved through the paths of a tsconfig.json", async () => {
    const bundle = await bundleProject({
      "src/app.ts": `import { one } from "@/one";\n${ONE}`,
      "src/one.ts": "export const one = () => 1;",
      "tsconfig.json": '{ "compilerOptions": { "paths": { "@/*": ["./src/*"] } } }',
    });
    assert.deepEqual(ownSources(bundle), ["src/app.ts", "src/one.ts"]);
    assert.deepEqual(bundle.imports, []);
  });

  test("modules resolved through the imports field of package.json", async () => {
    const bundle = await bundleProject({
      "src/app.ts": `import { one } from "#lib/one.ts";\n${ONE}`,
      "src/lib/one.ts": "export const one = () => 1;",
      "package.json": '{ "type": "module", "imports": { "#lib/*": "./src/lib/*" } }',
      ...installed("dep"),
    });
    assert.deepEqual(ownSources(bundle), ["src/app.ts", "src/lib/one.ts"]);
    assert.deepEqual(bundle.imports, []);
  });

  test("a linked package of the same workspace, but not the packages that it imports", async () => {
    const folder = createProject({
      "apps/web/app.ts": `import { one } from "@me/shared";\n${ONE}`,
      "apps/web/package.json": '{ "type": "module" }',
      "packages/shared/package.json":
        '{ "name": "@me/shared", "type": "module", "exports": "./src/index.ts" }',
      "packages/shared/src/index.ts": 'import { value } from "dep";\nexport const one = () => value;',
      ...installed("dep"),
    });
    mkdirSync(join(folder, "node_modules/@me"));
    symlinkSync(join(folder, "packages/shared"), join(folder, "node_modules/@me/shared"), "dir");
    const bundle = await bundleModule({ module: pathToFileURL(join(folder, "apps/web/app.ts")).href });
    assert.equal(bundle.module, "app.ts", "the root is the folder of the nearest package.json");
    const { sources } = JSON.parse(bundle.map) as { sources: string[] };
    assert.ok(sources.includes("../../packages/shared/src/index.ts"));
    assert.deepEqual(bundle.imports, [
      {
        packageName: "dep",
        specifier: "dep",
        importer: "../../packages/shared/src/index.ts",
        isDynamic: false,
      },
    ]);
  });

  test("packages listed in localModules, with everything that they import", async () => {
    const bundle = await bundleProject(
      {
        "app.ts": `import { value } from "mine";\nimport { value as out } from "other";\nexport { value, out };\n${ONE.replace("one()", "1")}`,
        ...installed(
          "mine",
          'import { value as inner } from "its-own";\nexport const value = `mine ${inner}`;',
        ),
        ...installed("its-own", 'export const value = "own";'),
        ...installed("other"),
      },
      { localModules: ["mine"] },
    );
    assert.deepEqual(staticImports(bundle), ["other"]);
    assert.deepEqual(
      bundle.imports.map(({ specifier }) => specifier),
      ["other"],
    );
    assert.match(bundle.code, /mine \$\{/);
  });

  test("only the used parts of this package; the server code only for a served function", async () => {
    const files = { "app.ts": ONE.replace("one()", "1") };
    const called = await bundleProject(files);
    const served = await bundleProject(files, { isServed: true });
    const sourcesOf = ({ map }: { map: string }): string =>
      (JSON.parse(map) as { sources: string[] }).sources.join();
    assert.doesNotMatch(sourcesOf(called), /src\/(?:server|servable|openapi|cli|controller)\//);
    assert.match(sourcesOf(served), /src\/server\//);
    assert.deepEqual(staticImports(called), []);
    assert.deepEqual(served.imports, [], "what this package needs is not the user's to list");
  });
});

describe("a bundle excludes", () => {
  test("packages, and reports which file imports them, how, and when", async () => {
    const bundle = await bundleProject({
      "app.ts": [
        'import { value } from "dep";',
        'import { deep } from "@scope/pkg/deep/file.js";',
        'import "./lib/late.ts";',
        "export { value, deep };",
        ONE.replace("one()", '(await import("late/sub.js")).x').replace("() =>", "async () =>"),
      ].join("\n"),
      "lib/late.ts":
        'import { createRequire } from "node:module";\nexport const late = require("required");\ndeclare const require: (name: string) => unknown;\nvoid createRequire;\nconsole.log(late);',
      ...installed("dep"),
    });
    assert.deepEqual(staticImports(bundle), ["@scope/pkg/deep/file.js", "dep"]);
    assert.deepEqual(
      [...bundle.imports].sort((a, b) => (a.specifier < b.specifier ? -1 : 1)),
      [
        {
          packageName: "@scope/pkg",
          specifier: "@scope/pkg/deep/file.js",
          importer: "app.ts",
          isDynamic: false,
        },
        { packageName: "dep", specifier: "dep", importer: "app.ts", isDynamic: false },
        { packageName: "late", specifier: "late/sub.js", importer: "app.ts", isDynamic: true },
        { packageName: "required", specifier: "required", importer: "lib/late.ts", isDynamic: true },
      ],
    );
  });

  test("a package of which nothing is used: it is not even imported", async () => {
    const bundle = await bundleProject({
      "app.js":
        'import unused from "heavy";\nimport { a, b } from "dep";\nimport { fn } from "servable";\nfunction main() { return unused(b); }\nexport const f = fn({}, () => a);\nvoid (() => 0);',
      ...installed("heavy"),
      ...installed("dep"),
    });
    assert.deepEqual(staticImports(bundle), ["dep"]);
  });

  test("a package imported for its side effects, but keeps that import", async () => {
    const bundle = await bundleProject({
      "app.ts": `import "polyfill/auto";\nimport './lib/side.ts';\n${ONE.replace("one()", "1")}`,
      "lib/side.ts": "import'other-effect'",
      ...installed("polyfill"),
    });
    assert.deepEqual(staticImports(bundle), ["other-effect", "polyfill/auto"]);
  });

  test("packages resolved through the imports field of package.json, and keeps their names everywhere", async () => {
    const bundle = await bundleProject(
      {
        "app.ts": [
          'import { value } from "#dep";',
          'import { value as deep } from "#deep/file.js";',
          'import { value as chosen } from "#chosen";',
          'import { readFile } from "#files";',
          'import { inside } from "#inside";',
          'import { value as taken } from "#taken";',
          'import "#polyfill";',
          'import { fn } from "#own";',
          'export const late = () => [import("#dep"), require("#chosen")];',
          "declare const require: (name: string) => unknown;",
          "export const f = fn({}, () => [value, deep, chosen, readFile, inside, taken]);",
        ].join("\n"),
        "inside.ts": "export const inside = 1;",
        "package.json": JSON.stringify({
          type: "module",
          imports: {
            "#dep": "dep",
            "#*": "./nowhere/*.js",
            "#deep/*": "@scope/pkg/deep/*",
            "#chosen": { browser: "./gone.js", node: { require: "required", default: ["imported"] } },
            "#files": "node:fs/promises",
            "#inside": "./inside.ts",
            "#taken": "taken",
            "#polyfill": "polyfill/auto",
            "#own": "servable",
          },
        }),
        ...installed("dep"),
        ...installed("taken", 'export const value = "taken along";'),
      },
      { localModules: ["taken"] },
    );
    assert.deepEqual(staticImports(bundle), ["@scope/pkg/deep/file.js", "dep", "imported", "polyfill/auto"]);
    assert.deepEqual(bundle.imports.map(({ specifier }) => specifier).sort(), [
      "@scope/pkg/deep/file.js",
      "dep",
      "dep",
      "imported",
      "polyfill/auto",
      "required",
    ]);
    assert.match(bundle.code, /taken along/);
    assert.match(bundle.code, /import\("dep"\), __require\("required"\)/);
    assert.ok(ownSources(bundle).includes("inside.ts"));
  });

  test("built-in modules of Node, with and without their prefix, and does not list them", async () => {
    const bundle = await bundleProject({
      "app.ts": `import { readFile } from "fs/promises";\nimport { join } from "node:path";\nexport { readFile, join };\n${ONE.replace("one()", "1")}`,
    });
    assert.deepEqual(bundle.imports, []);
    assert.match(bundle.code, /^import \{[^}]*\breadFile\b[^}]*\} from "fs\/promises";$/m);
  });
});

test("a bundled module is never the main module, in TypeScript for CommonJS as in CommonJS", async () => {
  const { code, folder } = await bundleProject({
    "app.ts": [
      'import { isMain as isOther } from "./other.cjs";',
      "declare const require: { main: unknown };",
      "declare const module: { parent: unknown };",
      'if (require.main === module || !module.parent) throw new Error("it is not run");',
      "export const found = [require.main === module, isOther];",
    ].join("\n"),
    "other.cjs": "exports.isMain = require.main === module;",
    "package.json": "{}",
  });
  writeFileSync(join(folder, "bundle.mjs"), code);
  const { found } = (await import(pathToFileURL(join(folder, "bundle.mjs")).href)) as { found: unknown };
  assert.deepEqual(found, [false, false]);
});

describe("a module that cannot be bundled", () => {
  const failures: [what: string, files: Record<string, string>, message: RegExp][] = [
    [
      "since it has a syntax error",
      { "app.ts": "export const a = 1;\nexport const b = ;\n" },
      /^An isolated function's module can't be bundled: Unexpected ";"\n {2}at .*app\.ts:2:18$/,
    ],
    [
      "since a module that it imports has one",
      { "app.ts": 'import "./lib.ts";', "lib.ts": "const = 1;" },
      /: Expected identifier but found "="\n {2}at .*lib\.ts:1:7$/,
    ],
    [
      "since a local module is not there",
      { "app.ts": 'import "./gone.ts";\nimport "./gone-too.ts";' },
      /: Could not resolve "\.\/gone\.ts"\n {2}at .*app\.ts:1:8 \(and 1 more\)$/,
    ],
    [
      "since an import of package.json leads nowhere",
      { "app.ts": 'import "#gone";' },
      /: Could not resolve "#gone"\n {2}at .*app\.ts:1:8/,
    ],
  ];
  for (const [what, files, message] of failures) {
    test(`${what}, is rejected with its file, line and column`, async () => {
      await assert.rejects(bundleProject(files), (error) => {
        assert.ok(error instanceof FalServerlessError);
        assert.equal(error.code, "BUNDLE_FAILED");
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test("because it was deleted is rejected as well", async () => {
    const folder = createProject({});
    await assert.rejects(bundleModule({ module: pathToFileURL(join(folder, "gone.ts")).href }), {
      code: "BUNDLE_FAILED",
      message: /gone\.ts/,
    });
  });
});

describe("a bundle's hash", () => {
  test("does not depend on the project's folder, and changes with its content", async () => {
    const files = {
      "src/app.ts": `import { one } from "./one.ts";\n${ONE}`,
      "src/one.ts": "export const one = () => 1;",
    };
    const first = await bundleProject(files);
    const second = await bundleProject(files);
    assert.notEqual(first.folder, second.folder);
    assert.equal(first.hash, second.hash);
    assert.doesNotMatch(first.code + first.map, new RegExp(first.folder));
    const third = createProject({});
    cpSync(join(first.folder, "src"), join(third, "src"), { recursive: true });
    assert.equal(
      (await bundleModule({ module: pathToFileURL(join(third, "src/app.ts")).href })).hash,
      first.hash,
    );
    const changed = await bundleProject({ ...files, "src/one.ts": "export const one = () => 2;" });
    assert.notEqual(changed.hash, first.hash);
  });

  test("covers everything that is sent, and nothing else", () => {
    const parts = {
      module: "a.ts",
      code: "a",
      map: "{}",
      runner: "r",
      host: "h",
      imports: [],
      root: "file:///x/",
    };
    const { hash } = createBundle(parts);
    for (const name of ["module", "code", "map", "runner", "host"]) {
      assert.notEqual(createBundle({ ...parts, [name]: "other" }).hash, hash, name);
    }
    const staying = { packageName: "p", specifier: "p", importer: "a.ts", isDynamic: true };
    assert.equal(createBundle({ ...parts, root: "file:///y/", imports: [staying] }).hash, hash);
  });
});

describe("a bundle's source map", () => {
  test("maps the code to the line and column of the user's file", async () => {
    const bundle = await bundleProject({
      "app.ts":
        'import { fn } from "servable";\nimport { fail } from "./lib/fail.ts";\nexport const f = fn({}, () => fail());\n',
      "lib/fail.ts":
        "type Nothing = never;\n\nexport function fail(): Nothing {\n  throw new Error('the marked line');\n}\n",
    });
    const lines = bundle.code.split("\n");
    const line = lines.findIndex((text) => text.includes("the marked line"));
    const map = new SourceMap(JSON.parse(bundle.map) as ConstructorParameters<typeof SourceMap>[0]);
    const found = map.findEntry(line, (lines[line] ?? "").indexOf("new Error"));
    assert.ok("originalSource" in found);
    assert.equal(found.originalSource, "lib/fail.ts");
    assert.equal(found.originalLine, 3);
    assert.equal(found.originalColumn, 8);
  });
});
