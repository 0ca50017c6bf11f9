import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { bundleFiles, moduleUrlOf, type Bundle } from "../../../../src/functions/bundle/bundle.ts";
import { installRuntime } from "../../../../src/functions/runtime.ts";
import { narrowEntry, ownEntry } from "../../../../src/functions/bundle/own-entry.ts";
import { bundleProject } from "../../../helpers/bundles.ts";
import { createProject } from "../../../helpers/cli.ts";

/** The number of this package's modules in a bundle. */
function ownModules({ map }: Bundle): number {
  const { sources } = JSON.parse(map) as { sources: string[] };
  return sources.filter((source) => /\/src\//.test(source)).length;
}

/** The exports of the bundle's module, loaded in the runtime that it is made for. */
async function load(bundle: Bundle): Promise<Record<string, unknown>> {
  const folder = createProject(Object.fromEntries(bundleFiles(bundle)));
  const bundleUrl = pathToFileURL(join(folder, "bundle.mjs")).href;
  const moduleUrl = moduleUrlOf(bundle);
  installRuntime({ bundleUrl, moduleUrl, isLoading: true, define() {}, stall() {}, signal: undefined });
  return (await import(bundleUrl)) as Record<string, unknown>;
}

const DEFINITION = "export const f = fn({}, (a) => a);";

describe("a module that imports this package", () => {
  const narrow: [form: string, source: string][] = [
    ["by names", `import { fn } from "servable";\n${DEFINITION}`],
    ["by names in single quotes", `import { fn } from 'servable';\n${DEFINITION}`],
    ["by other names", `import { fn as make } from "servable";\n${DEFINITION.replace("fn(", "make(")}`],
    [
      "by names and types, over many lines, with comments",
      `import {\n  type LogEntry, // a line\n  fn, /* a, b */\n} from "servable";\nimport type { SpawnInfo } from "servable";\nexport type T = LogEntry | SpawnInfo;\n${DEFINITION}`,
    ],
    [
      "by names, in two statements",
      `import { fn } from "servable";\nimport { AppException } from "servable";\nexport { AppException };\n${DEFINITION}`,
    ],
    [
      "by names, with types for its re-exports",
      `import { fn } from "servable";\nexport type { LogEntry } from "servable";\n${DEFINITION}`,
    ],
  ];
  const whole: [form: string, source: string][] = [
    ["as a namespace", `import * as servable from "servable";\n${DEFINITION.replace("fn(", "servable.fn(")}`],
    [
      "by names and as a namespace",
      `import { fn } from "servable";\nimport * as all from "servable";\nexport const { AppException } = all;\n${DEFINITION}`,
    ],
    [
      "by a late import",
      'const { fn } = await import("servable");\nexport const f = fn({}, (a: number) => a);',
    ],
    ["by require", 'const { fn } = require("servable");\nexport const f = fn({}, (a: number) => a);'],
    [
      "by names, and exports more of it",
      `import { fn } from "servable";\nexport { AppException } from "servable";\n${DEFINITION}`,
    ],
    [
      "by names, and exports all of it",
      `import { fn } from "servable";\nexport * from "servable";\n${DEFINITION}`,
    ],
  ];
  for (const [form, source] of [...narrow, ...whole]) {
    test(`${form} gets the exports that it uses`, async () => {
      const exports = await load(await bundleProject({ "app.ts": source }));
      assert.equal(typeof exports["f"], "function");
      assert.equal((exports["f"] as { constructor: Function }).constructor.name, "IsolatedFunction");
      if (/\bAppException\b/.test(source)) assert.equal(typeof exports["AppException"], "function");
    });
  }
  for (const [form, source] of narrow) {
    test(`${form} bundles the modules that these names need, not the whole package`, async () => {
      const folder = createProject({ "app.ts": source });
      const narrowed = await narrowEntry(join(folder, "app.ts"));
      assert.match(narrowed ?? "", /^export \{ fn \} from "[^"]+hosts\/fn\.[tj]s";$/m);
      assert.equal(narrowed?.includes("LogEntry"), false);
    });
  }
  for (const [form, source] of whole) {
    test(`${form} bundles the whole index`, async () => {
      const folder = createProject({ "app.ts": source });
      assert.equal(await narrowEntry(join(folder, "app.ts")), undefined);
    });
  }

  test("for types alone bundles nothing of it", async () => {
    const bundle = await bundleProject({
      "app.ts": 'import type { LogEntry } from "servable";\nexport const lines: LogEntry[] = [];',
    });
    assert.equal(ownModules(bundle), 0);
  });

  test("in several files has one copy of it", async () => {
    const bundle = await bundleProject({
      "app.ts": `import { fn, AppException } from "servable";\nimport { Other } from "./lib.ts";\nexport const isSame = AppException === Other;\n${DEFINITION}`,
      "lib.ts": 'import * as all from "servable";\nexport const Other = all.AppException;',
    });
    assert.equal((await load(bundle))["isSame"], true);
  });

  test("for a missing export is rejected, with the source location", async () => {
    await assert.rejects(
      bundleProject({ "app.js": 'import { fn, fnn } from "servable";\nexport const f = [fn, fnn];' }),
      { code: "BUNDLE_FAILED", message: /"fnn"\n {2}at .*app\.js:1:14/ },
    );
  });
});

test("this package's entry points resolve to the folder of this code; other specifiers do not resolve", () => {
  for (const [specifier, file] of [
    ["servable", "src/index.ts"],
    ["servable/current", "src/current.ts"],
    ["servable/testing", "src/testing/index.ts"],
  ] as const) {
    assert.ok(ownEntry(specifier)?.endsWith(`/${file}`), specifier);
  }
  for (const specifier of ["servable/no", "servable-more", "./servable", "other/servable", "toString"]) {
    assert.equal(ownEntry(specifier), undefined, specifier);
  }
});

test("the index is used for a file that cannot be read", async () => {
  const folder = createProject({});
  writeFileSync(join(folder, "empty.ts"), "");
  assert.equal(await narrowEntry(join(folder, "gone.ts")), undefined);
  assert.equal(await narrowEntry(join(folder, "empty.ts")), undefined);
});
