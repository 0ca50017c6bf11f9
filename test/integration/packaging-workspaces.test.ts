import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runCommand } from "../../benchmarks/lib/command.ts";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { runEngineProgram } from "../helpers/engine-program.ts";
import { RunningCli, type Ended } from "../helpers/cli.ts";
import { compiledPackage } from "../helpers/compiled-package.ts";
import { assertInNoLayer, prepareContainers, withoutContainers } from "../helpers/container-base.ts";
import { BASE_IMAGE, createBuildBase } from "../helpers/image-project.ts";
import { runImage } from "../helpers/running-image.ts";

const APP = `import { App, endpoint } from "servable";
import { greeting, version } from "@me/lib";
import { settings } from "./settings.ts";
export class Greeter extends App {
  @endpoint("/") greet(): object { return { greeting: greeting("you"), version, settings, cwd: process.cwd() }; }
}
`;
const json = (value: object): string => JSON.stringify(value, null, 2);

/** A workspace with libraries in TypeScript, scripts that would fail, and one package that nothing depends on. */
function workspace(archive: string): Readonly<Record<string, string>> {
  return {
    "package.json": json({
      // A unique name, so that no builder takes the packages from its cache.
      name: `workspace-${process.pid}`,
      private: true,
      workspaces: ["apps/*", "libs/**"],
      scripts: { prepare: "exit 7" },
      devDependencies: { "is-number": "7.0.0" },
    }),
    "tsconfig.base.json": json({
      compilerOptions: { target: "ES2022", module: "NodeNext", allowImportingTsExtensions: true },
    }),
    ".npmrc": "loglevel=http\n//registry.example/:_authToken=tok-workspace-secret\n",
    ".dockerignore": "*.md\n",
    "infra/main.tf": "",
    "apps/greeter/package.json": json({
      name: "@me/greeter",
      version: "1.0.0",
      type: "module",
      dependencies: { "@me/lib": "*", servable: `file:../../${archive}`, typebox: "^1.4.3" },
      devDependencies: { "@me/tools": "*" },
    }),
    "apps/greeter/tsconfig.json": json({ extends: "../../tsconfig.base.json" }),
    "apps/greeter/.dockerignore": "/notes\n*.log\n",
    "apps/greeter/notes/a.txt": "",
    "apps/greeter/x.log": "",
    "apps/greeter/.env.local": "SECRET=tok-env-secret",
    "apps/greeter/src/app.ts": APP,
    "apps/greeter/src/settings.ts": "export const settings = 1;\n",
    "libs/lib/package.json": json({
      name: "@me/lib",
      version: "1.2.3",
      type: "module",
      exports: { ".": "./src/index.ts" },
      scripts: { prepare: "exit 7", postinstall: "exit 7" },
      dependencies: { "@me/words": "1.x", ms: "2.0.0" },
    }),
    "libs/lib/src/index.ts":
      'import ms from "ms";\nimport { hello } from "@me/words";\n' +
      "export const greeting = (who: string): string => `${hello} ${who}`;\nexport const version: unknown = ms(1000);\n",
    "libs/lib/src/x.log": "",
    "libs/deep/words/package.json": json({
      name: "@me/words",
      version: "1.0.0",
      type: "module",
      exports: "./words.ts",
      // A version other than the one installed at the top level, so that it has to stay in its own folder.
      dependencies: { ms: "2.1.2" },
    }),
    "libs/deep/words/words.ts":
      'export enum Word { Hello = "hello" }\nexport const hello: string = Word.Hello;\n',
    "apps/other/package.json": json({ name: "other", version: "1.0.0", dependencies: { "is-odd": "3.0.1" } }),
    "apps/other/secret-plans.ts": "",
    "libs/tools/package.json": json({
      name: "@me/tools",
      version: "1.0.0",
      dependencies: { "is-windows": "1.0.2" },
    }),
  };
}

describe("the image of an app in a workspace", { skip: withoutContainers }, () => {
  const folder = mkdtempSync(join(tmpdir(), "servable-workspace-"));
  const root = join(folder, "root");
  const tag = `localhost/servable-test-workspace:${process.pid}`;
  let engine: ContainerEngine;
  let built: Ended;

  before(async () => {
    mkdirSync(join(folder, "base"));
    mkdirSync(root);
    engine = await prepareContainers();
    await createBuildBase(engine, join(folder, "base"));
    const pack = ["pack", "--ignore-scripts", "--pack-destination", root];
    await runCommand("npm", pack, { cwd: compiledPackage() });
    const archive = readdirSync(root).find((name) => name.endsWith(".tgz")) ?? "";
    for (const [path, text] of Object.entries(workspace(archive))) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const flags = ["--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"];
    await runCommand("npm", ["install", ...flags], { cwd: root });
    const program = [process.execPath, join(root, "node_modules/servable/dist/cli/main.js"), "build"];
    const args = ["src/app.ts", "--build-arg", `BASE_IMAGE=${BASE_IMAGE}`, "--tag", tag];
    built = await new RunningCli(program, args, join(root, "apps/greeter"), {}).ended;
    assert.equal(built.exitCode, 0, built.stderr);
  });

  after(async () => {
    await runEngineProgram(engine.command, ["rmi", "--force", tag]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Returns an image's response to `POST /`. */
  async function answerOf(image: string): Promise<unknown> {
    const name = `servable-test-workspace-${process.pid}`;
    await using running = await runImage(engine, image, name);
    const response = await fetch(running.url, { method: "POST" });
    assert.equal(response.status, 200);
    return await response.json();
  }

  /** The files of an image below /app, except those of packages from a registry. */
  async function filesOf(image: string): Promise<{ files: readonly string[]; packages: readonly string[] }> {
    const program =
      "const { readdirSync } = require('fs');" +
      "const all = readdirSync('/app', { recursive: true, withFileTypes: true }).map((entry) => [entry.parentPath.slice(5), entry.name, entry.isDirectory()]);" +
      "console.log(JSON.stringify({ files: all.filter(([folder, , isFolder]) => !isFolder && !folder.includes('node_modules')).map(([folder, name]) => folder + '/' + name).sort()," +
      "packages: all.filter(([folder]) => /node_modules(\\/@me)?$/.test(folder)).map(([folder, name]) => folder + '/' + name).sort() }))";
    const args = ["run", "--rm", "--network=none", image, "node", "-e", program];
    const { stdout, stderr } = await runEngineProgram(engine.command, args);
    assert.notEqual(stdout, "", stderr);
    return JSON.parse(stdout) as { files: string[]; packages: string[] };
  }

  test("responds with the text of its TypeScript libraries, from its package's folder", async () => {
    assert.deepEqual(await answerOf(tag), {
      greeting: "hello you",
      version: "1s",
      settings: 1,
      cwd: "/app/apps/greeter",
    });
  });

  test("has the packages that the app uses, and no others", async () => {
    const { files, packages } = await filesOf(tag);
    assert.deepEqual(files, [
      "/package-lock.json",
      "/package.json",
      "/tsconfig.base.json",
      "apps/greeter/.dockerignore",
      "apps/greeter/package.json",
      "apps/greeter/src/app.ts",
      "apps/greeter/src/settings.ts",
      "apps/greeter/tsconfig.json",
      "libs/deep/words/package.json",
      "libs/deep/words/words.ts",
      "libs/lib/package.json",
      "libs/lib/src/index.ts",
      "libs/lib/src/x.log",
    ]);
    for (const name of ["node_modules/@me/lib", "node_modules/@me/words", "node_modules/servable"]) {
      assert.ok(packages.includes(name), name);
    }
    // Each has its own version, wherever npm puts it.
    const versions = packages.filter((name) => name.endsWith("/ms") && !name.includes("debug"));
    assert.equal(versions.length, 2, versions.join());
    for (const name of ["is-odd", "is-number", "is-windows", "other", "@me/tools"]) {
      assert.ok(!packages.some((each) => each.endsWith(`/${name}`)), name);
    }
  });

  test("was built with npm's settings, and contains neither those nor an .env file in any layer", async () => {
    assert.match(built.stderr, /npm http /, "the level of npm's log is in its settings");
    assert.match(built.stderr, /^Excluded because they may contain secrets: apps\/greeter\/\.env\.local\. /m);
    await assertInNoLayer(engine, tag, /tok-(?:workspace|env)-secret/);
  });
});
