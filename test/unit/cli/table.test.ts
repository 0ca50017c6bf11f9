import assert from "node:assert/strict";
import { test } from "node:test";
import { tableLines } from "../../../src/cli/platform/output.ts";

const HEADS = ["Name", "Runners", "Created"];
const ROWS = [
  ["web", 0, new Date(1_700_000_000_000)],
  ["text-to-image", undefined, undefined],
] as const;

test("a table has a header, and prints each row on a line below it", () => {
  const lines = [
    "Name           Runners  Created",
    "web            0        2023-11-14T22:13:20Z",
    "text-to-image  -        -",
  ];
  assert.deepEqual(tableLines(HEADS, ROWS), lines);
  assert.deepEqual(tableLines(HEADS, ROWS, String, 44), lines);
});

test("on a narrow terminal, each row is printed as a readable block", () => {
  assert.deepEqual(
    tableLines(HEADS, ROWS, (text) => `*${text}*`, 43),
    [
      ...["*Name   *  web", "*Runners*  0", "*Created*  2023-11-14T22:13:20Z", ""],
      ...["*Name   *  text-to-image", "*Runners*  -", "*Created*  -"],
    ],
  );
});

test("external text cannot break out of its cell, in either form", () => {
  const rows = [["a\u001b[31m\nb\u0007", true, ["x\r", "y"]]];
  assert.equal(tableLines(HEADS, rows)[1], "a b   yes      x , y");
  assert.equal(tableLines(HEADS, rows, String, 1)[0], "Name     a b");
});
