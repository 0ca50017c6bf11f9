import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FalMissingDependencyError, fn, LocalHost } from "servable";
import { NpmRegistry } from "../helpers/npm-registry.ts";

// A cache below a folder with node_modules, as in a project, or in a home with packages of its own.
const project = mkdtempSync(join(tmpdir(), "servable-isolation-"));
for (const name of ["above", "listed"]) {
  const folder = join(project, "node_modules", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version: "9.0.0", main: "index.js" }));
  writeFileSync(join(folder, "index.js"), 'module.exports = "from above";');
}
const registry = await NpmRegistry.start({
  listed: {
    "1.0.0": { files: { "index.js": 'module.exports = "from the environment, " + require("inner");' } },
  },
  inner: { "1.0.0": { files: { "index.js": 'module.exports = "with its own";' } } },
});
Object.assign(process.env, registry.environment);
const host = new LocalHost({ cacheDirectory: join(project, "cache"), onLog: () => {} });

after(async () => {
  await host.close();
  await registry[Symbol.asyncDispose]();
  rmSync(project, { recursive: true, force: true, maxRetries: 5 });
});

const load = async (name: string, how: "import" | "require"): Promise<unknown> => {
  if (how === "require") return createRequire(import.meta.url)(name) as unknown;
  return ((await import(name)) as { default: unknown }).default;
};

export const withoutPackages = fn({ host }, (name: string, how: "import" | "require") => load(name, how));
export const withPackages = fn(
  { host, requirements: ["listed@1.0.0", "inner@1.0.0"] },
  (name: string, how: "import" | "require") => load(name, how),
);

for (const how of ["import", "require"] as const) {
  test(`a package in a node_modules above the environment is not found by ${how}()`, async () => {
    await assert.rejects(withoutPackages("above", how), FalMissingDependencyError);
  });

  test(`the environment's own packages and their dependencies are found by ${how}()`, async () => {
    assert.equal(await withPackages("listed", how), "from the environment, with its own");
  });
}
