import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeDataUri } from "../../../src/media/data-uri.ts";

const decoded = (data: string): string | undefined => {
  try {
    return Buffer.from(decodeDataUri(`data:;base64,${data}`, 1_000).bytes).toString("hex");
  } catch {
    return undefined;
  }
};

/** The same by the letter: percent escapes and spaces removed, then only digits and at most two signs of padding. */
function reference(data: string): string | undefined {
  const plain = data
    .replaceAll(/%([0-9A-Fa-f]{2})/g, (_escape, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
    .replaceAll(/\s/g, "");
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(plain)) return undefined;
  return Buffer.from(plain, "base64").toString("hex");
}

test("base64 is decoded with escapes, spaces and missing padding, and refused with any other character", () => {
  assert.equal(decoded("aGk="), "6869");
  assert.equal(decoded("aGk"), "6869");
  assert.equal(decoded("a%47k%3D"), "6869");
  assert.equal(decoded("aG\r\nk="), "6869");
  for (const wrong of ["aG!k", "aGkŁ", "aGk\u0141", "aG=k", "a===", "aGké", "aaaaa!", "Łaaaaaaa"]) {
    assert.equal(decoded(wrong), undefined, wrong);
  }
  const character = fc.constantFrom(..."Ab9+/-_==% \n", "%41", "%3D", "é", "Ł", "!");
  fc.assert(
    fc.property(fc.array(character, { maxLength: 12 }), (characters) => {
      const data = characters.join("");
      assert.equal(decoded(data), reference(data));
    }),
    { numRuns: 500 },
  );
});
