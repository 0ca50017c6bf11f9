import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeUnsafe, showControls, withoutControls } from "../../../src/output/visible-text.ts";

/** All C0 and C1 controls, delete, and characters that change direction or break lines. */
const CONTROLS: readonly string[] = [
  ...Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)),
  ...Array.from({ length: 33 }, (_, index) => String.fromCharCode(0x7f + index)),
  ..."\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
];
const KEPT = new Set(["\n", "\t"]);

test("a control character in a text or key is shown as its escape; line breaks and tabs are kept", () => {
  for (const control of CONTROLS) {
    const line = JSON.stringify({ [`k${control}`]: `a${control}b`, list: [control] });
    const shown = JSON.parse(showControls(line)) as Record<string, unknown>;
    const text = Object.values(shown)[0] as string;
    if (KEPT.has(control)) assert.equal(text, `a${control}b`);
    else {
      assert.match(text, /^a\\(?:u[0-9a-f]{4}|[bfr])b$/, JSON.stringify(control));
      assert.ok(!JSON.stringify(shown).includes(JSON.stringify(control).slice(1, -1) + "b") || control < " ");
      for (const character of text) assert.ok(character >= " " && character < "\x7f");
    }
  }
});

test("a backslash before something that looks like an escape keeps its meaning", () => {
  for (const text of ["\\u001b", "\\\\u001b", "\\\u001b", "\\n", "\\\n", 'C:\\b\\f"', "\\\\\u009b"]) {
    const shown = JSON.parse(showControls(JSON.stringify(text))) as string;
    assert.ok(![...shown].some((character) => CONTROLS.includes(character) && !KEPT.has(character)), text);
    if (!CONTROLS.some((control) => text.includes(control) && !KEPT.has(control))) assert.equal(shown, text);
  }
});

test("a JSON line contains no raw C1 control or direction mark, and keeps its meaning", () => {
  const value = { text: CONTROLS.join("") };
  const line = escapeUnsafe(JSON.stringify(value));
  assert.deepEqual(JSON.parse(line), value);
  for (const character of line) assert.ok(character >= " " && character < "\x7f");
});

test("ordinary text of any script is unchanged", () => {
  for (const text of ["naïve café", "日本語", "שלום", "مرحبا", "👩‍🚀", "a\tb\nc", "\u00a0"]) {
    assert.equal(JSON.parse(showControls(JSON.stringify(text))), text);
    assert.equal(escapeUnsafe(text), text);
    assert.equal(withoutControls(text), text);
  }
});

test("for terminals, control characters are removed", () => {
  assert.equal(withoutControls(`a${CONTROLS.join("")}b`), "a\t\nb");
});
