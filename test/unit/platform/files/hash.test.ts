import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, utimesSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import { hashFiles, PART_BYTES, type HashedFile } from "../../../../src/platform/files/hash.ts";
import { PartBody } from "../../../../src/platform/files/part-body.ts";
import { ContextFolder } from "../../../helpers/context-folder.ts";

async function hashOne(folder: ContextFolder): Promise<HashedFile> {
  const [file] = await hashFiles(await folder.collect());
  assert.ok(file !== undefined);
  return file;
}

describe("a hash", () => {
  test("is the SHA-256 of the bytes and the mode in decimal", async () => {
    using folder = new ContextFolder({ "a.txt": "hello\n" });
    const path = join(folder.path, "a.txt");
    for (const [mode, text] of [
      [0o644, "33188"],
      [0o755, "33261"],
      [0o600, "33152"],
    ] as const) {
      chmodSync(path, mode);
      const file = await hashOne(folder);
      assert.equal(file.hash, createHash("sha256").update(`hello\n${text}`).digest("hex"));
      assert.equal(String(file.mode), text);
    }
  });

  test("includes size, time in seconds, and a checksum for each part", async () => {
    const content = randomBytes(2 * PART_BYTES + 3);
    using folder = new ContextFolder({ weights: content });
    utimesSync(join(folder.path, "weights"), 1, 1_700_000_000.25);
    const { sizeBytes, modifiedSeconds, partSums } = await hashOne(folder);
    assert.equal(sizeBytes, content.length);
    assert.equal(modifiedSeconds, 1_700_000_000.25);
    const parts = [0, 1, 2].map((part) => content.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
    assert.deepEqual(
      partSums,
      parts.map((part) => crc32(part)),
    );
  });

  test("of an empty file has one part", async () => {
    using folder = new ContextFolder({ empty: "" });
    assert.deepEqual((await hashOne(folder)).partSums, [0]);
  });

  test("of many files are in the order of the files", async () => {
    const names = Array.from({ length: 50 }, (_, index) => `file-${String(index).padStart(2, "0")}`);
    using folder = new ContextFolder(
      Object.fromEntries(names.map((name, i) => [name, "x".repeat(((i * 37) % 50) * 999)])),
    );
    const sizes: number[] = [];
    const hashed = await hashFiles(await folder.collect(), { onHashed: (size) => sizes.push(size) });
    assert.deepEqual(
      hashed.map(({ relativePath }) => relativePath),
      names,
    );
    assert.equal(sizes.length, 50);
  });

  test("of a deleted file is a clear error", async () => {
    using folder = new ContextFolder({ "a.txt": "" });
    const files = await folder.collect();
    folder[Symbol.dispose]();
    await assert.rejects(hashFiles(files), {
      code: "UPLOAD_FAILED",
      message: "a.txt cannot be read: it no longer exists.",
    });
  });

  test("ends with the reason of an aborted signal", async () => {
    using folder = new ContextFolder({ "a.txt": "" });
    const reason = new Error("enough");
    await assert.rejects(hashFiles(await folder.collect(), { signal: AbortSignal.abort(reason) }), reason);
  });
});

describe("the body of a part", () => {
  for (const [title, size, part, from, to] of [
    ["has the bytes of its part", PART_BYTES + 1000, 1, 0, PART_BYTES],
    ["has what is left, when it is the last", PART_BYTES + 1000, 2, PART_BYTES, PART_BYTES + 1000],
    ["is empty of an empty file", 0, 1, 0, 0],
  ] as const) {
    test(`${title}, as one file of a form, and has the declared length`, async () => {
      const content = randomBytes(size);
      using folder = new ContextFolder({ weights: content });
      await using handle = await open(join(folder.path, "weights"));
      let sent = 0;
      const body = new PartBody(await hashOne(folder), handle, part, (bytes) => (sent += bytes));
      const bytes = Buffer.from(await new Response(body.stream).arrayBuffer());
      assert.equal(String(bytes.length), body.headers["content-length"]);
      const form = await new Response(bytes, { headers: body.headers }).formData();
      const file = form.get("file_upload");
      assert.ok(file instanceof File);
      assert.deepEqual([file.name, file.type], ["chunk", "application/octet-stream"]);
      assert.ok(Buffer.from(await file.arrayBuffer()).equals(content.subarray(from, to)));
      assert.equal(sent, to - from);
    });
  }

  test("breaks off before its last bytes if the file has changed since it was hashed", async () => {
    using folder = new ContextFolder({ "a.txt": "hello" });
    const file = await hashOne(folder);
    folder.write("a.txt", "hallo");
    await using handle = await open(join(folder.path, "a.txt"));
    let sent = 0;
    const body = new PartBody(file, handle, 1, (bytes) => (sent += bytes));
    await assert.rejects(new Response(body.stream).arrayBuffer(), /a\.txt changed while it was uploaded/);
    assert.equal(body.failure?.code, "UPLOAD_FAILED");
    assert.equal(sent, 0);
  });
});
