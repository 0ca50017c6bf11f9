import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  fileName,
  PLATFORM_SETTINGS,
  type PlatformSetting,
} from "../../../../src/controller/settings/platform-settings.ts";
import { readSettings } from "../../../../src/controller/settings/settings-file.ts";
import { StartupError } from "../../../../src/errors.ts";
import { proseOf, readPage, tableRows } from "../../../docs/markdown.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-settings-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function readText(text: string): Promise<Awaited<ReturnType<typeof readSettings>>> {
  writeFileSync(join(folder, "platform.toml"), text);
  return readSettings(folder);
}

test("without a file, every setting has its default", async () => {
  const missing = await readSettings(join(folder, "nowhere"));
  assert.equal(missing.retention.logsDays, 7);
  assert.deepEqual(await readText(""), missing);
});

test("a value in the file replaces the default, and no other one", async () => {
  const { retention } = await readText("# kept for the audit\n[retention]\nlogs_days = 0.5\n");
  assert.deepEqual([retention.logsDays, retention.decisionsDays], [0.5, 30]);
});

test("names and values that are not known are refused, with the path and the right name", async () => {
  const refusals: readonly (readonly [text: string, message: RegExp])[] = [
    [
      "[retentoin]\nlogs_days = 1",
      /platform\.toml: \[retentoin\] is not a table .*did you mean "retention"\?/,
    ],
    ["[retention]\nlog_days = 1", /log_days is not a setting of \[retention\]; did you mean "logs_days"\?/],
    ["[retention]\nfruit = 1", /fruit is not a setting of \[retention\]; there are logs_days, /],
    ["[retention]\nlogs_days = 0", /logs_days of \[retention\] must be a positive number of days, got 0/],
    ['[retention]\nlogs_days = "7"', /must be a positive number of days, got "7"/],
    ["retention = 7", /retention has to be a table: \[retention\]/],
    ["[retention\n", /platform\.toml is not valid TOML in line 1/],
  ];
  for (const [text, message] of refusals) {
    await assert.rejects(readText(text), (error) => {
      assert.ok(error instanceof StartupError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("the guide lists every setting with its default, and no other", () => {
  const section = proseOf(readPage("docs/guides/self-host.md"))
    .split(/^## /m)
    .find((text) => text.startsWith("Settings"));
  const documented = tableRows(section ?? "").map(([name = "", , byDefault = "", doc = ""]) =>
    [name, byDefault, doc].map((cell) => cell.replaceAll("`", "")).join(" | "),
  );
  const tables = Object.entries<Readonly<Record<string, PlatformSetting>>>(PLATFORM_SETTINGS);
  const known = tables.flatMap(([table, rows]) =>
    Object.entries(rows).map(([name, row]) => {
      const byDefault = row.default === undefined ? "none" : String(row.default);
      return `${fileName(table)}.${fileName(name)} | ${byDefault} | ${row.doc.replaceAll("`", "")}`;
    }),
  );
  assert.deepEqual(documented, known);
});
