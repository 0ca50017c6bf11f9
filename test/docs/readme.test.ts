import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { blocksOf, readPage, ROOT } from "./markdown.ts";

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

test("the README's two commands come before the tour, and the scripts they run exist", () => {
  const commands = blocksOf(readPage("README.md"))
    .filter(({ language, attributes }) => language === "bash" && !attributes.has("call"))
    .map(({ text }) => text.trim());
  assert.deepEqual(commands.slice(0, 2), ["npm ci && npm start", "npm ci && npm test"]);
  assert.ok(manifest.scripts["start"] !== undefined && manifest.scripts["test"] !== undefined);
  assert.ok(existsSync(join(ROOT, "package-lock.json")), "npm ci needs a lockfile");
});

test("npm start serves the example that the README calls", () => {
  const call = blocksOf(readPage("README.md")).find(({ attributes }) => attributes.has("call"));
  const app = call?.attributes.get("call") ?? "";
  assert.ok(existsSync(join(ROOT, app)));
  assert.ok(manifest.scripts["start"]?.endsWith(` run ${app}`));
});
