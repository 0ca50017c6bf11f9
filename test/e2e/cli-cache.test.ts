import assert from "node:assert/strict";
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { runCli } from "../helpers/cli.ts";
import { startDownload, type DownloadProcess } from "../helpers/download-processes.ts";
import { FileHost } from "../helpers/file-host.ts";
import { createFolder } from "../helpers/folders.ts";

const DAY_MS = 86_400_000;

/** A cache with a download last used 40 days ago, one just used, one of a killed process and a running one. */
async function makeCache(): Promise<{ cache: string; old: string; young: string; running: DownloadProcess }> {
  const cache = createFolder();
  const host = await FileHost.start();
  const options = { allowedHosts: host.hosts, showProgress: false };
  const get = (name: string, bytes: number): DownloadProcess =>
    startDownload(cache, "downloadModelWeights", host.add(`/${name}`, Buffer.alloc(bytes)), options);
  const { path: old = "" } = await get("old.onnx", 4000).result;
  const { path: young = "" } = await get("young.onnx", 3000).result;
  const record = join(dirname(old), readdirSync(dirname(old)).find((name) => name.endsWith(".json")) ?? "");
  const then = new Date(Date.now() - 40 * DAY_MS);
  utimesSync(record, then, then);
  host.faults.push({ stopAfter: 2000 }, { stopAfter: 1000 });
  const begun = host.contentSent();
  const killed = get("killed.onnx", 9000);
  await begun;
  killed.child.kill("SIGKILL");
  await killed.result;
  const runs = host.contentSent();
  const running = get("running.onnx", 9000);
  await runs;
  return { cache, old, young, running };
}

test("servable cache lists downloads, and prune removes unfinished, old or all of them, but no running one", async () => {
  const { cache, old, young, running } = await makeCache();
  const cli = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await runCli(["cache", ...args], undefined, {
      SERVABLE_CACHE_DIR: cache,
    });
    assert.equal(exitCode, 0, stderr);
    return stdout;
  };
  const listed = await cli("list");
  assert.match(
    listed,
    /\/old\.onnx\n {2}4\.0 kB · used 1 month ago|\/old\.onnx\n {2}4\.0 kB · used \d+ \w+ ago/,
  );
  assert.match(listed, /\/young\.onnx\n {2}3\.0 kB · used just now/);
  assert.match(listed, /\(unfinished\)/);
  assert.match(listed, /\(running\)/);
  assert.match(listed, /\n4 downloads, \d+\.\d kB in \S+\n$/);
  const json = JSON.parse(await cli("list", "--json")) as {
    cacheDirectory: string;
    downloads: { state: string; path: string }[];
  };
  assert.equal(json.cacheDirectory, cache);
  assert.deepEqual(json.downloads.map(({ state }) => state).toSorted(), [
    "ready",
    "ready",
    "running",
    "unfinished",
  ]);
  assert.ok(json.downloads.some(({ path }) => path === old));

  assert.match(await cli("prune", "--all", "--dry-run"), /Would remove 3 downloads/);
  assert.match(
    await cli("prune"),
    /\(unfinished\)[^]*Removed 1 download, [^]*Kept .*: it is being downloaded/,
  );
  assert.match(await cli("prune", "--older-than", "30d"), /old\.onnx[^]*Removed 1 download, 4\.0 kB/);
  assert.ok(!existsSync(dirname(old)) && existsSync(young));
  const { removed, kept, dryRun } = JSON.parse(await cli("prune", "--all", "--json")) as {
    removed: { path: string }[];
    kept: object[];
    dryRun: boolean;
  };
  assert.deepEqual([removed.map(({ path }) => path), kept.length, dryRun], [[young], 1, false]);
  running.child.kill("SIGKILL");
  await running.result;
  assert.match(await cli("prune"), /Removed 1 download/);
  assert.match(await cli("prune"), /Nothing to remove/);
  assert.match(await cli("list"), /^No downloads in /);
});

test("the help of servable cache has examples", async () => {
  for (const args of [[], ["list"], ["prune"]]) {
    const { stdout, exitCode } = await runCli(["cache", ...args, "--help"]);
    assert.equal(exitCode, 0);
    assert.match(stdout, /Examples:\n {2}\$ servable cache/);
  }
});
