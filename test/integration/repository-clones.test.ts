import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { cloneRepository, DownloadError } from "servable";
import { startDownload } from "../helpers/download-processes.ts";
import { createFolder } from "../helpers/folders.ts";

const cache = createFolder();
process.env["SERVABLE_CACHE_DIR"] = cache;
after(() => delete process.env["SERVABLE_CACHE_DIR"]);

const QUIET = { showProgress: false };

function git(folder: string, ...args: string[]): string {
  const settings = ["-c", "user.name=a", "-c", "user.email=a@a.test", "-c", "init.defaultBranch=main"];
  return execFileSync("git", [...settings, ...args], { cwd: folder, encoding: "utf8", stdio: "pipe" }).trim();
}

/** A repository with a commit for each text, in `text.txt`. Returns the commits. */
function createRepository(name: string, ...texts: string[]): { folder: string; commits: string[] } {
  const folder = join(createFolder({ [`${name}/text.txt`]: "" }), name);
  git(folder, "init", "--quiet");
  const commits = texts.map((text) => {
    writeFileSync(join(folder, "text.txt"), text);
    git(folder, "add", ".");
    git(folder, "commit", "--quiet", "-m", text);
    return git(folder, "rev-parse", "HEAD");
  });
  return { folder, commits };
}

const textOf = (clone: string): string => readFileSync(join(clone, "text.txt"), "utf8");

test("a repository is cloned at its newest commit or a given one, and kept", async () => {
  const { folder, commits } = createRepository("code.git", "one", "two");
  const [first = ""] = commits;
  const url = `file://${folder}`;
  const newest = await cloneRepository(url, QUIET);
  assert.equal(basename(newest), "code");
  assert.equal(textOf(newest), "two");
  for (const commit of [first, first.slice(0, 8).toUpperCase()]) {
    const clone = await cloneRepository(url, { ...QUIET, commit });
    assert.equal(basename(clone), `code-${first.slice(0, 8)}`);
    assert.equal(textOf(clone), "one");
    assert.equal(git(clone, "rev-parse", "HEAD"), first);
  }
  renameSync(folder, `${folder}-gone`);
  assert.equal(await cloneRepository(url, QUIET), newest);
  assert.equal(textOf(await cloneRepository(url, { ...QUIET, commit: first })), "one");
  await assert.rejects(cloneRepository(url, { ...QUIET, force: true }), DownloadError);
  assert.equal(textOf(newest), "two");
});

test("a clone can be made again, has its submodules, and goes where it is told", async () => {
  const { folder } = createRepository("main", "one");
  const target = createFolder();
  const options = { ...QUIET, folder: target, name: "own" };
  const clone = await cloneRepository(folder, options);
  assert.equal(clone, join(target, "own"));
  const part = createRepository("part", "part");
  git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", part.folder, "part");
  writeFileSync(join(folder, "text.txt"), "two");
  git(folder, "commit", "--quiet", "-am", "two");
  assert.equal(textOf(await cloneRepository(folder, options)), "one");
  const again = await cloneRepository(folder, { ...options, force: true });
  assert.equal(textOf(again), "two");
  assert.equal(textOf(join(again, "part")), "part");
  assert.deepEqual(
    readdirSync(target).filter((name) => !name.endsWith(".json")),
    ["own"],
  );
});

test("what can't be cloned is an error without credentials, and leaves nothing", async () => {
  const { folder } = createRepository("code", "one");
  const target = createFolder();
  const options = { ...QUIET, folder: target };
  const refused = (url: string, message: RegExp, more: object = {}): Promise<void> =>
    assert.rejects(cloneRepository(url, { ...options, ...more }), (error) => {
      assert.ok(error instanceof DownloadError && error.reason === "git", String((error as Error).stack));
      assert.ok(!error.message.includes("secret"), error.message);
      return message.test(error.message);
    });
  await refused(`${folder}-none`, /does not (appear to be a git repository|exist)/);
  await refused(folder, /could not be cloned/, { commit: "0".repeat(40) });
  await refused("http://user:secret@127.0.0.1:9/x.git", /could not be cloned/);
  await refused("ext::sh -c true", /not allowed/);
  await refused("--upload-pack=x", /not the address/);
  for (const wrong of [{ commit: "main" }, { commit: "abc" }, { name: "a/b" }, { name: ".git" }]) {
    await assert.rejects(cloneRepository(folder, { ...options, ...wrong }), TypeError);
  }
  const reason = new Error("enough");
  await assert.rejects(cloneRepository(folder, { ...options, signal: AbortSignal.abort(reason) }), reason);
  assert.deepEqual(readdirSync(target), []);
});

test("several processes clone a repository once, and what a killed one has left is removed", async () => {
  const { folder, commits } = createRepository("shared", "one");
  const options = { ...QUIET, commit: commits[0] ?? "" };
  const clones = await Promise.all(
    [1, 2].map(() => startDownload(cache, "cloneRepository", folder, options).result),
  );
  assert.ok(clones[0]?.path !== undefined, JSON.stringify(clones));
  assert.equal(clones[1]?.path, clones[0].path);
  const parent = join(clones[0].path, "..");
  const record = readdirSync(parent).find((name) => name.endsWith(".json")) ?? "";
  const key = /servable-(\w+)\.json/.exec(record)?.[1] ?? "";
  const left = createFolder({ x: "" });
  renameSync(left, join(parent, `.servable-clone-${key}-0123`));
  await cloneRepository(folder, { ...options, force: true });
  assert.ok(!existsSync(join(parent, `.servable-clone-${key}-0123`)));
  assert.equal(textOf(clones[0].path), "one");
});
