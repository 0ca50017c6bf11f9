import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Bundle, PackageImport } from "servable";
import { BUNDLE_FILES, BUNDLE_FORMAT } from "../../src/functions/bundle/bundle.ts";
import { MEMORY_LIMIT_VARIABLE } from "../../src/functions/runner/process-guards.ts";
import {
  END_OF_RUN,
  OUT_OF_MEMORY,
  type FailureOrigin,
  type FromRunner,
  type ToRunner,
} from "../../src/functions/runner/protocol.ts";
import { proseOf, readPage, ROOT, tableRows } from "./markdown.ts";

const page = proseOf(readPage("docs/wire/bundle.md"));

type FieldsOf<Message extends { readonly type: string }> = {
  readonly [Type in Message["type"]]: Readonly<
    Record<Exclude<keyof Extract<Message, { readonly type: Type }>, "type">, true>
  >;
};

// The compiler checks these names against the code, the tests check the page against these names.
const TO_RUNNER: FieldsOf<ToRunner> = {
  load: { moduleUrl: true, functionName: true, entry: true, environment: true },
  run: { id: true, args: true, trace: true },
  serve: { id: true, host: true, port: true, metricsPort: true, schemas: true, timeoutMs: true },
  abort: { id: true, reason: true },
  stop: {},
};
const FROM_RUNNER: FieldsOf<FromRunner> = {
  ready: {},
  failed: { origin: true, thrown: true },
  result: { id: true, value: true },
  thrown: { id: true, origin: true, thrown: true },
  listening: { id: true, url: true },
};
const BUNDLE: Readonly<Record<keyof Bundle, true>> = {
  format: true,
  hash: true,
  module: true,
  code: true,
  map: true,
  runner: true,
  host: true,
  imports: true,
  root: true,
};
const IMPORT: Readonly<Record<keyof PackageImport, true>> = {
  packageName: true,
  specifier: true,
  importer: true,
  isDynamic: true,
};
const ORIGINS: Readonly<Record<FailureOrigin, true>> = { user: true, runner: true };

/** The rows of the table below the given line of the page. */
function rowsBelow(heading: string): string[][] {
  const start = page.indexOf(`\n${heading}`);
  assert.notEqual(start, -1, `no "${heading}"`);
  const [, table = ""] = /^[^]*?((?:^\|.*\n)+)/m.exec(page.slice(start + 1)) ?? [];
  return tableRows(table);
}

/** The texts in backticks. */
function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

function fieldsBelow(heading: string): [string, string[]][] {
  return rowsBelow(heading).map(([type = "", fields = ""]) => [type.replaceAll("`", ""), namesIn(fields)]);
}

function fieldsOf(messages: Readonly<Record<string, object>>): [string, string[]][] {
  return Object.entries(messages).map(([type, fields]) => [type, Object.keys(fields)]);
}

test("the page states the current format number, and names each field of a bundle", () => {
  assert.ok(page.includes(`This is format ${BUNDLE_FORMAT}.`));
  const rows = rowsBelow("`await f.bundle()`");
  assert.deepEqual(
    rows.map(([name = ""]) => name.replaceAll("`", "")),
    Object.keys(BUNDLE),
  );
  const [, imports = ""] = rows.find(([name]) => name === "`imports`") ?? [];
  for (const name of Object.keys(IMPORT)) assert.ok(namesIn(imports).includes(name), name);
});

test("the page names the files of a bundle, with their contents", () => {
  const files = rowsBelow("## On the disk").map(([name = "", content = ""]) => [
    namesIn(name)[0],
    namesIn(content)[0],
  ]);
  assert.deepEqual(
    files,
    Object.entries(BUNDLE_FILES).map(([field, name]) => [name, field]),
  );
});

test("the page lists every message with its fields", () => {
  assert.deepEqual(fieldsBelow("To the runner:"), fieldsOf(TO_RUNNER));
  assert.deepEqual(fieldsBelow("From the runner:"), fieldsOf(FROM_RUNNER));
  for (const origin of Object.keys(ORIGINS)) assert.ok(page.includes(`\`${origin}\` for`), origin);
});

test("the page names the markers in the output and the variable of the limit", () => {
  for (const mark of [END_OF_RUN, OUT_OF_MEMORY]) {
    assert.equal(mark[0], "\0");
    assert.ok(page.includes(`\`${mark.slice(1)}\``), mark.slice(1));
  }
  assert.ok(page.includes(`\`${MEMORY_LIMIT_VARIABLE}\``));
});

test("the page names the slots that connect the copies of this package, and no other", () => {
  const folder = join(ROOT, "src/functions");
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readFileSync(join(folder, path), "utf8"))
    .join("\n");
  const used = new Set([...sources.matchAll(/Symbol\.for\("([^"]+)"\)/g)].map(([, name]) => name));
  const named = rowsBelow("Two slots").map(([symbol = ""]) => /"([^"]+)"/.exec(symbol)?.[1]);
  assert.deepEqual(named.toSorted(), [...used].toSorted());
});
