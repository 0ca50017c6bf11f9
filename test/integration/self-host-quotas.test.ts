import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { test } from "node:test";
import { RunnerLogs } from "../../src/controller/logs/runner-logs.ts";
import { RunnerOutput } from "../../src/controller/logs/runner-output.ts";
import { FileQuotaExceeded, FileStore } from "../../src/controller/state/files.ts";
import { createFolder } from "../helpers/folders.ts";

const MODE = 0o100644;
const hashOf = (text: string): string => createHash("sha256").update(text).update(String(MODE)).digest("hex");

async function store(files: FileStore, text: string): Promise<string> {
  const upload = randomUUID();
  await files.writePart(upload, 1, Readable.from([Buffer.from(text)]));
  await files.complete(upload, [1], hashOf(text), MODE);
  return hashOf(text);
}

test("uploads beyond the quota of files are refused with what to do, and a removed file makes room", async () => {
  const root = createFolder();
  const files = new FileStore(root, 1_000);
  const first = await store(files, "a".repeat(600));
  await store(files, "b".repeat(600));
  assert.equal(await files.usedBytes(), 1_200);
  await assert.rejects(store(files, "c"), (error) => {
    assert.ok(error instanceof FileQuotaExceeded);
    assert.match(error.message, /quotas\.files_mb of platform\.toml allows: raise it, or delete revisions/);
    return true;
  });
  const yesterday = new Date(Date.now() - 86_400_000);
  utimesSync(files.pathOf(first), yesterday, yesterday);
  await files.collect(() => Promise.resolve(new Set()), new Date(Date.now() - 3_600_000));
  assert.equal(files.has(first), false);
  assert.ok(files.has(await store(files, "c")));
});

test("files of revisions, young files and files that a deployment has just asked for are kept; forgotten parts are not", async () => {
  const root = createFolder();
  const files = new FileStore(root);
  const [used, asked, young] = await Promise.all(
    ["used", "asked", "young"].map((text) => store(files, text)),
  );
  const part = files.partPath(randomUUID(), 1);
  writeFileSync(part, "left");
  const old = new Date(Date.now() - 86_400_000);
  for (const path of [files.pathOf(used as string), files.pathOf(asked as string), part])
    utimesSync(path, old, old);
  assert.equal(files.keeps(asked as string), true);
  await files.collect(() => Promise.resolve(new Set([used as string])), new Date(Date.now() - 3_600_000));
  assert.deepEqual(
    [used, asked, young].map((hash) => files.has(hash as string)),
    [true, true, true],
  );
  assert.equal(existsSync(part), false);
});

test("the output of a running runner can be truncated: a follower continues with the new lines, and a notice says so", async () => {
  const output = new RunnerOutput(createFolder());
  const logs = new RunnerLogs(output);
  mkdirSync(output.folderOf("r"), { recursive: true });
  writeFileSync(output.pathOf("r", "stderr"), "");
  writeFileSync(output.pathOf("r", "stdout"), "first\n");
  logs.watch("r");
  const seen: string[] = [];
  const waiting = new Set<() => void>();
  const following = (async () => {
    for await (const { message } of logs.follow("r", -Infinity, new AbortController().signal)) {
      seen.push(message);
      for (const check of waiting) check();
    }
  })();
  const saw = (message: string): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (seen.includes(message)) resolve();
      };
      waiting.add(check);
      check();
    });
  await saw("first");
  assert.deepEqual([...(await output.sizes())], [["r", 6]]);
  logs.cut("r", "older output was removed");
  assert.equal(readFileSync(output.pathOf("r", "stdout"), "utf8"), "");
  await saw("older output was removed");
  appendFileSync(output.pathOf("r", "stdout"), "last\n");
  await saw("last");
  logs.end("r");
  await following;
  assert.deepEqual(seen, ["first", "older output was removed", "last"]);
});
