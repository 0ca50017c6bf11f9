import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { collectFiles, type CollectOptions } from "../../../src/build-context/collected-files.ts";
import { ContextFolder } from "../../helpers/context-folder.ts";

interface Collected {
  readonly paths: string[];
  readonly warnings: string[];
}

async function collect(
  folder: ContextFolder,
  options: Omit<CollectOptions, "context"> = {},
): Promise<Collected> {
  const warnings: string[] = [];
  const files = await collectFiles({
    context: folder.path,
    ignore: [],
    onWarning: (message) => warnings.push(message),
    ...options,
  });
  return { paths: files.map(({ relativePath }) => relativePath), warnings };
}

const SOURCES = {
  "package.json": "{}",
  "package-lock.json": "{}",
  "src/a.ts": "",
  "src/deep/b.ts": "",
  "src/c.json": "",
};

test("files, folders and patterns are collected once each, sorted by path", async () => {
  using folder = new ContextFolder(SOURCES);
  const paths = ["src", "src/a.ts", "./src//deep", "package*.json", "src\\c.json"];
  const { paths: found, warnings } = await collect(folder, { paths });
  assert.deepEqual(found, Object.keys(SOURCES).toSorted());
  assert.deepEqual(warnings, []);
});

describe("a pattern", () => {
  for (const [pattern, wanted] of [
    ["*.json", ["package-lock.json", "package.json"]],
    ["src/?.ts", ["src/a.ts"]],
    ["src/[!a].json", ["src/c.json"]],
    ["src/[^c].json", []],
    ["src/[a-b].ts", ["src/a.ts"]],
    ["src/[b-a].ts", []],
    ["src/**/*.ts", ["src/a.ts", "src/deep/b.ts"]],
    ["**/b.ts", ["src/deep/b.ts"]],
    ["src/**", ["src/a.ts", "src/c.json", "src/deep/b.ts"]],
    ["s*", ["src/a.ts", "src/c.json", "src/deep/b.ts"]],
    ["*.t[", []],
  ] as const) {
    test(`${pattern} matches ${wanted.join(", ") || "nothing, with a warning"}`, async () => {
      using folder = new ContextFolder(SOURCES);
      const { paths, warnings } = await collect(folder, { paths: [pattern] });
      assert.deepEqual(paths, wanted);
      assert.deepEqual(
        warnings,
        wanted.length > 0 ? [] : [`No file in the context folder matches ${pattern}.`],
      );
    });
  }

  test("that equals the name of a file matches that file", async () => {
    using folder = new ContextFolder({ "pages/[id].ts": "", "pages/i.ts": "" });
    assert.deepEqual((await collect(folder, { paths: ["pages/[id].ts"] })).paths, ["pages/[id].ts"]);
  });
});

test("missing paths, and ignored paths that are named, are skipped with a warning", async () => {
  using folder = new ContextFolder({ a: "", "b/c": "" });
  const { paths, warnings } = await collect(folder, { paths: ["a", "nope", "b", "a/x"], ignore: ["b"] });
  assert.deepEqual(paths, ["a"]);
  assert.deepEqual(warnings, [
    "nope was not found in the context folder and is skipped.",
    "b is skipped: the ignore rules exclude it.",
    "a/x was not found in the context folder and is skipped.",
  ]);
});

test("absolute paths and paths with .. are rejected before any file is read", async () => {
  using folder = new ContextFolder({ a: "" });
  for (const path of ["/etc/passwd", "../x", "a/../../x", ""]) {
    await assert.rejects(collect(folder, { paths: ["a", path] }), { code: "UPLOAD_FAILED" });
  }
});

test("a context that is missing, or is a file, is an error with its path", async () => {
  using folder = new ContextFolder({ a: "" });
  await assert.rejects(
    collectFiles({ context: join(folder.path, "no") }),
    /The context folder .*no does not exist\./,
  );
  await assert.rejects(
    collectFiles({ context: join(folder.path, "a") }),
    /The context .*a is not a folder\./,
  );
});

test("a file larger than 1 GiB is rejected with its size; a file of exactly 1 GiB is accepted", async () => {
  using folder = new ContextFolder({ weights: "" });
  truncateSync(join(folder.path, "weights"), 1024 ** 3);
  assert.deepEqual((await collect(folder)).paths, ["weights"]);
  truncateSync(join(folder.path, "weights"), 1.5 * 1024 ** 3);
  await assert.rejects(collect(folder), {
    code: "UPLOAD_FAILED",
    message: "weights has 1.50 GiB; a file may have 1 GiB at most. Ignore it, or load it at start.",
  });
});

describe("a link", () => {
  test("to a file inside the context is collected as a file of its own, with the target's content", async () => {
    using folder = new ContextFolder({ "real/a.txt": "hello" });
    symlinkSync("real/a.txt", join(folder.path, "link.txt"));
    const files = await collectFiles({ context: folder.path, ignore: [] });
    assert.deepEqual(
      files.map(({ relativePath, absolutePath, sizeBytes }) => [relativePath, absolutePath, sizeBytes]),
      ["link.txt", "real/a.txt"].map((path) => [path, join(folder.path, "real/a.txt"), 5]),
    );
  });

  test("to a folder is followed only when the link itself is named", async () => {
    using folder = new ContextFolder({ "real/a.txt": "" });
    symlinkSync("real", join(folder.path, "link"));
    symlinkSync("..", join(folder.path, "real/loop"));
    const walked = await collect(folder);
    assert.deepEqual(walked.paths, ["real/a.txt"]);
    assert.deepEqual(walked.warnings, [
      "link is a link to a folder and is not followed.",
      "real/loop is a link to a folder and is not followed.",
    ]);
    assert.deepEqual((await collect(folder, { paths: ["link"] })).paths, ["link/a.txt"]);
  });

  test("that leads outside the context is rejected, during a walk, when named, and on the way to a file", async () => {
    using outside = new ContextFolder({ "secret/key": "s" });
    for (const target of [outside.path, `${outside.path}/secret/key`]) {
      using folder = new ContextFolder({ a: "" });
      symlinkSync(target, join(folder.path, "out"));
      const message = /: out is a link that leads out of the context folder/;
      await assert.rejects(collect(folder), message);
      await assert.rejects(collect(folder, { paths: ["out"] }), message);
    }
    using folder = new ContextFolder({ a: "" });
    symlinkSync(outside.path, join(folder.path, "out"));
    await assert.rejects(collect(folder, { paths: ["out/secret/key"] }), /leads out of the context folder/);
  });

  test("that leads outside the context is skipped without an error if it is ignored", async () => {
    using folder = new ContextFolder({ a: "" });
    symlinkSync("/etc", join(folder.path, "out"));
    assert.deepEqual(await collect(folder, { ignore: ["out"] }), { paths: ["a"], warnings: [] });
  });

  test("to a folder whose name starts with the context's name leads outside", async () => {
    using folder = new ContextFolder({ "app/a": "", "app-secret/key": "" });
    symlinkSync("../app-secret/key", join(folder.path, "app/link"));
    await assert.rejects(collectFiles({ context: join(folder.path, "app"), ignore: [] }), /leads out/);
  });

  test("adds no files that are ignored by their own path or by the path of the link", async () => {
    using folder = new ContextFolder({
      "real/a.txt": "",
      "real/.env": "",
      "real/logs/b.log": "",
      "secret/key": "",
    });
    symlinkSync("real", join(folder.path, "link"));
    symlinkSync("secret/key", join(folder.path, "key"));
    const ignore = ["**/.env", "real/logs", "secret/"];
    const { paths, warnings } = await collect(folder, { paths: ["link", "key"], ignore });
    assert.deepEqual(paths, ["link/a.txt"]);
    assert.deepEqual(warnings, [
      "link/logs/b.log is skipped: it leads to real/logs/b.log, which the ignore rules exclude.",
      "key is skipped: it leads to secret/key, which the ignore rules exclude.",
    ]);
  });

  test("to a missing target is skipped with a warning; one to itself is an error", async () => {
    using folder = new ContextFolder({ a: "" });
    symlinkSync("nowhere", join(folder.path, "broken"));
    const { paths, warnings } = await collect(folder);
    assert.deepEqual(paths, ["a"]);
    assert.deepEqual(warnings, ["broken is a link to nothing and is skipped."]);
    symlinkSync("self", join(folder.path, "self"));
    await assert.rejects(collect(folder), /^.*self is a link that leads to itself\.$/);
  });
});

test("anything that is neither a file nor a folder is skipped with a warning", async () => {
  using folder = new ContextFolder({ a: "" });
  execFileSync("mkfifo", [join(folder.path, "pipe")]);
  const { paths, warnings } = await collect(folder);
  assert.deepEqual(paths, ["a"]);
  assert.deepEqual(warnings, ["pipe is neither a file nor a folder and is skipped."]);
});

test("a name that is not UTF-8 is an error, not a silently missing file", async () => {
  using folder = new ContextFolder({ a: "" });
  writeFileSync(Buffer.concat([Buffer.from(`${folder.path}/caf`), Buffer.of(0xe9)]), "x");
  await assert.rejects(collect(folder), /has a name that is not UTF-8; rename it, or ignore it\.$/);
});

test("a failed file system call is an error with the path and the reason", async () => {
  using folder = new ContextFolder({ a: "" });
  await assert.rejects(
    collect(folder, { paths: ["x".repeat(300)] }),
    /: x{300} cannot be read: ENAMETOOLONG\.$/,
  );
});

test("an aborted walk fails with the signal's reason", async () => {
  using folder = new ContextFolder({ a: "" });
  const reason = new Error("enough");
  await assert.rejects(collect(folder, { signal: AbortSignal.abort(reason) }), reason);
});
