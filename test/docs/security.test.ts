import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { proseOf, readPage, ROOT, tableRows } from "./markdown.ts";

const FOLDERS = ["test/integration", "test/e2e", "test/unit/controller/tls"];

test("each protection of a platform names a test that exists", () => {
  const section = proseOf(readPage("docs/security.md"))
    .split(/^## /m)
    .find((text) => text.startsWith("A platform of your own"));
  const claims = tableRows(section ?? "").map((cells) => cells.at(-1) ?? "");
  assert.ok(claims.length >= 15, `${claims.length} claims`);
  for (const claim of claims) {
    const [, file = "", title = ""] = /^`([\w.-]+)`: (.+)$/.exec(claim) ?? [];
    const path = FOLDERS.map((folder) => join(ROOT, folder, file)).find(existsSync);
    assert.ok(path !== undefined && file !== "", claim);
    assert.ok(readFileSync(path, "utf8").includes(`"${title}"`), claim);
  }
});
