import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { contextPath } from "../../../src/build-context/context-path.ts";

const segment = fc.constantFrom("a", "b.ts", ".env", "...", "..x", "ä", "with space", "C:x");
const filler = fc.constantFrom("", ".");

/** Paths without `..` but with superfluous segments, and their normal forms. */
const paths = fc.array(fc.tuple(segment, fc.array(filler, { maxLength: 2 })), { minLength: 1, maxLength: 5 });

test("a path has one normal form, regardless of separators and superfluous segments", () => {
  fc.assert(
    fc.property(
      paths,
      fc.constantFrom("/", "\\"),
      fc.boolean(),
      fc.boolean(),
      (parts, separator, dot, slash) => {
        const pieces = parts.flatMap(([name, fillers]) => [name, ...fillers]);
        const written = [...(dot ? ["."] : []), ...pieces].join(separator) + (slash ? separator : "");
        const wanted = parts.map(([name]) => name).join("/");
        assert.equal(contextPath(written), wanted);
        assert.equal(contextPath(wanted), wanted);
        assert.equal(wanted, posix.normalize(wanted));
      },
    ),
  );
});

test("a path with .. anywhere is rejected, even one that stays inside", () => {
  fc.assert(
    fc.property(paths, fc.nat(5), fc.constantFrom("/", "\\"), (parts, at, separator) => {
      const pieces: string[] = parts.map(([name]) => name);
      pieces.splice(at, 0, "..");
      assert.throws(() => contextPath(pieces.join(separator)), /leads out of the context folder/);
    }),
  );
});

test("an absolute path is rejected, also in Windows form", () => {
  for (const path of ["/", "/etc/passwd", "\\\\server\\share", "\\x", "C:\\x", "c:/x", "C:"]) {
    assert.throws(() => contextPath(path), /is an absolute path/, path);
  }
});

test("an empty path and a path with a NUL character are rejected", () => {
  assert.throws(() => contextPath(""), /is empty/);
  assert.throws(() => contextPath("a\0b"), /has a NUL/);
});

test("the folder itself is written as one dot", () => {
  for (const path of [".", "./", "././", ".\\"]) assert.equal(contextPath(path), ".");
});
