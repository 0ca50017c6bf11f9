import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FalMissingDependencyError } from "../../../src/errors.ts";
import { findMissingDependencies, missingDependency } from "../../../src/functions/missing-dependencies.ts";
import { bundleProject } from "../../helpers/bundles.ts";

const SOURCE = `import "other-file";
import a from "dep-a";
import { b } from "@scope/dep-b/sub.js";
export const f = [a, b, () => import("dep-a/late"), () => import("nowhere")];
`;

function installed(name: string, version: string, more: object = {}): Record<string, string> {
  return {
    [`node_modules/${name}/package.json`]: JSON.stringify({ name, version, ...more }),
    [`node_modules/${name}/index.js`]: "",
  };
}

const FILES = {
  "src/app.ts": SOURCE,
  ...installed("dep-a", "1.2.3", { exports: { ".": "./index.js" } }),
  ...installed("@scope/dep-b", "2.0.0-beta.1"),
};

describe("the packages that are missing in a function's environment are listed", () => {
  test("with the installed version and all their imports", async () => {
    const bundle = await bundleProject(FILES);
    const missing = await findMissingDependencies({ bundle: async () => bundle }, { kind: "npm" });
    assert.deepEqual(missing.map(({ packageName, requirement }) => [packageName, requirement]).sort(), [
      ["@scope/dep-b", "@scope/dep-b@2.0.0-beta.1"],
      ["dep-a", "dep-a@1.2.3"],
      ["nowhere", "nowhere"],
      ["other-file", "other-file"],
    ]);
    const its = missing.find(({ packageName }) => packageName === "dep-a");
    assert.deepEqual(
      its?.imports.map(({ specifier, importer, isDynamic }) => [specifier, importer, isDynamic]).sort(),
      [
        ["dep-a", "src/app.ts", false],
        ["dep-a/late", "src/app.ts", true],
      ],
    );
  });

  test("without the required packages, whatever their version, step or alias", async () => {
    const bundle = await bundleProject(FILES);
    const fn = { bundle: async () => bundle };
    const requirements = [["dep-a@^1", "nowhere@npm:somewhere@1"], ["@scope/dep-b"]];
    const missing = await findMissingDependencies(fn, { kind: "npm", requirements });
    assert.deepEqual(
      missing.map(({ packageName }) => packageName),
      ["other-file"],
    );
  });

  test("as an empty list if they cannot be determined: in a container, or with a requirement without a name", async () => {
    const fail = { bundle: () => assert.fail("it need not be bundled") };
    assert.deepEqual(await findMissingDependencies(fail, { kind: "container", image: "node" }), []);
    const unnamed = { kind: "npm", requirements: ["https://example.com/a.tgz"] } as const;
    assert.deepEqual(await findMissingDependencies(fail, unnamed), []);
  });
});

describe("the error for a missing package", () => {
  const error = (packageName: string): FalMissingDependencyError =>
    new FalMissingDependencyError("none", { packageName, requirement: packageName, cause: new Error("why") });

  test("names the function, the import, its file and the requirement to add", async () => {
    const bundle = bundleProject(FILES);
    const failure = await missingDependency(error("@scope/dep-b"), "f()", bundle);
    assert.equal(
      failure.message,
      'The environment of f() has no package "@scope/dep-b", which src/app.ts imports as "@scope/dep-b/sub.js". ' +
        'Add it to the options: requirements: ["@scope/dep-b@2.0.0-beta.1"]',
    );
    assert.equal(failure.requirement, "@scope/dep-b@2.0.0-beta.1");
    assert.equal((failure.cause as Error).message, "why");
  });

  test("omits the import if the code does not contain it", async () => {
    const failure = await missingDependency(error("computed"), "f()", bundleProject(FILES));
    assert.equal(
      failure.message,
      'The environment of f() has no package "computed". Add it to the options: requirements: ["computed"]',
    );
  });
});
