import assert from "node:assert/strict";
import { test } from "node:test";
import { assertPlatform } from "../../../src/cli/build/image-options.ts";
import { UsageError } from "../../../src/errors.ts";

test("a platform is an operating system, an architecture and an optional variant", () => {
  for (const text of ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm64/v8", "linux/aarch64"]) {
    assertPlatform(text);
  }
});

for (const [text, meant] of [
  ["amd64", /did you mean "linux\/amd64"\?$/],
  ["linux/amd46", /did you mean "linux\/amd64"\?$/],
  ["linux-arm64", /did you mean "linux\/arm64"\?$/],
  ["linux", /write one like/],
  ["", /"" is not a valid platform of an image; write one like/],
  ["linux/arm/7", /did you mean "linux\/arm\/v7"\?$/],
  ["linux/arm/v7/x", /did you mean "linux\/arm\/v7"\?$/],
  ["linux/amd64,linux/arm64", /takes one platform/],
  ["solaris/sparc", /write one like/],
] as const) {
  test(`"${text}" is not a platform`, () => {
    assert.throws(
      () => assertPlatform(text),
      (error) => error instanceof UsageError && meant.test(error.message),
    );
  });
}
