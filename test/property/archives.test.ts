import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { ArchiveFault, extractArchive } from "../../src/media/archive-extraction.ts";
import { NO_LIMITS } from "../../src/media/file-limits.ts";
import { zip } from "../helpers/archives.ts";
import { createFolder } from "../helpers/folders.ts";

const limits = { ...NO_LIMITS, maxFiles: 20, maxExtractedBytes: 10_000, maxRatio: 100 };
const part = fc.constantFrom("a", "b", "..", ".", "", "C:", "\\", "..\\..", "\0", "ü", "c.txt");
const entry = fc.record({
  name: fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
  content: fc.uint8Array({ maxLength: 50 }),
  mode: fc.constantFrom(0, 0o100_644, 0o120_777, 0o40_755),
  method: fc.constantFrom(0, 8),
});

test("whatever an archive contains, files are written inside of its folder only, within the limits", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 6 }),
      fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { maxLength: 4 }),
      async (entries, changes) => {
        const bytes = zip(entries);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const parent = createFolder();
        try {
          const content = { bytes, size: bytes.length };
          const files = await extractArchive(content, join(parent, "in"), { limits, signal: undefined });
          assert.ok(files.length <= limits.maxFiles);
          for (const { path, size } of files) assert.equal(statSync(path).size, size);
        } catch (error) {
          assert.ok(error instanceof ArchiveFault, String(error));
        }
        assert.deepEqual(readdirSync(parent), ["in"]);
        const found = readdirSync(join(parent, "in"), { recursive: true, withFileTypes: true });
        assert.ok(found.every((each) => each.isFile() || each.isDirectory()));
      },
    ),
    { numRuns: 300 },
  );
});
