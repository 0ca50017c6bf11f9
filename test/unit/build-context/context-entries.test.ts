import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  collectContext,
  contextSize,
  type ContextEntry,
} from "../../../src/build-context/context-entries.ts";
import { IgnoreRules } from "../../../src/build-context/ignore-rules.ts";
import { tarStream, type VirtualFile } from "../../../src/build-context/tar.ts";
import { createFolder } from "../../helpers/folders.ts";

const FILES = {
  "app.ts": "app",
  "package.json": "{}",
  "package-lock.json": "{ }",
  "src/a.ts": "a",
  "src/deep/b.ts": "bb",
  "src/deep/c.md": "c",
  "node_modules/x/index.js": "x",
  "data/model.bin": "model",
};

async function collect(
  directory: string,
  sources: readonly string[],
  ignore: readonly string[] = [],
): Promise<string[]> {
  const entries = await collectContext({ directory, sources, ignore: new IgnoreRules(ignore) });
  return entries.map(({ path, kind }) => (kind === "folder" ? `${path}/` : path));
}

async function archive(entries: readonly ContextEntry[], made: readonly VirtualFile[] = []): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of tarStream(entries, made)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("a build context", () => {
  const directory = createFolder(FILES);

  test("has the files that the Dockerfile names and their parent folders, in order", async () => {
    assert.deepEqual(await collect(directory, ["src/deep/b.ts", "app.ts"]), [
      "app.ts",
      "src/",
      "src/deep/",
      "src/deep/b.ts",
    ]);
    assert.deepEqual(await collect(directory, ["package*.json", "src/**/*.ts"]), [
      "package-lock.json",
      "package.json",
      "src/",
      "src/a.ts",
      "src/deep/",
      "src/deep/b.ts",
    ]);
    assert.deepEqual(await collect(directory, ["app.ts", "a*.ts"]), ["app.ts"]);
    assert.deepEqual(await collect(directory, ["s?c/deep"]), [
      "src/",
      "src/deep/",
      "src/deep/b.ts",
      "src/deep/c.md",
    ]);
  });

  test("has everything except ignored files if the Dockerfile copies a dot", async () => {
    assert.deepEqual(
      await collect(directory, ["."], ["node_modules", "*.md", "/data/*", "!/data/model.bin"]),
      [
        "app.ts",
        "data/",
        "data/model.bin",
        "package-lock.json",
        "package.json",
        "src/",
        "src/a.ts",
        "src/deep/",
        "src/deep/b.ts",
      ],
    );
  });

  test("has the files of an exception below an ignored folder", async () => {
    assert.deepEqual(await collect(directory, ["."], ["*", "!/src/a.ts"]), ["src/", "src/a.ts"]);
  });

  test("is an error if a file named by the Dockerfile is missing; the message says whether it is ignored", async () => {
    const failing = (source: string, ignore: readonly string[]): Promise<unknown> =>
      collect(directory, [source], ignore);
    await assert.rejects(failing("lib", []), {
      code: "BUILD_FAILED",
      message: /copies "lib", which is not in /,
    });
    await assert.rejects(failing("*.py", []), {
      code: "BUILD_FAILED",
      message: /copies "\*\.py", which is not in/,
    });
    await assert.rejects(failing("src", ["src"]), {
      message: /copies "src", which the ignore rules exclude/,
    });
  });

  test("has the links in a source path and their targets, as a builder follows them", async () => {
    const folder = createFolder({ "data/v1/a.txt": "a", "data/v1/b.txt": "b", "other.txt": "" });
    for (const [path, target] of [
      ["data/current", "v1"],
      ["short", "/data/current"],
      ["file", "../short/a.txt"],
      ["lost", "../../none"],
      ["circle", "circle"],
    ] as const)
      symlinkSync(target, join(folder, path));
    const followed = async (source: string, ignored: readonly string[] = []): Promise<string[]> => {
      const ignore = new IgnoreRules(ignored);
      const entries = await collectContext({
        directory: folder,
        sources: [source],
        ignore,
        followsSources: true,
      });
      return entries.map(({ path, kind }) => `${path} ${kind}`);
    };
    const way = ["data folder", "data/current link", "data/v1 folder", "data/v1/a.txt file"];
    assert.deepEqual(await followed("file"), [...way, "file link", "short link"]);
    assert.deepEqual(await followed("data/current/a.txt"), way);
    assert.deepEqual(await followed("short"), [...way, "data/v1/b.txt file", "short link"]);
    assert.deepEqual(await followed("other.txt"), ["other.txt file"]);
    await assert.rejects(followed("lost"), {
      code: "BUILD_FAILED",
      message: /copies "lost", which is not in/,
    });
    await assert.rejects(followed("short", ["/short"]), {
      message: /copies "short", which the ignore rules/,
    });
    await assert.rejects(followed("circle/x"), { code: "BUILD_FAILED" });
  });

  test("may be a link to a folder", async () => {
    const link = join(createFolder(), "link");
    symlinkSync(createFolder({ "a.ts": "" }), link);
    for (const source of [".", "*.ts", "a.ts"]) assert.deepEqual(await collect(link, [source]), ["a.ts"]);
  });

  test("does not include sockets", async () => {
    const folder = createFolder({ "read.txt": "123" });
    const server = createServer().listen(join(folder, "socket"));
    await once(server, "listening");
    try {
      assert.deepEqual(await collect(folder, ["."]), ["read.txt"]);
    } finally {
      server.close();
    }
  });

  test("knows its size, and which files are executable", async () => {
    const folder = createFolder({ "run.sh": "12345", "read.txt": "123" });
    chmodSync(join(folder, "run.sh"), 0o700);
    chmodSync(join(folder, "read.txt"), 0o600);
    const entries = await collectContext({ directory: folder, sources: ["."], ignore: new IgnoreRules([]) });
    assert.deepEqual(
      entries.map(({ path, mode, size }) => [path, mode, size]),
      [
        ["read.txt", 0o644, 3],
        ["run.sh", 0o755, 5],
      ],
    );
    assert.equal(contextSize(entries), 8);
  });
});

describe("the archive of a build context", () => {
  const LONG = `${"folder-of-a-long-name/".repeat(6)}file.txt`;
  const LONGER = `${"d/".repeat(10)}${"ü".repeat(90)}.txt`;

  test("has every file, folder and link, whatever the length of its name", async () => {
    const folder = createFolder({
      ...FILES,
      [LONG]: "long",
      [LONGER]: "longer",
      empty: "",
      block: "x".repeat(512),
    });
    symlinkSync("src/a.ts", join(folder, "link"));
    symlinkSync(`./${"x/../".repeat(30)}app.ts`, join(folder, "long-link"));
    const entries = await collectContext({ directory: folder, sources: ["."], ignore: new IgnoreRules([]) });
    const out = createFolder();
    execFileSync("tar", ["-x", "-C", out], {
      input: await archive(entries, [{ path: "made", content: "münd" }]),
    });
    for (const { path, kind, source, target } of entries) {
      const there = lstatSync(join(out, path));
      if (kind === "folder") assert.ok(there.isDirectory(), path);
      else if (kind === "link") assert.equal(readlinkSync(join(out, path)), target);
      else assert.deepEqual(readFileSync(join(out, path)), readFileSync(source), path);
      if (kind === "file") assert.equal(there.mtimeMs, 0);
    }
    assert.equal(readFileSync(join(out, "made"), "utf8"), "münd");
    const listed = execFileSync("tar", ["-tv", "--numeric-owner"], {
      input: await archive(entries),
    }).toString();
    assert.ok(listed.split("\n").every((line) => line === "" || / 0\/0 .* 1970-01-01 /.test(line)));
  });

  test("has the same bytes for the same files, regardless of modification times and permissions", async () => {
    const [first = "", second = ""] = [
      createFolder(FILES),
      createFolder(Object.fromEntries(Object.entries(FILES).toReversed())),
    ];
    chmodSync(join(second, "app.ts"), 0o666);
    utimesSync(join(second, "src"), 1, 1);
    const [one, two] = await Promise.all(
      [first, second].map(async (directory) =>
        archive(await collectContext({ directory, sources: ["."], ignore: new IgnoreRules([]) })),
      ),
    );
    assert.ok(one?.equals(two ?? Buffer.alloc(0)));
  });

  test("writes the size of a file that exceeds the classic size field into an extra record", async () => {
    const size = 8 ** 11 + 5;
    const large = { path: "large", kind: "file", size, mode: 0o644, source: "/dev/zero" } as const;
    const blocks: Buffer[] = [];
    for await (const block of tarStream([large])) if (blocks.push(block) === 4) break;
    const [extended, records, , header] = blocks;
    assert.deepEqual(
      [extended?.toString("latin1", 156, 157), header?.toString("latin1", 156, 157)],
      ["x", "0"],
    );
    assert.equal(records?.toString(), `19 size=${size}\n`);
  });

  test("ends with an error if a file shrinks; bytes appended meanwhile are omitted", async () => {
    const folder = createFolder({ file: "x".repeat(100) });
    const entries = await collectContext({ directory: folder, sources: ["."], ignore: new IgnoreRules([]) });
    writeFileSync(join(folder, "file"), "y".repeat(200));
    assert.equal((await archive(entries)).length, 4 * 512);
    writeFileSync(join(folder, "file"), "z");
    await assert.rejects(archive(entries), { code: "BUILD_FAILED", message: /^file became shorter/ });
  });
});
