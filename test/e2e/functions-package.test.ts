import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { cleanEnvironment, root } from "../helpers/cli.ts";
import { FunctionPlatform } from "../helpers/function-platform.ts";
import { compiledPackage } from "../helpers/compiled-package.ts";

const run = promisify(execFile);
const folder = realpathSync(mkdtempSync(join(tmpdir(), "servable-package-")));
const project = join(folder, "project");
const cache = join(folder, "cache");
const compiler = join(root, "node_modules/typescript/lib/tsc.js");
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Installs the compiled package, as published, into a project that uses this repository's packages. */
function install(): void {
  const modules = join(project, "node_modules");
  const own = join(modules, "servable");
  mkdirSync(own, { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    const path = join(root, "node_modules", name);
    // A bundle records the paths of the code it takes from other packages, so this one must be where npm puts it.
    if (name === "fastest-levenshtein") cpSync(path, join(modules, name), { recursive: true });
    else if (!name.startsWith(".")) symlinkSync(path, join(modules, name));
  }
  copyFileSync(join(root, "package.json"), join(own, "package.json"));
  cpSync(join(compiledPackage(), "dist"), join(own, "dist"), { recursive: true });
}

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), content);
  }
}

/** Runs Node in the project, and returns what it prints. */
async function node(
  args: readonly string[],
  cwd = project,
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...cleanEnvironment(), SERVABLE_CACHE_DIR: cache, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return stdout + stderr;
}

const app = (word: string): string => `import { currentRun, fn, LocalHost } from "servable";
import { ${word} } from "./lib/words.js";

export const inner = fn({ host: new LocalHost() }, (a, b) => a + b);
export const outer = fn({ requirements: [] }, async (a) => [${word}, await inner(a, 1), currentRun().signal.aborted]);
export const fail = fn({}, () => {
  throw new RangeError("thrown");
});

console.log(JSON.stringify(await outer(1)));
await fail().catch(({ stack }) => console.log(stack));
`;

describe("the installed package", () => {
  before(() => {
    install();
    write({
      "package.json": '{ "type": "module" }',
      "app.mjs": app("word"),
      "lib/words.js": 'export const word = "javascript";\n',
    });
  });

  test("runs functions of a JavaScript program, without a loader", async () => {
    const said = await node(["app.mjs"]);
    assert.match(said, /^\["javascript",2,false\]\nRangeError: thrown\n {4}at .*project\/app\.mjs:7:9\)?\n$/);
  });

  test("runs functions of a TypeScript program through its loader", async () => {
    write({
      "typed.ts": `interface Unused {\n  a: 1;\n}\n${app("word").replace("(a, b)", "(a: number, b: number)").replace("(a) =>", "(a: number) =>")}`,
    });
    const said = await node(["--import", "tsx", "typed.ts"]);
    assert.match(
      said,
      /^\["javascript",2,false\]\nRangeError: thrown\n {4}at .*project\/typed\.ts:10:9\)?\n$/,
    );
  });

  test("runs functions of a compiled program; source maps point its errors to its sources", async () => {
    write({
      "src/app.ts": `interface Unused {\n  a: 1;\n}\n${app("word").replace("(a, b)", "(a: number, b: number)").replace("(a) =>", "(a: number) =>")}`,
      "src/lib/words.ts": 'export const word: string = "compiled";\n',
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          ...{
            target: "es2022",
            module: "nodenext",
            strict: true,
            sourceMap: true,
            rootDir: "src",
            outDir: "out",
          },
          ...{ skipLibCheck: true, types: ["node"], noEmitOnError: true },
        },
        include: ["src"],
      }),
    });
    await run(process.execPath, [compiler, "-p", project], { cwd: project }).catch(
      (error: { stdout: string }) => assert.fail(error.stdout),
    );
    const said = await node(["--enable-source-maps", "out/app.js"]);
    assert.match(
      said,
      /^\["compiled",2,false\]\nRangeError: thrown\n {4}at .*project\/(?:src\/app\.ts:10|out\/app\.js:\d+):/,
    );
  });

  test("runs functions on a platform", async () => {
    await using platform = await FunctionPlatform.start();
    write({
      "remote.mjs": `import { FalServerlessHost, fn } from "servable";
import { word } from "./lib/words.js";
export const speak = fn({ host: new FalServerlessHost() }, (name) => \`\${word} \${name}\`);
console.log(await speak("there"));
`,
    });
    const variables = { ...platform.plane.environment, FAL_REST_HOST: platform.store.url };
    const said = await node(["remote.mjs"], project, variables);
    assert.match(said, /^javascript there$/m);
    assert.deepEqual(platform.plane.methods(), ["BuildEnvironment", "Run"]);
  });

  test("makes the same bundle of a project in any folder", async () => {
    write({
      "hash.mjs": `import { fn } from "servable";
import { word } from "./lib/words.js";
export const f = fn({}, () => word);
console.log((await f.bundle()).hash);
`,
    });
    const copy = join(folder, "deeper/down/copy");
    cpSync(project, copy, { recursive: true, verbatimSymlinks: true });
    const hashes = [
      await node(["hash.mjs"]),
      await node(["hash.mjs"], copy),
      await node([join(copy, "hash.mjs")]),
    ];
    assert.match(hashes[0] ?? "", /^[0-9a-f]{64}\n$/);
    assert.equal(new Set(hashes).size, 1);
  });
});
