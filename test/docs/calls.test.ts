import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CALL_FORMAT,
  type CallAnswer,
  type CallBody,
} from "../../src/hosts/serverless/server/call-protocol.ts";
import {
  IMAGE_ROOT,
  IMAGE_FOLDERS,
  SERVER_FILES,
  type ServerSettings,
} from "../../src/hosts/serverless/server/container-layout.ts";
import { SOURCE_ROOT } from "../../src/hosts/serverless/container-sources.ts";
import { proseOf, readPage, tableRows } from "./markdown.ts";

const page = proseOf(readPage("docs/wire/calls.md"));

type KeysOf<Union> = Union extends unknown ? keyof Union : never;

// The compiler checks these names against the code, the tests check the page against these names.
const BODY: Readonly<Record<keyof CallBody, true>> = { format: true, args: true };
const ANSWER: Readonly<Record<KeysOf<CallAnswer>, true>> = { result: true, thrown: true };
const SETTINGS: Readonly<Record<keyof ServerSettings, true>> = {
  format: true,
  functionName: true,
  moduleUrl: true,
  entry: true,
  port: true,
  served: true,
  maxCalls: true,
  requestTimeout: true,
  startupTimeout: true,
  variables: true,
};

/** The names in the first column of the table below a text of the page. */
function documented(text: string): string[] {
  const start = page.indexOf(text);
  assert.ok(start >= 0, text);
  const table =
    page
      .slice(start)
      .split("\n\n")
      .find((part) => part.startsWith("|")) ?? "";
  return tableRows(table).map(([name = ""]) => name.replaceAll("`", ""));
}

test("the page on calls has every field of a call, its response and the settings, and no other", () => {
  assert.deepEqual(documented("`POST /`"), Object.keys(BODY));
  assert.deepEqual(documented("The answer is 200"), Object.keys(ANSWER));
  assert.deepEqual(documented("The settings:"), Object.keys(SETTINGS));
});

test("the page on calls states the actual paths and format", () => {
  assert.equal(CALL_FORMAT, 1);
  assert.ok(page.includes(`Below \`${IMAGE_ROOT}\`:`));
  assert.ok(page.includes(`\`${SOURCE_ROOT}\``));
  const paths = documented("Below `");
  for (const path of [
    `${IMAGE_FOLDERS.function}/node_modules`,
    IMAGE_FOLDERS.bundle,
    `${IMAGE_FOLDERS.server}/${SERVER_FILES.program}`,
    `${IMAGE_FOLDERS.server}/${SERVER_FILES.settings}`,
  ]) {
    assert.ok(paths.includes(path), path);
  }
});
