import assert from "node:assert/strict";
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
  test("is the nearest package.json above the file, with what npm needs of it", () => {
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
      file: "src/app.ts",
      lockfile: "package-lock.json",
      archives: ["a.tgz", "lib/a-1.0.0.tgz"],
      hasNpmrc: true,
      npmrcVariables: ["B", "NPM_TOKEN"],
      nodeVersion: "22.3.4",
    });
  });

  test("names no version of Node when what it names is not exact", () => {
    assert.equal(readProject(project({ ".nvmrc": "lts/*" })).nodeVersion, undefined);
    assert.equal(readProject(project({ ".nvmrc": "20" })).nodeVersion, undefined);
    assert.equal(readProject(project({ ".node-version": "20.1.2" })).nodeVersion, "20.1.2");
  });

  test("takes npm-shrinkwrap.json first, as npm does", () => {
    assert.equal(readProject(project({ "npm-shrinkwrap.json": LOCKFILE })).lockfile, "npm-shrinkwrap.json");
  });

  test("without package.json or lockfile is an error that says which command makes it", () => {
    refused(join(createFolder(), "app.ts"), /There is no package\.json in .* run "npm init -y"/);
    const folder = createFolder({ "package.json": MANIFEST });
    refused(join(folder, "app.ts"), /There is no package-lock\.json in .*: run "npm install" there\.$/);
  });

  test("of another package manager is an error that names the way out", () => {
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

  test("without this package among its dependencies is an error", () => {
    refused(
      project({ "package.json": "{}" }),
      /does not have servable among its dependencies: run "npm install/,
    );
    const manifest = JSON.stringify({ devDependencies: { servable: "1" } });
    refused(project({ "package.json": manifest }), /among the devDependencies.*--save-prod servable/);
  });

  test("that links to folders, or to archives elsewhere, is an error", () => {
    const lock = (entry: object): string => JSON.stringify({ packages: { "node_modules/lib": entry } });
    refused(
      project({ "package-lock.json": lock({ resolved: "packages/lib", link: true }) }),
      /package lib is a link to the folder packages\/lib.*npm pack/,
    );
    refused(
      project({ "package-lock.json": lock({ resolved: "file:../lib.tgz" }) }),
      /package lib is installed from \.\.\/lib\.tgz, outside of/,
    );
  });

  test("with a file that is no JSON is an error that names it", () => {
    refused(project({ "package.json": "{" }), /package\.json can't be read: /);
    refused(project({ "package-lock.json": "{" }), /package-lock\.json can't be read: /);
  });
});
