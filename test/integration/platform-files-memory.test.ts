import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";
import { ContextFolder } from "../helpers/context-folder.ts";
import { FileStore } from "../helpers/file-store.ts";

const MIB = 1024 ** 2;
/** Memory of ten requests, and of garbage that is not collected yet. */
const BOUND_MIB = 100;

/**
 * By default V8 lets garbage grow with the machine's memory (by 130 to 250 MiB here, most of it from 15,000
 * requests), so memory in use cannot be separated from memory that is not collected yet. So the young generation is
 * kept small, and the process fails if 64 MiB are not enough for the old one.
 */
const HEAP_FLAGS = ["--max-semi-space-size=2", "--max-old-space-size=64"];

/** 5,000 files of 200 MiB in total: two large ones, and many small ones in a hundred folders. */
function fill(folder: ContextFolder): void {
  folder.write("file-0", "first");
  folder.write("weights/one", randomBytes(90 * MIB));
  folder.write("weights/two", randomBytes(60 * MIB));
  const each = Math.floor((50 * MIB) / 4997);
  const noise = randomBytes(each + 4997);
  for (let index = 0; index < 4997; index++) {
    folder.write(`many/${index % 100}/file-${index}`, noise.subarray(index, index + each));
  }
}

interface Report {
  readonly files: number;
  readonly uploaded: number;
  readonly bytes: number;
  readonly before: number;
  readonly after: number;
}

test(
  `200 MiB in 5,000 files sync with at most ${BOUND_MIB} MiB more memory than one small file`,
  { timeout: 300_000 },
  async (t) => {
    await using store = await FileStore.start();
    using folder = new ContextFolder();
    fill(folder);
    const program = fileURLToPath(new URL("../fixtures/sync-process.ts", import.meta.url));
    const flags = [...HEAP_FLAGS, "--conditions=servable-source", "--import", "tsx"];
    const sync = async (): Promise<Report> => {
      const args = [...flags, program, folder.path, store.url];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      t.diagnostic(stdout.trim());
      return JSON.parse(stdout) as Report;
    };

    const { files, uploaded, bytes, before, after } = await sync();
    assert.deepEqual([files, uploaded, store.files.size], [5000, 4999, 5000]);
    assert.ok(bytes > 199 * MIB, `${bytes} bytes`);
    assert.ok(after - before < BOUND_MIB, `the peak rose from ${before} to ${after} MiB`);

    folder.write("many/7/file-7", "another one");
    assert.equal((await sync()).uploaded, 1);
    assert.equal(store.uploads.size, 0);
  },
);
