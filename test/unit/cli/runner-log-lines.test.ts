import assert from "node:assert/strict";
import { test } from "node:test";
import { runnerLogText } from "../../../src/cli/platform/runner-log-lines.ts";
import type { TerminalStyle } from "../../../src/cli/style.ts";

const named = (name: string) => (text: string) => `<${name}>${text}</${name}>`;
const STYLE: TerminalStyle = {
  bold: named("bold"),
  dim: named("dim"),
  red: named("red"),
  green: named("green"),
  yellow: named("yellow"),
  cyan: named("cyan"),
};

function shown(level: string, message: string): string {
  const text = runnerLogText({ timestamp: new Date(2026, 0, 31, 9, 5, 7, 42), level, message }, STYLE);
  return text.replace(/^<dim>2026-01-31 09:05:07\.042<\/dim> /, "");
}

test("levels for problems and for debug output are coloured", () => {
  assert.deepEqual(
    ["INFO", "ERROR", "STDERR", "WARN", "DEBUG"].map((level) => shown(level, "m")),
    [
      "INFO    m",
      "<red>ERROR  </red> m",
      "<red>STDERR </red> m",
      "<yellow>WARN   </yellow> m",
      "<dim>DEBUG  </dim> m",
    ],
  );
});

test("neither message nor level can move the cursor, set a title, or look like a separate log line", () => {
  assert.equal(shown("INFO", "a\u001b[2J\u001b]0;title\u0007b\rc\u0008\td\ne"), "INFO    abc\td\n  e");
  assert.equal(shown("X\n2026\u001b[1m", "m"), "X 2026  m");
});
