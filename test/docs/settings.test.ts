import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Setting } from "../../src/settings/setting.ts";
import { settingOf, SETTINGS, settingsOf } from "../../src/settings/settings.ts";
import { proseOf, readPage, ROOT, tableRows } from "./markdown.ts";

const page = readPage("docs/guides/settings.md");

/** The names in the first column of the tables below a heading. */
function documented(heading: string): string[] {
  const section = proseOf(page)
    .split(/^## /m)
    .find((text) => text.startsWith(heading));
  assert.ok(section !== undefined, `no section "${heading}"`);
  return tableRows(section)
    .flatMap(([name = ""]) => name.split(", "))
    .map((name) => name.replaceAll("`", ""));
}

/** The names of an interface's fields. */
function fieldsOf(file: string, name: string): string[] {
  const source = readFileSync(join(ROOT, file), "utf8");
  const body = new RegExp(`^export interface ${name} [^{]*\\{([^]*?)^\\}`, "m").exec(source)?.[1];
  assert.ok(body !== undefined, `no interface ${name} in ${file}`);
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field = ""]) => field);
}

const plain = (text: string): string => text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
const OF_SERVERS: readonly string[] = settingsOf("serve");

test("every setting of an App is documented, and no other", () => {
  const names = settingsOf("class").filter((name) => !OF_SERVERS.includes(name));
  assert.deepEqual(documented("Of a class").toSorted(), names.toSorted());
});

test("the tables of settings and options agree with the rows in the source", () => {
  const sectionOf = (heading: string, from: string): string => {
    const section = page.split(/^## /m).find((text) => text.startsWith(heading)) ?? "";
    return section.slice(section.indexOf(from));
  };
  const rows = [
    ...tableRows(sectionOf("Of a class", "Settings of the server")),
    ...tableRows(sectionOf("Server options", "The same options")).filter((cells) => cells.length === 5),
  ];
  assert.ok(rows.length > 50, `${rows.length} rows`);
  for (const cells of rows) {
    const name = plain(cells[0] ?? "");
    const row = settingOf(name);
    assert.ok(row !== undefined, name);
    const meaning = plain(cells.at(-1) ?? "");
    assert.ok(meaning.startsWith(plain(row.doc)), `${name}: "${meaning}" does not begin with "${row.doc}"`);
    const value = cells.at(cells.length === 3 ? 1 : -3) ?? "";
    if (row.unit !== undefined) assert.match(value, new RegExp(row.unit.replace("whole ", "")), name);
    if (cells.length === 4) assert.equal(plain(cells[2] ?? "").replaceAll('"', ""), defaultText(name), name);
    if (cells.length === 5) assertOption(name, row, cells);
  }
});

/** Compares a row of the table of server options: option, flag, value, default, meaning. */
function assertOption(name: string, row: Setting, [, flag = "", , byDefault = ""]: readonly string[]): void {
  const flags = [...(row.flag ?? "").matchAll(/--?[a-z][a-z-]*/g)].map(([text]) => text);
  const shown = plain(flag)
    .split(", ")
    .filter((text) => text !== "" && text !== "--no-metrics");
  assert.deepEqual(shown, flags, name);
  const digits = plain(byDefault).replaceAll(/(\d),(?=\d{3})/g, "$1");
  const known = row.default ?? "";
  assert.ok(digits.includes(String(known)), `${name}: "${byDefault}" does not name ${known}`);
  if (row.variable !== undefined) assert.ok(byDefault.includes(row.variable), name);
}

test("the guide says which server options are neither statics nor options of buildServer()", () => {
  const namesBefore = (end: string): string[] => {
    const [, list = ""] = new RegExp(`- ((?:\`\\w+\`(?:, | and )?)+)${end}`).exec(page) ?? [];
    return [...list.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name).toSorted();
  };
  const lacking = (source: "class" | "server"): string[] =>
    OF_SERVERS.filter((name) => settingOf(name)?.sources.includes(source) !== true).toSorted();
  assert.deepEqual(namesBefore(" are not statics"), lacking("class"));
  assert.deepEqual(namesBefore(" are not options of `buildServer"), lacking("server"));
});

/** The default of a class setting in words. */
function defaultText(name: string): string {
  if (name === "appName") return "from the class's name";
  return String(settingOf(name)?.default ?? "none");
}

test("the comment above the row of a setting equals its doc", () => {
  const source = ["settings", "server-options"]
    .map((file) => readFileSync(join(ROOT, `src/settings/${file}.ts`), "utf8"))
    .join("\n");
  for (const [name, { doc }] of Object.entries(SETTINGS)) {
    const [, comment = ""] =
      new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\n {2}${name}: \\{`).exec(source) ?? [];
    const text = comment.replaceAll(/\s*\n\s*\*\s*/g, " ").trim();
    assert.ok(text.toLowerCase().startsWith(doc.toLowerCase()), `${name}: ${text}`);
  }
});

test("the guide on deploying lists exactly the settings of a config", () => {
  const text = readPage("docs/guides/deploy.md");
  const [, list = ""] = /settings of (?:a|the) class[^:]*: ((?:`\w+`,?\s*)+)\./.exec(text) ?? [];
  assert.deepEqual(
    [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name).toSorted(),
    settingsOf("config").toSorted(),
  );
});

test("every option of a server is documented, and no other", () => {
  const others = [
    "src/server/definition.ts:ServerOptions",
    "src/server/lifecycle/serve.ts:ServeOptions",
  ].flatMap((location) => {
    const [file = "", name = ""] = location.split(":");
    return fieldsOf(file, name);
  });
  const real = new Set([...OF_SERVERS, ...others]);
  assert.deepEqual(documented("Server options").toSorted(), [...real].toSorted());
});

test("every environment variable that the source reads is documented, and no other", () => {
  const sources = [
    ...[
      "context",
      "servable/base-servable",
      "server/logger",
      "server/definition",
      "server/lifecycle/serve",
      "server/access/access-options",
    ],
    ...["cache/cache-directory", "packaging/engines"],
    ...[
      "processes/announcement",
      "cli/self-host/state-directory",
      "cli/self-host/run-platform",
      "storage/platform-account",
    ],
  ]
    .map((file) => readFileSync(join(ROOT, "src", `${file}.ts`), "utf8"))
    .join("\n");
  const read = sources.matchAll(
    /process\.env\["([A-Z_]+)"\]|portFromEnvironment\("([A-Z_]+)"\)|(?:\[|= )"(SERVABLE_[A-Z_]+)"/g,
  );
  const names = new Set([...read].map(([, direct, port, own]) => direct ?? port ?? own));
  assert.deepEqual(documented("Environment").toSorted(), [...names].toSorted());
});

test("the section on control planes names every variable that the client reads, and no other", () => {
  const sources = [
    ...["config-file", "credentials", "endpoints", "target"].map((name) => `platform/target/${name}`),
    ...[
      "cli/platform/operation",
      "cli/deploy/deploy-app",
      "cli/deploy/deploy-options",
      "cli/deploy/deploy-output",
    ],
  ]
    .map((file) => readFileSync(join(ROOT, "src", `${file}.ts`), "utf8"))
    .join("\n");
  const section = page.split(/^## /m).find((text) => text.startsWith("Control plane")) ?? "";
  const namesIn = (text: string): string[] => [...new Set(text.match(/\bFAL_[A-Z_]+/g))].toSorted();
  assert.deepEqual(namesIn(section), namesIn(sources));
});

/** The environment variables that the client and the runtime of fal 1.83 read. */
const VARIABLES_OF_FAL = [
  ...["DEBUG", "FAL_API_SOCKET", "FAL_APP_NAME", "FAL_APP_ROOT_PATH", "FAL_CDN_V3_HOST", "FAL_CONFIG_PATH"],
  ...["FAL_DEPLOY_CHECK", "FAL_DONT_OPEN_LINKS", "FAL_ENV", "FAL_FORCE_AUTH_BY_USER", "FAL_GRPC_HOST"],
  ...[
    "FAL_HOME_DIR",
    "FAL_HOST",
    "FAL_KEY",
    "FAL_KEY_ID",
    "FAL_KEY_SECRET",
    "FAL_PROFILE",
    "FAL_QUEUE_RUN_HOST",
  ],
  ...["FAL_REST_HOST", "FAL_RUNNER_STATE", "FAL_RUN_HOST", "FAL_URL_OUTPUT", "FAL_USE_LOCAL_UPLOADER"],
  ...["FAL_WS_RUN_HOST", "ISOLATE_AUTH_DISABLED", "ISOLATE_CONTROLLER_AUTH_KEY", "ISOLATE_TEST_MODE"],
  ...["IS_ISOLATE_AGENT", "NOMAD_ALLOC_PORT_grpc"],
];

test("every variable that fal's own tools read has a row with its effect here", () => {
  assert.deepEqual(documented("Variables of fal's own tools").toSorted(), VARIABLES_OF_FAL.toSorted());
});
