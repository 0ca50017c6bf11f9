import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { describe, test } from "node:test";
import { PART_BYTES } from "../../src/platform/files/hash.ts";
import type { SyncProgress } from "../../src/platform/files/progress.ts";
import { syncFiles } from "../../src/platform/files/sync.ts";
import { ContextFolder } from "../helpers/context-folder.ts";
import { FileStore } from "../helpers/file-store.ts";

const FILES = { "package.json": "{}", "src/app.ts": "export {};\n", "src/data/words.txt": "one two three\n" };

/** A file of two and a half parts. */
function largeFile(): Buffer {
  return randomBytes(2.5 * PART_BYTES);
}

describe("a sync", () => {
  test("uploads all files to an empty store, byte for byte, with the hash of content and mode", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder(FILES);
    const { files, uploaded, bytes } = await syncFiles({ files: await folder.collect(), rest: store.rest() });
    assert.deepEqual(
      files.map(({ relativePath }) => relativePath),
      Object.keys(FILES),
    );
    assert.equal(uploaded, 3);
    assert.equal(bytes, Object.values(FILES).join("").length);
    for (const { hash, relativePath } of files) {
      const content = FILES[relativePath as keyof typeof FILES];
      assert.equal(hash, createHash("sha256").update(`${content}33188`).digest("hex"));
      assert.equal(String(await store.read(hash)), content);
    }
    assert.equal(store.uploads.size, 0);
  });

  test("sends size, time and mode as text", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "run.sh": "#!/bin/sh\n" });
    chmodSync(`${folder.path}/run.sh`, 0o755);
    const { files } = await syncFiles({ files: await folder.collect(), rest: store.rest() });
    const hash = files[0]?.hash ?? "";
    const { size, mode, mtime = "", hash: sent } = store.files.get(hash)?.metadata ?? {};
    assert.deepEqual([size, mode, sent], ["10", String(0o100755), hash]);
    assert.ok(Math.abs(Number(mtime) - Date.now() / 1000) < 60, mtime);
  });

  test("checks once which files are missing, and a second sync uploads nothing", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder(FILES);
    const rest = store.rest();
    await syncFiles({ files: await folder.collect(), rest });
    assert.equal(store.questions.length, 1);
    store.requests.length = 0;
    const { uploaded, bytes, files } = await syncFiles({ files: await folder.collect(), rest });
    assert.deepEqual([uploaded, bytes, files.length], [0, 0, 3]);
    assert.deepEqual(store.requests, ["POST /files/missing_hashes"]);
  });

  test("uploads one file after one was changed, and one after a mode was changed", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder(FILES);
    const rest = store.rest();
    await syncFiles({ files: await folder.collect(), rest });
    folder.write("src/app.ts", "export const changed = true;\n");
    assert.equal((await syncFiles({ files: await folder.collect(), rest })).uploaded, 1);
    chmodSync(`${folder.path}/package.json`, 0o755);
    assert.equal((await syncFiles({ files: await folder.collect(), rest })).uploaded, 1);
    assert.equal(store.count(/initiate/), 5);
  });

  test("of no files sends no request", async () => {
    await using store = await FileStore.start();
    assert.deepEqual(await syncFiles({ files: [], rest: store.rest() }), {
      files: [],
      uploaded: 0,
      bytes: 0,
    });
    assert.deepEqual(store.requests, []);
  });

  test("sends an empty file as one empty part, and identical files once", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a/__init__": "", "b/__init__": "", c: "" });
    const { files, uploaded } = await syncFiles({ files: await folder.collect(), rest: store.rest() });
    assert.deepEqual([files.length, uploaded], [3, 1]);
    const [hash] = store.files.keys();
    assert.deepEqual(store.requests.slice(1), [
      `POST /files/app/multipart/${hash}/initiate`,
      `PUT /files/app/multipart/${hash}/ID/1`,
      `POST /files/app/multipart/${hash}/ID/complete`,
    ]);
  });

  for (const [title, size, parts] of [
    ["a file of exactly one part is one part", PART_BYTES, 1],
    ["one byte more makes another part", PART_BYTES + 1, 2],
  ] as const) {
    test(title, async () => {
      await using store = await FileStore.start();
      using folder = new ContextFolder({ weights: randomBytes(size) });
      await syncFiles({ files: await folder.collect(), rest: store.rest() });
      assert.equal(store.count(/^PUT/), parts);
    });
  }

  test("makes up to ten requests at once, and never more", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder(
      Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`file-${index}`, `content ${index}`])),
    );
    folder.write("weights", largeFile());
    await syncFiles({ files: await folder.collect(), rest: store.rest() });
    assert.ok(store.mostAtOnce > 5 && store.mostAtOnce <= 10, `${store.mostAtOnce} at once`);
  });

  test("reports its progress to the end, first for reading and then for uploading", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ small: "12345", weights: largeFile() });
    const steps: SyncProgress[] = [];
    const rest = store.rest();
    await syncFiles({ files: await folder.collect(), rest, onProgress: (step) => steps.push(step) });
    const total = 5 + 2.5 * PART_BYTES;
    const ends = (["reading", "uploading"] as const).map((phase) =>
      steps.findLast((step) => step.phase === phase),
    );
    for (const end of ends) {
      const { bytesDone, bytesTotal, filesDone, filesTotal } = end ?? {};
      assert.deepEqual([bytesDone, bytesTotal, filesDone, filesTotal], [total, total, 2, 2]);
    }
    const uploading = steps.filter(({ phase }) => phase === "uploading").map(({ bytesDone }) => bytesDone);
    assert.ok(uploading.length > 50, `${uploading.length} steps`);
    assert.deepEqual(
      uploading,
      uploading.toSorted((a, b) => a - b),
    );
  });

  test("rejects with the error of its progress callback, and cancels its uploads", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    const fault = new Error("the terminal is gone");
    const onProgress = ({ phase, bytesDone }: SyncProgress): void => {
      if (phase === "uploading" && bytesDone > 0) throw fault;
    };
    await assert.rejects(
      syncFiles({ files: await folder.collect(), rest: store.rest(), onProgress }),
      (error) => error === fault,
    );
    assert.equal(store.uploads.size, 0);
  });
});
