import assert from "node:assert/strict";
import { test } from "node:test";
import * as servable from "servable";
import { ERRORS, FalServerlessError, type ErrorKind } from "servable";
import { proseOf, readPage, tableRows } from "./markdown.ts";

const page = readPage("docs/errors.md");
const rows = tableRows(page).map(([code = "", status = "", exitCode = "", className = ""]) => ({
  code: /`(\w+)`/.exec(code)?.[1] ?? code,
  status,
  exitCode,
  className: className.replaceAll("`", ""),
}));
const sections = new Map(
  proseOf(page)
    .split(/^### /m)
    .slice(1)
    .map((section): [string, string] => {
      const [title = "", ...text] = section.split("\n");
      return [title, text.join(" ").replaceAll(/`/g, "")];
    }),
);
const kinds = new Map<string, ErrorKind>(Object.entries(ERRORS));

test("the table of docs/errors.md lists all codes of ERRORS in the same order", () => {
  assert.deepEqual(
    rows.map(({ code }) => code),
    [...kinds.keys()],
  );
});

test("each code has a section, and each section has an existing code", () => {
  assert.deepEqual([...sections.keys()], [...kinds.keys()]);
});

test("the table has the statuses and exit codes of ERRORS", () => {
  const documented = rows.map(({ code, status, exitCode }) => [code, status, exitCode]);
  const real = [...kinds].map(([code, { status, exitCode }]) => [
    code,
    String(status ?? ""),
    String(exitCode ?? ""),
  ]);
  assert.deepEqual(documented, real);
});

test("each section has the meaning given in ERRORS, followed by what to do", () => {
  for (const [code, { meaning }] of kinds) {
    const section = sections.get(code) ?? "";
    const words = meaning.replaceAll(/[.;].*$/g, "");
    assert.ok(section.includes(words), `${code} does not say: ${words}`);
    assert.ok(section.trim().length > meaning.length + 20, `${code} does not say what to do`);
  }
});

test("the table names every public error class except the root class, and only exported ones", () => {
  const exported = Object.entries(servable)
    .filter(([, value]) => typeof value === "function" && value.prototype instanceof FalServerlessError)
    .filter(([, value]) => value !== FalServerlessError)
    .map(([name]) => name);
  const named = new Set(rows.map(({ className }) => className));
  named.delete(FalServerlessError.name); // some codes have no error class of their own
  assert.deepEqual([...named].toSorted(), exported.toSorted());
});
