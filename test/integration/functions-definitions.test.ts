import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { FalSerializationError } from "../../src/errors.ts";
import { cleanEnvironment, createProject } from "../helpers/cli.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";

useFunctionCache();
process.env["ONLY_SET_AT_THE_CALLER"] = "1";
const functions = await import("../fixtures/functions/definitions.ts");

describe("a function is found in its worker when it is", () => {
  const found: [how: string, call: () => Promise<string>, result: string][] = [
    ["one of two on a line", () => functions.left(), "left"],
    ["the other one", () => functions.right(), "right"],
    ["the default export", () => functions.default(), "default"],
    ["exported by another name", () => functions.another(), "renamed"],
    ["defined by a helper in another file for this module", () => functions.byHelper(), "by a helper"],
    ["one of several from one place, with its name", () => functions.made1(), "made1"],
    ["another one of them", () => functions.made2(), "made2"],
  ];
  for (const [how, call, result] of found) test(how, async () => assert.equal(await call(), result));
});

describe("a function is refused, with what to do, when it is", () => {
  const again = /: define it once, on the module's top level, and export it \(export const …\)\.$/;
  const refused: [how: string, call: () => Promise<unknown> | undefined, ...messages: RegExp[]][] = [
    ["not exported", () => functions.getHidden()(), /^hidden\(\) is not exported by its module/, again],
    [
      "defined twice at one place",
      () => functions.twice1(),
      /was defined more than once by its module/,
      again,
    ],
    [
      "not defined when its module is loaded",
      () => functions.defineLate()(),
      / was not defined when its module was loaded where it is to run\. Define it on the module's top level/,
    ],
    [
      "defined only where a variable is set",
      () => functions.getSometimes()?.(),
      /was not defined when its module was loaded where it is to run\. .*under no condition/,
    ],
    [
      "defined by a helper that does not receive its module",
      () => functions.helperAlone(),
      /was not defined when its module was loaded .* needs `module: import\.meta\.url`\.$/,
    ],
    [
      "said to be exported by a name that is none",
      () => functions.wrongName(),
      /^The module exports no isolated function as "noSuchExport"; it exports .*\bmade1\b/,
    ],
    [
      "said to be exported by the name of something else",
      () => functions.otherName(),
      /^The module exports no isolated function as "getHidden"/,
    ],
  ];
  for (const [how, call, ...messages] of refused) {
    test(how, async () => {
      await assert.rejects(
        async () => call(),
        (error) => {
          assert.ok(error instanceof FalSerializationError, String(error));
          for (const message of messages) assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});

/** Runs a program of a project, and returns its output. */
async function output(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = createProject(files);
  const [entry = ""] = Object.keys(files);
  const child = spawn(
    process.execPath,
    ["--conditions=servable-source", "--import", import.meta.resolve("tsx"), entry],
    { cwd: folder, env: cleanEnvironment(), stdio: ["ignore", "pipe", "inherit"] },
  );
  return text(child.stdout);
}

describe("a program works that", () => {
  test("is a CommonJS module", async () => {
    const said = await output({
      "app.cjs": `const { fn } = require("servable");
const { join } = require("node:path");
exports.f = fn({}, async (name) => join("a", name, require("node:os").EOL === "" ? "" : "b"));
if (require.main === module) exports.f("x").then(console.log);
`,
    });
    assert.equal(said, "a/x/b\n");
  });

  test("is a CommonJS module in TypeScript, with several functions", async () => {
    const said = await output({
      "app.ts": `import { fn } from "servable";
interface Name { name: string }
export const f = fn({}, async ({ name }: Name) => "f " + name);
export const g = fn({}, async (name: Name) => "g " + (await f(name)));
void g({ name: "x" }).then(console.log);
`,
      "package.json": '{ "type": "commonjs" }',
    });
    assert.equal(said, "g f x\n");
  });

  test("declares a require and other CommonJS names at its top level", async () => {
    const said = await output({
      "app.ts": `import { createRequire } from "node:module";
import { fn } from "servable";
const require = createRequire(import.meta.url);
const __dirname = "mine";
const exports = "mine";
export const f = fn({}, () => [typeof require("node:fs").readFileSync, __dirname, exports].join());
console.log(await f());
`,
    });
    assert.equal(said, "function,mine,mine\n");
  });

  test("resolves its own modules by the paths of its tsconfig.json", async () => {
    const said = await output({
      "app.ts": `import { fn } from "servable";
import { word } from "@/lib/word";
export const f = fn({}, () => word);
console.log(await f());
`,
      "src/lib/word.ts": 'import data from "./data.json";\nexport const word: string = data.word;\n',
      "src/lib/data.json": '{ "word": "found" }',
      "tsconfig.json":
        '{ "compilerOptions": { "paths": { "@/*": ["./src/*"] }, "resolveJsonModule": true, "module": "preserve" } }',
    });
    assert.equal(said, "found\n");
  });

  test("imports this package dynamically, or as a namespace", async () => {
    const said = await output({
      "app.ts": `const { fn } = await import("servable");
export const f = fn({}, () => "late");
console.log(await f());
`,
    });
    assert.equal(said, "late\n");
    const all = await output({
      "app.ts": `import * as servable from "servable";
export const f = servable.fn({}, () => typeof servable.currentRun().signal);
console.log(await f());
`,
    });
    assert.equal(all, "object\n");
  });
});
