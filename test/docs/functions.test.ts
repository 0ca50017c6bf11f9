import assert from "node:assert/strict";
import { test } from "node:test";
import * as servable from "servable";
import { OPTION_TABLE } from "../../src/functions/option-table.ts";
import { workerVariables } from "../../src/hosts/local/worker-environment.ts";
import { proseOf, readPage, tableRows } from "./markdown.ts";

const page = readPage("docs/guides/functions.md");
const prose = proseOf(page);

/** The text below a heading, up to the next one. */
function section(heading: string): string {
  const [, text] = new RegExp(`^#+ ${heading}\\n([^]*?)(?=^#|$(?![^]))`, "m").exec(prose) ?? [];
  assert.ok(text !== undefined, `no section "${heading}"`);
  return text;
}

/** The names in the first column of a section's table. */
function documented(heading: string): string[] {
  return tableRows(section(heading)).map(([name = ""]) => name.replaceAll("`", ""));
}

test("the guide's tables have every option of environments and processes, and no other", () => {
  const rules = Object.entries(OPTION_TABLE);
  const ofNpm = rules.filter(
    ([name, { group, kinds = ["npm"] }]) =>
      group === "environment" && name !== "kind" && kinds.includes("npm"),
  );
  const ofHost = rules.filter(([, { group, isCarried = false }]) => group === "host" && !isCarried);
  assert.deepEqual(documented("Requirements").toSorted(), ofNpm.map(([name]) => name).toSorted());
  assert.deepEqual(documented("Processes").toSorted(), ofHost.map(([name]) => name).toSorted());
});

test("the guide names every variable that processes get by default, and no other", () => {
  const everything = new Proxy<NodeJS.ProcessEnv>({}, { get: () => "set" });
  const [, list = ""] =
    /^Always there, if you have them: ([^]*?)\.$/m.exec(lines(section("Variables"))) ?? [];
  const named = [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  assert.deepEqual(named.toSorted(), Object.keys(workerVariables([], everything)).toSorted());
});

test("the guide's table of errors has only codes of ERRORS and exported classes", () => {
  const rows = tableRows(section("Errors")).map((cells) => cells.map((cell) => cell.replaceAll("`", "")));
  for (const [code = "", className = ""] of rows) {
    assert.ok(Object.hasOwn(servable.ERRORS, code), code);
    assert.ok(Object.hasOwn(servable, className), className);
  }
});

/** The text with each sentence on its own line. */
function lines(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(". ", ".\n");
}
