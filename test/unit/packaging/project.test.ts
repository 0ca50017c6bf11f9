import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { UsageError } from "../../../src/errors.ts";
import { readProject } from "../../../src/packaging/project.ts";
import { createFolder } from "../../helpers/folders.ts";

const MANIFEST = JSON.stringify({ dependencies: { servable: "^1.0.0" } });
const LOCKFILE = JSON.stringify({ lockfileVersion: 3, packages: { "": {} } });

function project(files: Readonly<Record<string, string>>): string {
  return join(
    createFolder({ "package.json": MANIFEST, "package-lock.json": LOCKFILE, ...files }),
    "src/app.ts",
  );
}

function refused(file: string, message: RegExp): void {
  assert.throws(
    () => readProject(file),
    (error) => error instanceof UsageError && message.test(error.message) && !error.message.includes("\n"),
  );
}

describe("a project", () => {
  test("is the nearest package.json above the file, with all files that npm needs", () => {
    const file = project({
      ".npmrc": "//r.example/:_authToken=${NPM_TOKEN}\nx=${B?}${NPM_TOKEN}",
      ".nvmrc": "v22.3.4\n",
      "package-lock.json": JSON.stringify({
        packages: {
          "node_modules/a": { resolved: "file:lib/a-1.0.0.tgz" },
          "node_modules/b": { resolved: "https://registry.npmjs.org/b" },
          "node_modules/c": { resolved: "file:a.tgz" },
        },
      }),
    });
    assert.deepEqual(readProject(file), {
      directory: join(file, "../.."),
      folder: "",
      file: "src/app.ts",
      lockfile: "package-lock.json",
      packages: [],
      unused: [],
      nestedModules: [],
      rootFiles: [],
      installFlags: [],
      framework: "node_modules/servable",
      isFrameworkLinked: false,
      archives: ["a.tgz", "lib/a-1.0.0.tgz"],
      npmrc: "//r.example/:_authToken=${NPM_TOKEN}\nx=${B?}${NPM_TOKEN}",
      npmrcVariables: ["B", "NPM_TOKEN"],
      nodeVersion: "22.3.4",
    });
  });

  test("has no Node version if the named version is not exact", () => {
    assert.equal(readProject(project({ ".nvmrc": "lts/*" })).nodeVersion, undefined);
    assert.equal(readProject(project({ ".nvmrc": "20" })).nodeVersion, undefined);
    assert.equal(readProject(project({ ".node-version": "20.1.2" })).nodeVersion, "20.1.2");
  });

  test("prefers npm-shrinkwrap.json, as npm does", () => {
    assert.equal(readProject(project({ "npm-shrinkwrap.json": LOCKFILE })).lockfile, "npm-shrinkwrap.json");
  });

  test("without package.json or lockfile is an error that names the command to create it", () => {
    refused(join(createFolder(), "app.ts"), /No package\.json was found in .* run "npm init -y"/);
    const folder = createFolder({ "package.json": MANIFEST });
    refused(join(folder, "app.ts"), / has no package-lock\.json: run "npm install" there\.$/);
  });

  test("of another package manager is an error that suggests an alternative", () => {
    for (const [name, manager] of [
      ["pnpm-lock.yaml", "pnpm"],
      ["yarn.lock", "Yarn"],
      ["bun.lock", "Bun"],
    ] as const) {
      const folder = createFolder({ "package.json": MANIFEST, [name]: "" });
      refused(
        join(folder, "app.ts"),
        new RegExp(`lockfile of ${manager} \\(${name}\\).*ContainerImage\\.fromDockerfile`),
      );
    }
  });

  test("is the repository of this package: the compiled package serves the app, with the packages of its examples", () => {
    const files = {
      "package.json": '{"name":"servable"}',
      "package-lock.json": LOCKFILE,
      "src/index.ts": "",
    };
    const file = join(createFolder({ ...files, "examples/language/app.ts": "" }), "examples/language/app.ts");
    refused(file, /is the repository of servable, not compiled: run "npm run build" there/);
    const built = createFolder({ ...files, "examples/language/app.ts": "", "dist/cli/main.js": "" });
    const { folder, framework, installFlags, unused } = readProject(join(built, "examples/language/app.ts"));
    assert.deepEqual(
      { folder, framework, installFlags, unused },
      { folder: "", framework: ".", installFlags: ["--include=dev"], unused: ["src"] },
    );
  });

  test("without this package among its dependencies is an error", () => {
    refused(
      project({ "package.json": "{}" }),
      /does not have servable among its dependencies: run "npm install/,
    );
    const manifest = JSON.stringify({ devDependencies: { servable: "1" } });
    refused(project({ "package.json": manifest }), /among the devDependencies.*--save-prod servable/);
  });

  test("with links to folders or archives outside is an error", () => {
    const lock = (entry: object): string =>
      JSON.stringify({
        packages: { "": { dependencies: { lib: "file:x" } }, "node_modules/lib": entry },
      });
    refused(
      project({ "package-lock.json": lock({ resolved: "../lib", link: true }) }),
      /package lib is a link to the folder \.\.\/lib, outside of .*fromDockerfile/,
    );
    refused(
      project({ "package-lock.json": lock({ resolved: "file:../lib.tgz" }) }),
      /package lib is installed from \.\.\/lib\.tgz, outside of/,
    );
  });

  test("includes linked folders inside it", () => {
    const packages = {
      "": { dependencies: { lib: "file:lib" }, devDependencies: { far: "file:../far" } },
      "node_modules/lib": { resolved: "lib", link: true },
      "node_modules/far": { resolved: "../far", link: true, dev: true },
      lib: { dependencies: { ms: "1" } },
      "lib/node_modules/ms": {},
    };
    const read = readProject(project({ "package-lock.json": JSON.stringify({ packages }) }));
    assert.deepEqual([read.packages, read.nestedModules], [["lib"], ["lib/node_modules"]]);
    assert.deepEqual(read.installFlags, []);
  });

  test("with a file that is not valid JSON is an error that names the file", () => {
    refused(project({ "package.json": "{" }), /package\.json can't be read: /);
    refused(project({ "package-lock.json": "{" }), /package-lock\.json can't be read: /);
  });
});

describe("a package of a workspace", () => {
  const PACKAGES = {
    "": { workspaces: ["packages/*"], dependencies: { servable: "1", shared: "1" } },
    "node_modules/@me/app": { resolved: "packages/app", link: true },
    "node_modules/@me/lib": { resolved: "packages/lib", link: true },
    "node_modules/@me/deep": { resolved: "packages/lib/deep", link: true },
    "node_modules/@me/other": { resolved: "packages/other", link: true },
    "node_modules/@me/dev": { resolved: "packages/dev", link: true },
    "node_modules/servable": { dependencies: { ms: "2" } },
    "node_modules/shared": {},
    "node_modules/ms": {},
    "node_modules/ours": { resolved: "file:packages/other/ours.tgz" },
    "packages/app": { dependencies: { "@me/lib": "*", servable: "1" }, devDependencies: { "@me/dev": "*" } },
    "packages/lib": { peerDependencies: { "@me/deep": "*" }, dependencies: { ms: "1" } },
    "packages/lib/node_modules/ms": {},
    "packages/lib/deep": { dependencies: { "@me/lib": "*" } },
    "packages/other": { dependencies: { ours: "1" } },
    "packages/dev": {},
  };

  function workspace(
    files: Readonly<Record<string, string>> = {},
    packages: object = PACKAGES,
    globs: unknown = ["packages/*", "packages/lib/*"],
  ): string {
    const root = createFolder({
      "package.json": JSON.stringify({ workspaces: globs, dependencies: { servable: "1" } }),
      "package-lock.json": JSON.stringify({ lockfileVersion: 3, packages }),
      "packages/app/package.json": MANIFEST,
      ...files,
    });
    return join(root, "packages/app/src/app.ts");
  }

  test("includes the packages that it uses, directly or indirectly, and no others", () => {
    const file = workspace({ "tsconfig.base.json": "{}", ".npmrc": "a=b", "packages/app/.npmrc": "c=d" });
    const read = readProject(file);
    assert.deepEqual(read, {
      directory: join(file, "../../../.."),
      folder: "packages/app",
      file: "src/app.ts",
      lockfile: "package-lock.json",
      packages: ["packages/lib", "packages/lib/deep", "packages/app"],
      unused: ["packages/dev", "packages/other"],
      nestedModules: ["packages/lib/node_modules"],
      rootFiles: ["tsconfig.base.json"],
      installFlags: ["--workspace=packages/app"],
      framework: "node_modules/servable",
      isFrameworkLinked: false,
      archives: [],
      npmrc: "a=b",
      npmrcVariables: [],
      nodeVersion: undefined,
    });
  });

  test("is found by every kind of glob that npm supports", () => {
    for (const globs of [
      ["packages/*"],
      ["./packages/app"],
      ["packages/*/"],
      ["packages/**"],
      ["**"],
      ["{apps,packages}/*"],
      { packages: ["packages/a*"] },
      ["!packages/app", "packages/*"],
      ["p?ckages/[a-c]pp"],
    ]) {
      assert.equal(readProject(workspace({}, PACKAGES, globs)).folder, "packages/app", JSON.stringify(globs));
    }
    for (const globs of [[], ["packages"], ["apps/*"], ["packages/*", "!packages/app"], "packages/*", null]) {
      refused(workspace({}, PACKAGES, globs), /\S+packages\/app has no package-lock\.json: run/);
    }
  });

  test("may have the framework from the root, in its own node_modules, or as a link", () => {
    const own = { "packages/app/package.json": "{}" };
    assert.deepEqual(readProject(workspace(own)).installFlags, [
      "--workspace=packages/app",
      "--include-workspace-root",
    ]);
    const nested = { ...PACKAGES, "packages/app/node_modules/servable": {} };
    assert.equal(readProject(workspace({}, nested)).framework, "packages/app/node_modules/servable");
    const linked = { ...PACKAGES, "node_modules/servable": { resolved: "packages/servable", link: true } };
    const read = readProject(workspace({}, { ...linked, "packages/servable": {} }));
    assert.deepEqual([read.isFrameworkLinked, read.packages.includes("packages/servable")], [true, true]);
  });

  test("may be the root itself, with the packages that it uses", () => {
    const root = (dependencies: object): string =>
      project({
        "package.json": JSON.stringify({
          workspaces: ["packages/*"],
          dependencies: { servable: "1", ...dependencies },
        }),
        "package-lock.json": JSON.stringify({
          packages: { ...PACKAGES, "": { dependencies: { servable: "1", ...dependencies } } },
        }),
      });
    const none = readProject(root({}));
    assert.deepEqual([none.folder, none.packages, none.installFlags], ["", [], ["--no-workspaces"]]);
    const one = readProject(root({ "@me/lib": "*" }));
    assert.deepEqual(one.packages, ["packages/lib", "packages/lib/deep"]);
    assert.deepEqual(one.installFlags, ["--workspace=packages/lib", "--include-workspace-root"]);
    assert.ok(one.unused.includes("packages/other"));
  });

  test("includes everything that its tsconfig.json extends: files elsewhere, and packages of the workspace", () => {
    const packages = {
      ...PACKAGES,
      "node_modules/@me/tsconfig": { resolved: "packages/tsconfig", link: true, dev: true },
      "packages/tsconfig": { dependencies: { "@tsconfig/strictest": "1" } },
      "node_modules/@tsconfig/strictest": {},
    };
    const file = workspace(
      {
        "packages/app/tsconfig.json":
          '{ // "extends": "./none"\n "extends": ["@me/tsconfig/node", "../../config/more.json",], }',
        "packages/tsconfig/node.json": '{ "extends": "@tsconfig/strictest/tsconfig.json" }',
        "packages/tsconfig/package.json": "{}",
        "config/more.json": '{ "extends": "./base" }',
        "config/base.json": "{}",
      },
      packages,
    );
    const read = readProject(file);
    assert.deepEqual(read.rootFiles, ["config/base.json", "config/more.json"]);
    assert.deepEqual(read.packages, [
      "packages/lib",
      "packages/lib/deep",
      "packages/tsconfig",
      "packages/app",
    ]);
    assert.deepEqual(read.installFlags, ["--workspace=packages/app", "--workspace=packages/tsconfig"]);
  });

  test("is an error if its tsconfig.json extends a file that is not in the image, even without a workspace", () => {
    const packages = {
      "": { devDependencies: { "@tsconfig/node22": "1" } },
      "node_modules/@tsconfig/node22": {},
    };
    refused(
      project({
        "tsconfig.json": '{ "extends": "@tsconfig/node22/tsconfig.json" }',
        "package-lock.json": JSON.stringify({ packages }),
      }),
      /tsconfig\.json extends "@tsconfig\/node22\/tsconfig\.json", which is installed only for development.*--save-prod @tsconfig\/node22" in/,
    );
    const outside = createFolder({
      "base.json": "{}",
      "app/package.json": MANIFEST,
      "app/package-lock.json": LOCKFILE,
      "app/tsconfig.json": '{ "extends": "../base.json" }',
    });
    refused(
      join(outside, "app/app.ts"),
      /extends "\.\.\/base\.json", which is not copied into the image: move it into/,
    );
    for (const text of [
      "{",
      '{ "extends": 5 }',
      '{ "extends": "./none" }',
      '{ "extends": "./tsconfig.json" }',
      "[]",
    ]) {
      assert.doesNotThrow(() => readProject(project({ "tsconfig.json": text })));
    }
  });

  test("reports where to run npm if the root does not list it", () => {
    const { "packages/app": _, ...others } = PACKAGES;
    refused(
      workspace({}, others),
      /package-lock\.json does not have the package in packages\/app: run "npm install" in \S+, the root of the/,
    );
    const file = workspace();
    rmSync(join(file, "../../../../package-lock.json"));
    refused(file, /\S+, the root of the workspace of packages\/app, has no package-lock\.json: run/);
    refused(
      workspace({ "package.json": '{"workspaces":["packages/*"]}', "packages/app/package.json": "{}" }),
      /packages\/app\/package\.json does not have servable .* run "npm install servable" in \S+packages\/app\.$/,
    );
  });

  test("in a workspace of another package manager is rejected by its name, with an alternative", () => {
    for (const [files, manager] of [
      [{ "pnpm-workspace.yaml": "", "pnpm-lock.yaml": "" }, "pnpm"],
      [{ "pnpm-workspace.yaml": "" }, "pnpm"],
      [{ "package.json": '{"workspaces":["packages/*"]}', "yarn.lock": "" }, "Yarn"],
      [{ "package.json": '{"workspaces":{"packages":["packages/*"]}}', "yarn.lock": "" }, "Yarn"],
      [{ "package.json": '{"workspaces":["packages/*"]}', "bun.lock": "" }, "Bun"],
      [{ "package.json": '{"workspaces":["packages/*"]}', "bun.lockb": "" }, "Bun"],
    ] as const) {
      const file = join(
        createFolder({ "package.json": "{}", "packages/app/package.json": MANIFEST, ...files }),
        "packages/app/app.ts",
      );
      refused(
        file,
        new RegExp(
          `the root of the workspace of packages/app, has the lockfile of ${manager} .*fromDockerfile`,
        ),
      );
    }
  });

  test("with a lockfile of its own is a separate project", () => {
    const read = readProject(workspace({ "packages/app/package-lock.json": LOCKFILE }));
    assert.deepEqual([read.folder, read.packages], ["", []]);
  });
});
