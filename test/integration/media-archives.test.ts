import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { App, endpoint, type FalServerlessError } from "servable";
import { CompressedFile } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { ArchivesInWorkerApp } from "../fixtures/archives-in-worker-app.ts";
import { zip, zipUri, type ArchiveEntry } from "../helpers/archives.ts";
import { createFolder } from "../helpers/folders.ts";
import { untilStored } from "../helpers/uploads.ts";

const Input = Type.Object({
  archive: CompressedFile({ maxFiles: 4, maxExtractedBytes: 100_000, maxRatio: 50 }),
});

class Archives extends App {
  folders: string[] = [];

  @endpoint("/", { input: Input })
  async run({ archive }: Static<typeof Input>): Promise<object> {
    const { path, files } = await archive.extract();
    this.folders.push(path);
    return files.map((file) => {
      assert.equal(file.path, join(path, ...file.name.split("/")));
      return [file.name, file.size, readFileSync(file.path, "utf8")];
    });
  }
}

const GOOD: readonly ArchiveEntry[] = [
  { name: "one.txt", content: "1", mode: 0o100_777 },
  { name: "folder/", mode: 0o40_777 },
  { name: "folder/ü.txt", content: "22", method: 0 },
  { name: "new\\deep/./three.txt", content: "" },
];

test("an archive is extracted into a folder that is removed when the call is answered", async () => {
  const app = new Archives();
  const uploadFolder = createFolder();
  await using server = await startTestServer(app, { uploadFolder });
  const answer = await server.post("/", { archive: zipUri(zip(GOOD)) });
  assert.deepEqual(await answer.json(), [
    ["one.txt", 1, "1"],
    ["folder/ü.txt", 2, "22"],
    ["new/deep/three.txt", 0, ""],
  ]);
  const [folder = ""] = app.folders;
  while (existsSync(folder)) await turn();
  await untilStored(uploadFolder, 0);
});

const named = (name: string, more: Partial<ArchiveEntry> = {}): readonly ArchiveEntry[] => [
  { name: "first.txt", content: "1" },
  { name, content: "x", ...more },
];

/** Archives, and the type and the message with which each is refused. */
const REFUSED: Readonly<Record<string, readonly [Uint8Array, string, RegExp, object?]>> = {
  "no archive": [Buffer.from("no archive"), "invalid_archive", /can't be read/],
  "a way out": [zip(named("../out.txt")), "invalid_archive", /relative path/],
  "a way out behind a folder": [zip(named("a/../../out.txt")), "invalid_archive", /relative path/],
  "a way out with backslashes": [zip(named("a\\..\\..\\out.txt")), "invalid_archive", /relative path/],
  "an absolute path": [zip(named("/etc/out.txt")), "invalid_archive", /absolute path/],
  "a drive": [zip(named("C:/out.txt")), "invalid_archive", /absolute path/],
  "a link": [
    zip(named("link", { content: "/etc", mode: 0o120_777 })),
    "invalid_archive",
    /"link", which is a link/,
  ],
  "a device": [zip(named("null", { mode: 0o20_666 })), "invalid_archive", /special file/],
  "a file that says it is a folder": [zip(named("a", { mode: 0o40_777 })), "invalid_archive", /special file/],
  "a control character": [zip(named("a\0b")), "invalid_archive", /not the name of a file/],
  "a name twice": [zip(named("first.txt")), "invalid_archive", /EEXIST/],
  "a file as a folder": [zip(named("first.txt/a")), "invalid_archive", /EEXIST|ENOTDIR/],
  "a long name": [zip(named("n".repeat(300))), "invalid_archive", /ENAMETOOLONG/],
  "many folders": [zip(named(`${"d/".repeat(33)}a`)), "invalid_archive", /more than 32 folders/],
  "an encrypted file": [zip(named("a", { flags: 1 })), "invalid_archive", /encrypted/],
  "another method": [zip(named("a", { method: 12 })), "invalid_archive", /another method/],
  "a wrong checksum": [zip(named("a", { checksum: 1 })), "invalid_archive", /"a", which is damaged/],
  "a size that is too small": [
    zip(named("a", { content: Buffer.alloc(2_000_000), statedSize: 10 })),
    "invalid_archive",
    /too many bytes/,
  ],
  "fewer files than stated": [zip(named("a"), 4), "invalid_archive", /can't be read/],
  "too many files": [
    zip([...GOOD, { name: "five.txt" }]),
    "archive_file_count_exceeds_maximum",
    /has 5 files and folders, and may have 4/,
    { max_count: 4, provided_count: 5 },
  ],
  "too many bytes": [
    zip(named("a", { content: Buffer.alloc(100_000), method: 0 })),
    "file_too_large",
    /at most 100000 bytes in all/,
    { max_size: 100_000 },
  ],
  "too much compression": [zip(named("a", { content: Buffer.alloc(90_000) })), "invalid_archive", /50 times/],
};

test("an archive that is damaged, unsafe or too large is answered with 422 at its field, and nothing stays", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Archives(), { uploadFolder });
  for (const [name, [archive, type, msg, ctx]] of Object.entries(REFUSED)) {
    const answer = await server.post("/", { archive: zipUri(archive) });
    assert.equal(answer.status, 422, name);
    assert.equal(answer.headers.get("x-fal-billable-units"), "0", name);
    const { detail } = (await answer.json()) as { detail: Record<string, unknown>[] };
    assert.deepEqual(
      detail.map((fault) => [fault["type"], fault["loc"], fault["ctx"]]),
      [[type, ["body", "archive"], ctx]],
      name,
    );
    assert.match(String(detail[0]?.["msg"]), msg, name);
    await untilStored(uploadFolder, 0);
  }
});

test("in a worker, an archive is extracted with the limits of its schema, and its folder is removed", async () => {
  await using server = await startTestServer(new ArchivesInWorkerApp());
  const good = await server.post("/", { archive: zipUri(zip(GOOD.slice(0, 2))) });
  const { path, names } = (await good.json()) as { path: string; names: string[] };
  assert.deepEqual(names, ["one.txt"]);
  while (existsSync(path)) await turn();
  const bad = await server.post("/", { archive: zipUri(zip(GOOD)) });
  const { detail } = (await bad.json()) as { detail: { type: string; loc: unknown }[] };
  assert.deepEqual(
    [bad.status, detail.map(({ type, loc }) => [type, loc])],
    [422, [["archive_file_count_exceeds_maximum", ["body", "archive"]]]],
  );
});

test("an archive that no caller sent is extracted with the usual limits, and removed when its user is done", async () => {
  const entries = Array.from({ length: 1_001 }, (_, index) => ({ name: `${index}` }));
  let folder: string;
  {
    await using extracted = await CompressedFile.fromBytes(zip(entries.slice(1))).extract();
    folder = extracted.path;
    assert.equal(extracted.files.length, 1_000);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, "1")).mode & 0o777, 0o600);
  }
  assert.equal(existsSync(folder), false);
  const others = readdirSync(dirname(folder));
  await assert.rejects(CompressedFile.fromBytes(zip(entries)).extract(), (error: FalServerlessError) => {
    assert.equal(error.code, "MEDIA_UNREADABLE");
    assert.match(error.message, /has 1001 files/);
    return true;
  });
  assert.deepEqual(readdirSync(dirname(folder)), others);
});

test("limits of archives are whole numbers, and of archives only", () => {
  assert.throws(
    () => CompressedFile({ maxRatio: 0.5 }),
    /CompressedFile\(\): maxRatio must be a whole number/,
  );
  assert.throws(() => CompressedFile({ maxfiles: 1 } as object), /unknown option "maxfiles".*maxFiles/s);
});
