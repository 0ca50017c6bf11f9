import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { LocalHost, type IsolatedFunction } from "../../src/index.ts";
import { createProject } from "../helpers/cli.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";
import { LoggedHost } from "../helpers/function-logs.ts";
import { NpmRegistry } from "../helpers/npm-registry.ts";

useFunctionCache();

const version = (value: string): { files: Record<string, string> } => ({
  files: { "index.js": `exports.version = ${JSON.stringify(value)}; exports.count = 0;` },
});

const SOURCE = `import { fn } from "servable";
import { word } from "./lib/word.ts";

export const old = fn({ requirements: ["dep@1"], maxConcurrency: 1 }, async () => (await import("dep")).version as string);
export const young = fn({ requirements: ["dep@2.0.0"], maxConcurrency: 1 }, async () => (await import("dep")).version as string);
export const layered = fn({ requirements: [["dep@1"], ["user"]], maxConcurrency: 1 }, async () => {
  const { default: user } = await import("user");
  return user as string;
});
export const local = fn({ maxConcurrency: 1 }, (name: string) => word + " " + name);
export const where = fn({ maxConcurrency: 1 }, () => ({ cwd: process.cwd(), argv: process.argv.length, pid: process.pid }));
`;

type Functions = Record<"old" | "young" | "layered", IsolatedFunction<[], string>> & {
  readonly local: IsolatedFunction<[name: string], string>;
  readonly where: IsolatedFunction<[], { cwd: string; argv: number; pid: number }>;
};

const project = createProject({
  "app.ts": SOURCE,
  "lib/word.ts": 'export const word = "hello";\n',
  // The caller itself has yet another version.
  "node_modules/dep/package.json": '{ "name": "dep", "version": "3.0.0", "main": "index.js" }',
  "node_modules/dep/index.js": 'exports.version = "3.0.0";',
});

let functions: Functions;
let registry: NpmRegistry;
const variables = { ...process.env };

before(async () => {
  registry = await NpmRegistry.start({
    dep: { "1.0.0": version("1.0.0"), "1.5.0": version("1.5.0"), "2.0.0": version("2.0.0") },
    user: {
      "1.0.0": {
        files: { "index.js": 'module.exports = "user of " + require("dep").version;' },
        manifest: { peerDependencies: { dep: "1" } },
      },
    },
  });
  Object.assign(process.env, registry.environment);
  functions = (await import(pathToFileURL(join(project, "app.ts")).href)) as Functions;
});
after(async () => {
  for (const name of Object.keys(registry.environment)) delete process.env[name];
  Object.assign(process.env, variables);
  await registry[Symbol.asyncDispose]();
});

describe("an isolated function", () => {
  test("has the versions that it requires, beside a function that requires others", async () => {
    const { old, young } = functions;
    assert.deepEqual(await Promise.all([old(), young(), old(), young()]), [
      "1.5.0",
      "2.0.0",
      "1.5.0",
      "2.0.0",
    ]);
    assert.equal(await old.runLocal(), "3.0.0", "the caller's own is another one");
  });

  test("has the packages that were installed step by step", async () => {
    assert.equal(await functions.layered(), "user of 1.5.0");
  });

  test("brings the modules of its project", async () => {
    assert.equal(await functions.local("you"), "hello you");
    assert.equal(await functions.local.runLocal("here"), "hello here");
  });

  test("runs in its caller's working directory, in a process of its own", async () => {
    const { cwd, argv, pid } = await functions.where();
    assert.equal(cwd, process.cwd());
    assert.equal(argv, 4); // Node, the runner, the function's name, its parent
    assert.notEqual(pid, process.pid);
  });

  test("that is spawned resolves to its result, and to no url", async () => {
    const { result, url, logs } = functions.local.spawn("spawned");
    assert.equal(await url, undefined);
    assert.equal(await result, "hello spawned");
    for await (const { message } of logs) assert.fail(message);
  });

  test("that is spawned logs the installation of its packages", async () => {
    const fresh = new LocalHost();
    const { logs, result } = functions.old.on({ host: fresh, requirements: ["dep@1.0.0"] }).spawn();
    const lines: string[] = [];
    for await (const { source, message } of logs) lines.push(`${source}: ${message}`);
    assert.equal(await result, "1.0.0");
    assert.ok(lines.includes("BUILDER: installing dep@1.0.0"), lines.join("\n"));
    await fresh.close();
  });

  test("is installed once for all simultaneous callers", async () => {
    const downloads = registry.downloads("user");
    const hosts = [new LoggedHost(), new LoggedHost()];
    const results = await Promise.all(
      hosts.flatMap(({ host }) => {
        const copy = functions.layered.on({ host, requirements: [["dep@1.5.0"], ["user@1.0.0"]] });
        return [copy(), copy()];
      }),
    );
    assert.deepEqual([...new Set(results)], ["user of 1.5.0"]);
    assert.ok(registry.downloads("user") <= downloads + 1);
    await Promise.all(hosts.map(({ host }) => host.close()));
  });

  test("runs the code that it was loaded with, even if the file has changed since", async () => {
    const folder = createProject({
      "app.ts":
        'import { fn } from "servable";\nexport const f = fn({ maxConcurrency: 1 }, () => "first");\n',
    });
    const file = join(folder, "app.ts");
    const { f } = (await import(pathToFileURL(file).href)) as { f: IsolatedFunction<[], string> };
    assert.equal(await f(), "first");
    writeFileSync(file, "throw new Error('not to be loaded');\n");
    assert.equal(await f(), "first");
  });
});

describe("a closed host", () => {
  test("rejects running calls, ends its workers, and can be used again", async () => {
    const { host } = new LoggedHost();
    const where = functions.where.on(host);
    const { pid } = await where();
    const running = functions.layered.on(host)();
    const rejected = assert.rejects(running, { name: "RequestCancelledException" });
    await host.close();
    await rejected;
    assert.throws(() => process.kill(pid, 0));
    const next = await where();
    assert.notEqual(next.pid, pid);
    await host.close();
  });
});
