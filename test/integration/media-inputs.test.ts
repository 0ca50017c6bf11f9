import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { App, endpoint, RequestCancelledException } from "servable";
import { File, Image } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { createFolder } from "../helpers/folders.ts";
import { png, pngUri } from "../helpers/pictures.ts";
import { startRawServer } from "../helpers/raw-server.ts";
import { untilStored } from "../helpers/uploads.ts";

const Input = Type.Object({
  image: Image({ maxBytes: 2_000, contentTypes: ["image/png", "image/gif"], maxPixels: 10_000 }),
  more: Type.Optional(Type.Array(Image())),
  other: Type.Optional(Type.Union([File(), Type.Null()])),
});
type Input = Static<typeof Input>;

class Pictures extends App {
  @endpoint("/facts", { input: Input })
  async facts({ image, more, other }: Input): Promise<object> {
    return {
      url: image.url?.slice(0, 10),
      stated: image.stated,
      type: await image.contentType,
      size: await image.size,
      width: await image.width,
      height: await image.height,
      bytes: (await image.bytes()).length,
      more: await Promise.all((more ?? []).map((each) => each.width)),
      other: other === undefined || other === null ? other : await other.text(),
    };
  }

  @endpoint("/path", { input: Input })
  async path({ image }: Input): Promise<object> {
    const path = await image.path();
    let streamed = 0;
    for await (const piece of image.stream()) streamed += (piece as Uint8Array).length;
    const blob = await image.blob();
    return { path, size: readFileSync(path).length, streamed, blob: [blob.size, blob.type] };
  }

  @endpoint("/root", { input: Image() })
  async root(image: Image): Promise<number> {
    return image.width;
  }
}

test("a picture comes as a data URI or an object, and tells its type and size itself", async () => {
  await using server = await startTestServer(new Pictures());
  const size = png(30, 20).length;
  const uri = pngUri(30, 20);
  const expected = {
    url: "data:image",
    type: "image/png",
    size,
    width: 30,
    height: 20,
    bytes: size,
    more: [],
  };
  const first = await server.post("/facts", { image: uri.replace("data:", "DATA:") });
  assert.deepEqual(await first.json(), { ...expected, stated: {} });
  const object = {
    url: uri.replace("image/png", "image/gif"),
    content_type: "image/gif",
    width: 1,
    unknown: 1,
  };
  const second = await server.post("/facts", { image: object, more: [uri, { url: uri }], other: null });
  assert.deepEqual(await second.json(), {
    ...expected,
    stated: { contentType: "image/gif", width: 1 },
    more: [30, 30],
    other: null,
  });
  const third = await server.post("/facts", { image: uri, other: "data:,a%20b" });
  assert.equal(((await third.json()) as { other: string }).other, "a b");
  assert.equal(await (await server.post("/root", JSON.stringify(uri))).json(), 30);
});

test("a picture has a temporary path until the call is answered", async () => {
  await using server = await startTestServer(new Pictures());
  const size = png(30, 20).length;
  const answer = await server.post("/path", { image: pngUri(30, 20) });
  const { path, ...others } = (await answer.json()) as { path: string };
  assert.deepEqual(others, { size, streamed: size, blob: [size, "image/png"] });
  assert.match(path, /\.png$/);
  while (existsSync(path)) await turn();
});

/** Inputs for `image`, and the answer to each: the recorded ones of the original, and the framework's own. */
const FAULTS: readonly (readonly [string, unknown, object])[] = [
  ["a path", "/tmp/a.png", urlFault("/tmp/a.png")],
  ["an empty text", "", urlFault("")],
  ["another scheme", "ftp://example.com/a.png", urlFault("ftp://example.com/a.png")],
  ["an object with another scheme", { url: "nope" }, urlFault("nope", "url")],
  ["an object without a URL", {}, { type: "missing", loc: ["url"], msg: "Field required", input: {} }],
  ["a number", 7, modelFault(7)],
  ["null", null, modelFault(null)],
  ["a list", ["data:,a"], modelFault(["data:,a"])],
  [
    "a URL that is no text",
    { url: 7 },
    { type: "string_type", loc: ["url"], msg: "Input should be a valid string", input: 7 },
  ],
  [
    "a size that is no integer",
    { url: "data:,a", file_size: "7" },
    { type: "int_type", loc: ["file_size"], msg: "Input should be a valid integer", input: "7" },
  ],
];

function urlFault(input: unknown, ...loc: string[]): object {
  const error = "value must be a valid URL";
  return { type: "value_error", loc, msg: `Value error, ${error}`, input, ctx: { error } };
}

function modelFault(input: unknown): object {
  const msg = "Input should be a valid dictionary or object to extract fields from";
  return { type: "model_attributes_type", loc: [], msg, input };
}

test("what is not a file is answered with 422 at its field, in the form of the original", async () => {
  await using server = await startTestServer(new Pictures());
  for (const [name, image, fault] of FAULTS) {
    const answer = await server.post("/facts", { image });
    const { loc, ...others } = fault as { loc: string[] };
    assert.equal(answer.status, 422, name);
    assert.equal(answer.headers.get("x-fal-billable-units"), "0", name);
    const detail = [{ ...others, loc: ["body", "image", ...loc] }];
    assert.deepEqual(await answer.json(), { detail }, name);
  }
  const nested = await server.post("/facts", { image: pngUri(1, 1), more: [pngUri(1, 1), "no"] });
  const { detail } = (await nested.json()) as { detail: { loc: unknown }[] };
  assert.deepEqual(
    detail.map(({ loc }) => loc),
    [["body", "more", 1]],
  );
});

/** Files that are refused when the handler reads them. */
const REFUSED: readonly (readonly [string, unknown, string, object | undefined])[] = [
  ["text", "data:image/png,abc", "image_load_error", undefined],
  ["broken base64", "data:image/png;base64,$$$", "file_download_error", undefined],
  ["no comma", "data:image/png;base64", "file_download_error", undefined],
  ["too many bytes", `data:image/png;base64,${"A".repeat(4_000)}`, "file_too_large", { max_size: 2_000 }],
  ["too many pixels", pngUri(200, 51), "image_too_large", { max_pixels: 10_000 }],
  [
    "another format",
    `data:image/png;base64,${Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46]).toString("base64")}`,
    "unsupported_image_format",
    { supported_formats: ["image/png", "image/gif"] },
  ],
];

test("a file that breaks a limit is answered with 422 at its field, and is not billed", async () => {
  await using server = await startTestServer(new Pictures());
  for (const [name, image, type, ctx] of REFUSED) {
    for (const sent of [image, { url: image }]) {
      const answer = await server.post("/path", { image: sent });
      const { detail } = (await answer.json()) as { detail: Record<string, unknown>[] };
      assert.equal(answer.status, 422, name);
      assert.equal(answer.headers.get("x-fal-billable-units"), "0", name);
      assert.deepEqual(
        detail.map(({ loc, type: found, ctx: context }) => [loc, found, context]),
        [[["body", "image"], type, ctx]],
        name,
      );
    }
  }
});

class Reader extends App {
  readonly #events = new EventEmitter();
  readonly left = once(this.#events, "left");

  @endpoint("/read", { input: Type.Object({ image: Image(), file: Type.Optional(File()) }) })
  async read({ image }: { image: Image; file?: File }): Promise<number[]> {
    return [await image.width, (await image.bytes()).length, (await image.blob()).size];
  }

  @endpoint("/ignore", { input: Type.Object({ image: Image() }) })
  ignore(): string {
    return "not read";
  }

  @endpoint("/wait", { input: Type.Object({ file: File({ maxBytes: 10_000_000 }) }) })
  async wait({ file }: { file: File }): Promise<string> {
    try {
      return await file.text();
    } catch (error) {
      this.#events.emit("left", error);
      throw error;
    }
  }
}

test("a file is fetched from its URL when it is read, once, and its errors are the caller's", async () => {
  const picture = png(40, 30);
  const answers: Readonly<Record<string, string>> = {
    "/a.png": `HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: ${picture.length}\r\n\r\n`,
    "/large": "HTTP/1.1 200 OK\r\ncontent-length: 99000000\r\n\r\n",
    "/short": "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n",
  };
  const source = await startRawServer((socket, head) => {
    const path = head.split(" ")[1] ?? "";
    socket.write(answers[path] ?? "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    if (path === "/a.png") socket.write(picture);
    if (path === "/short") socket.end("abc");
  });
  await using server = await startTestServer(new Reader(), { fileHosts: [source.host] });
  const image = `${source.origin}/a.png`;
  assert.equal(await (await server.post("/ignore", { image })).json(), "not read");
  assert.equal(source.requests.length, 0);
  const answer = await server.post("/read", { image, file: image });
  assert.deepEqual(await answer.json(), [40, picture.length, picture.length]);
  assert.equal(source.requests.length, 1);
  for (const [path, type] of [
    ["/none", "file_download_error"],
    ["/large", "file_too_large"],
    ["/short", "file_download_error"],
  ] as const) {
    const failed = await server.post("/read", { image: { url: source.origin + path } });
    const { detail } = (await failed.json()) as { detail: { type: string; loc: unknown; input: string }[] };
    assert.equal(failed.status, 422, path);
    assert.equal(failed.headers.get("x-fal-billable-units"), "0");
    assert.deepEqual(
      detail.map(({ type: found, loc }) => [found, loc]),
      [[type, ["body", "image"]]],
    );
    assert.equal(detail[0]?.input, source.origin + path);
  }
  await using closed = await startTestServer(new Reader());
  const refused = await closed.post("/read", { image });
  assert.equal(refused.status, 422);
  const { detail } = (await refused.json()) as { detail: { type: string }[] };
  assert.equal(detail[0]?.type, "file_download_error");
});

test("when the caller leaves, the fetch ends and its temporary file is removed", async () => {
  const events = new EventEmitter();
  const arrived = once(events, "arrived");
  const source = await startRawServer((socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n");
    socket.write(Buffer.alloc(3_000_000), () => events.emit("arrived"));
  });
  const uploadFolder = createFolder();
  const app = new Reader();
  await using server = await startTestServer(app, { fileHosts: [source.host], uploadFolder });
  const leaving = new AbortController();
  const answer = fetch(`${server.url}/wait`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ file: `${source.origin}/file` }),
    signal: leaving.signal,
  });
  await arrived;
  await untilStored(uploadFolder, 1);
  leaving.abort();
  await assert.rejects(answer);
  const [error] = (await app.left) as [unknown];
  assert.ok(error instanceof RequestCancelledException);
  await untilStored(uploadFolder, 0);
  while (source.sockets.size > 0) await turn();
});

test("a large file is held on the disk, and removed with its call", async () => {
  const size = 5_000_000;
  const source = await startRawServer((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
    socket.write(Buffer.alloc(size, "a"));
  });
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Reader(), { fileHosts: [source.host], uploadFolder });
  const answer = await server.post("/wait", { file: `${source.origin}/file` });
  assert.equal(((await answer.json()) as string).length, size);
  await untilStored(uploadFolder, 0);
});
