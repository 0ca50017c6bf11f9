import assert from "node:assert/strict";
import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { App, bearerTokens, endpoint, event, type StreamEvent } from "servable";
import { File, Image, Video, type FileRecord } from "servable/media";
import { FakeClock, startTestServer } from "servable/testing";
import { Type } from "typebox";
import { createFolder } from "../helpers/folders.ts";
import { png, pngUri } from "../helpers/pictures.ts";
import { storedFiles, untilStored } from "../helpers/uploads.ts";

const Pictures = Type.Object({ images: Type.Array(Image()), file: Type.Optional(File()) });
const folder = createFolder();

class Painter extends App {
  static override version = "1.0.0";

  @endpoint("/paint", { input: Type.Object({ count: Type.Integer() }), output: Pictures })
  paint({ count }: { count: number }): { images: Image[] } {
    const images = Array.from({ length: count }, (_, index) => Image.fromBytes(png(index + 1, 2)));
    return { images };
  }

  @endpoint("/sources", { output: Pictures })
  sources(): { images: Image[]; file: File } {
    const path = join(folder, "picture");
    writeFileSync(path, png(5, 6));
    const once = Image.fromBytes(png(1, 1), { contentType: "image/x-own", fileName: "../a b.png", width: 7 });
    return {
      images: [
        Image.fromPath(path),
        Image.fromStream(Readable.from([png(8, 9)])),
        once,
        once,
        Image.fromUrl("HTTPS://example.com/a.png", { width: 3 }),
      ],
      file: File.fromBytes(Buffer.from("hello"), { fileName: "hello.txt" }),
    };
  }

  @endpoint("/echo", { input: Type.Object({ image: Image() }), output: Type.Object({ image: Image() }) })
  echo(input: { image: Image }): { image: Image } {
    return input;
  }

  @endpoint("/failing", { output: Pictures })
  failing(): { images: Image[]; file: File } {
    return { images: [Image.fromBytes(png(1, 1))], file: File.fromPath(join(folder, "none")) };
  }

  @endpoint("/untold")
  untold(): object {
    return { image: Image.fromBytes(png(1, 1)) };
  }

  @endpoint("/stream", { output: Type.Object({ image: Image() }), stream: true })
  async *stream(): AsyncGenerator<{ image: Image } | StreamEvent<{ image: Image }>> {
    yield { image: Image.fromBytes(png(1, 2)) };
    yield event({ data: { image: Image.fromBytes(png(3, 4)) }, event: "last" });
  }

  @endpoint("/large", {
    input: Type.Object({ bytes: Type.Integer() }),
    output: Type.Object({ video: Video() }),
  })
  large({ bytes }: { bytes: number }): { video: Video } {
    const piece = Buffer.alloc(1024 * 1024, "v");
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
    }
    return { video: Video.fromStream(pieces(), { contentType: "video/mp4" }) };
  }
}

const blank = { content_type: null, file_name: null, file_size: null };
const facts = (width: number, height: number): object => ({
  content_type: "image/png",
  file_size: png(width, height).length,
  width,
  height,
});
interface Picture extends FileRecord {
  width: number | null;
}
const read = async (answer: Response): Promise<{ images: Picture[]; file: FileRecord }> =>
  (await answer.json()) as { images: Picture[]; file: FileRecord };

test("new files are answered as data URIs with every field, unless a storage is chosen", async () => {
  await using server = await startTestServer(new Painter());
  const { images, file } = await read(await server.post("/sources"));
  const [byPath, byStream, named, again, byUrl] = images;
  assert.deepEqual(byPath, { url: pngUri(5, 6), ...facts(5, 6), file_name: "picture" });
  const { file_name: random, ...known } = byStream as Picture;
  assert.match(random ?? "", /^[0-9a-f]{32}\.png$/);
  assert.deepEqual(known, { url: pngUri(8, 9), ...facts(8, 9) });
  const data = Buffer.from(png(1, 1)).toString("base64");
  assert.deepEqual(named, {
    url: `data:image/x-own;base64,${data}`,
    ...facts(1, 1),
    content_type: "image/x-own",
    file_name: "a b.png",
    width: 7,
  });
  assert.deepEqual(again, named);
  assert.deepEqual(byUrl, { ...blank, url: "https://example.com/a.png", width: 3, height: null });
  assert.deepEqual(file, {
    url: `data:text/plain;base64,${Buffer.from("hello").toString("base64")}`,
    content_type: "text/plain",
    file_name: "hello.txt",
    file_size: 5,
  });
  assert.deepEqual(Object.keys(byUrl as object), ["url", ...Object.keys(blank), "width", "height"]);
});

test("a caller's file that is returned keeps its URL and is not fetched", async () => {
  await using server = await startTestServer(new Painter());
  const image = { url: "https://example.com/a.png", width: 9, content_type: "image/x" };
  const answer = await server.post("/echo", { image });
  const height = null;
  assert.deepEqual(await answer.json(), { image: { ...blank, height, ...image } });
});

test("the local storage serves files with safe headers and ranges until they expire", async () => {
  const own = createFolder();
  const storage = { kind: "local", folder: own, expirySeconds: 60 } as const;
  const clock = new FakeClock();
  await using server = await startTestServer(new Painter(), { storage, clock });
  const { images, file } = await read(await server.post("/sources"));
  const [picture] = images as [Picture];
  assert.ok(picture.url.startsWith(`${server.url}/_files/`));
  const got = await fetch(picture.url);
  assert.deepEqual(new Uint8Array(await got.arrayBuffer()), png(5, 6));
  const headers = Object.fromEntries(got.headers);
  assert.equal(headers["content-type"], "image/png");
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.match(headers["content-security-policy"] ?? "", /sandbox/);
  assert.equal(headers["content-disposition"], `inline; filename="${picture.file_name}"`);
  assert.match(headers["cache-control"] ?? "", /^private, max-age=(59|60), immutable$/);
  const text = await fetch(file.url);
  assert.equal(text.headers.get("content-disposition"), 'attachment; filename="hello.txt"');
  const part = await fetch(file.url, { headers: { range: "bytes=1-2" } });
  assert.deepEqual([part.status, await part.text()], [206, "el"]);
  const head = await fetch(file.url, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "5"]);
  for (const other of [
    picture.url.replace(/\/[^/]*$/, "/other.png"),
    picture.url.replace(/_files\/./, "_files/-x"),
  ]) {
    assert.equal((await fetch(other)).status, 404, other);
  }
  const old = new Date(Date.now() - 61_000);
  const id = new URL(picture.url).pathname.split("/")[2] ?? "";
  for (const name of readdirSync(join(own, id))) utimesSync(join(own, id, name), old, old);
  assert.equal((await fetch(picture.url)).status, 404);
  assert.ok(existsSync(join(own, id)));
  clock.advance(60_000);
  while (existsSync(join(own, id))) await turn();
  assert.equal((await fetch(file.url)).status, 200);
});

test("many new files are stored at the same time", async () => {
  const own = createFolder();
  await using server = await startTestServer(new Painter(), { storage: { kind: "local", folder: own } });
  const { images } = await read(await server.post("/paint", { count: 100 }));
  assert.deepEqual(
    images.map(({ width }) => width),
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
  assert.equal(new Set(images.map(({ url }) => url)).size, 100);
  const got = await Promise.all(
    images.map(async ({ url }) => (await (await fetch(url)).arrayBuffer()).byteLength),
  );
  assert.deepEqual(
    got,
    images.map(({ file_size }) => file_size),
  );
});

test("if one file can't be stored, none of its answer is kept, and the answer is 500", async () => {
  const own = createFolder();
  await using server = await startTestServer(new Painter(), { storage: { kind: "local", folder: own } });
  const answer = await server.post("/failing");
  assert.deepEqual([answer.status, await answer.json()], [500, { detail: "Internal Server Error" }]);
  assert.deepEqual(
    readdirSync(own).filter((name) => !name.startsWith("servable-uploads")),
    [],
  );
  const untold = await server.post("/untold");
  assert.equal(untold.status, 500);
});

test("the files of streamed items are stored before the item is sent", async () => {
  await using server = await startTestServer(new Painter());
  const text = await (await server.post("/stream")).text();
  const widths = [...text.matchAll(/"width":(\d+)/g)].map(([, width]) => width);
  assert.deepEqual(widths, ["1", "3"]);
  assert.match(text, /event: last/);
});

test("a file of 64 MB goes through the disk", async () => {
  const own = createFolder();
  const uploadFolder = createFolder();
  const bytes = 64 * 1024 * 1024;
  await using server = await startTestServer(new Painter(), {
    uploadFolder,
    storage: { kind: "local", folder: own },
  });
  const answer = await server.post("/large", { bytes });
  const { video } = (await answer.json()) as { video: FileRecord };
  assert.equal(video.file_size, bytes);
  await untilStored(uploadFolder, 0);
  assert.equal(storedFiles(uploadFolder).length, 0);
  let received = 0;
  for await (const piece of (await fetch(video.url)).body ?? []) received += (piece as Uint8Array).length;
  assert.equal(received, bytes);
});

class Guarded extends App {
  static override auth = bearerTokens(["a-key"]);
  static override storage = { kind: "local", folder: createFolder() } as const;

  @endpoint("/", { output: Type.Object({ image: Image() }) })
  draw(): { image: Image } {
    return { image: Image.fromBytes(png(1, 1), { fileName: "a.png" }) };
  }
}

test("where callers need a key, a stored file is open to those who know its URL, and nothing else of the app", async () => {
  await using server = await startTestServer(new Guarded());
  assert.equal((await server.post("/", {})).status, 401);
  const answer = await server.post("/", {}, { authorization: "Bearer a-key" });
  const { image } = (await answer.json()) as { image: FileRecord };
  const file = await fetch(image.url);
  assert.equal(file.status, 200);
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), Buffer.from(png(1, 1)));
  const { origin, pathname } = new URL(image.url);
  const [, , id = ""] = pathname.split("/");
  assert.ok(Buffer.from(id, "base64url").length >= 16, "an id that nobody can guess");
  const changed = id.startsWith("A") ? `B${id.slice(1)}` : `A${id.slice(1)}`;
  for (const path of [
    `/_files/${changed}/a.png`,
    `/_files/${id}/b.png`,
    `/_files/${id}/..%2Fa.png`,
    "/_files/x/y",
  ]) {
    assert.equal((await fetch(origin + path)).status, 404, path);
  }
  for (const path of ["/_files", "/_files/", "/openapi.json"]) {
    assert.equal((await fetch(origin + path)).status, 401, path);
  }
});
