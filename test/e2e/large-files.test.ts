import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, test } from "node:test";
import { crc32 } from "node:zlib";
import { ANY_PORT, createProject, startCli } from "../helpers/cli.ts";
import { createFolder } from "../helpers/folders.ts";
import { png } from "../helpers/pictures.ts";
import { untilStored } from "../helpers/uploads.ts";

const MIB = 1024 ** 2;
/** A small file, which has the server load its code. */
const SMALL = 2;
/** In MiB. To try a larger file: SERVABLE_LARGE_FILE_MIB=2048 */
const LARGE = Number(process.env["SERVABLE_LARGE_FILE_MIB"] ?? 256);
/** The memory that files may take, whatever their size. */
const BOUND = 100;

/** Bytes behind a picture that comes as a data URI, and of one that goes through the disk. */
const SMALL_PICTURE = 200_000;
const LARGE_PICTURE = 1_500_000;
const PICTURES = 100;
/** The memory that the pictures may take, which have 107 MB together, in MB. */
const PICTURES_BOUND = 200;

const SOURCE = `
import { App, endpoint, file, multipart } from "servable";
import { File, Image } from "servable/media";
import { Type } from "typebox";
import { crc32 } from "node:zlib";

const LIMITS = { maxBytes: 4 * 1024 ** 3 };
const One = Type.Object({ file: File(LIMITS) });
const Picture = Type.Object({ image: Image(), width: Type.Integer() });
const { FILE_HOST, FOLDER } = process.env;

export default class Large extends App {
  static fileHosts = [FILE_HOST];
  static storage = { kind: "local", folder: FOLDER + "/stored" };

  @endpoint("/url", { input: One })
  url({ file }) {
    return factsOf(file);
  }

  @endpoint("/upload", { input: multipart({ file: File(LIMITS) }) })
  async upload({ file }) {
    await file.save(FOLDER + "/kept");
    return factsOf(file);
  }

  @endpoint("/stored", { output: One })
  stored() {
    return { file: File.fromPath(FOLDER + "/kept", { contentType: "application/x-large" }) };
  }

  @endpoint("/answer")
  answer() {
    return file(FOLDER + "/kept");
  }

  @endpoint("/picture", { input: Type.Object({ image: Image() }), output: Picture })
  picture({ image }) {
    return copyOf(image);
  }

  @endpoint("/picture-upload", { input: multipart({ image: Image() }), output: Picture })
  pictureUpload({ image }) {
    return copyOf(image);
  }

  @endpoint("/pid")
  pid() {
    return process.pid;
  }
}

async function copyOf(image) {
  return { image: Image.fromPath(await image.path()), width: await image.width };
}

async function factsOf(file) {
  let sum = 0;
  for await (const piece of file.stream()) sum = crc32(piece, sum);
  return { size: await file.size, sum };
}
`;

/** A file whose every MiB is another. */
function* pieces(mebibytes: number): Generator<Buffer> {
  for (let index = 0; index < mebibytes; index++) yield Buffer.alloc(MIB, `piece ${index} `);
}

function factsOf(mebibytes: number): { size: number; sum: number } {
  let sum = 0;
  for (const piece of pieces(mebibytes)) sum = crc32(piece, sum);
  return { size: mebibytes * MIB, sum };
}

async function received(answer: Response): Promise<{ size: number; sum: number }> {
  assert.equal(answer.status, 200);
  let [size, sum] = [0, 0];
  for await (const piece of answer.body ?? []) {
    size += (piece as Uint8Array).length;
    sum = crc32(piece as Uint8Array, sum);
  }
  return { size, sum };
}

/** A picture of that width, with bytes of its own behind it. */
function pictureOf(width: number, bytes: number): Buffer<ArrayBuffer> {
  return Buffer.concat([png(width, 2), Buffer.alloc(bytes, `picture ${width} `)]);
}

/** Serves files: the path is the number of MiB, or `/pictures/WIDTH`. */
async function startHost(): Promise<string> {
  const server = createServer(({ url = "" }, response: ServerResponse) => {
    const [, width] = /^\/pictures\/(\d+)$/.exec(url) ?? [];
    if (width !== undefined) return void response.end(pictureOf(Number(width), LARGE_PICTURE));
    const mebibytes = Number(url.slice(1));
    response.writeHead(200, { "content-length": mebibytes * MIB });
    void pipeline(Readable.from(pieces(mebibytes), { objectMode: false }), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function upload(url: string, mebibytes: number): Promise<unknown> {
  const head = '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n';
  const body = function* (): Generator<Buffer> {
    yield Buffer.from(head);
    yield* pieces(mebibytes);
    yield Buffer.from("\r\n--b--\r\n");
  };
  const sent = request(url, {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=b" },
  });
  const answered = once(sent, "response") as Promise<[Readable]>;
  await pipeline(Readable.from(body(), { objectMode: false }), sent);
  const [answer] = await answered;
  return JSON.parse((await answer.toArray()).join(""));
}

/** The app in a process of its own. */
async function start() {
  const [folder, temporary] = [createFolder(), createFolder()];
  const host = await startHost();
  const project = createProject({ "app.ts": SOURCE });
  const env = { FILE_HOST: host, FOLDER: folder, TMPDIR: temporary };
  const cli = startCli(["run", "app.ts", ...ANY_PORT], project, env);
  const url = await cli.listening();
  const post = (path: string, body: object = {}): Promise<Response> =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const pid = (await (await post("/pid")).json()) as number;
  /** Resident memory of the server in MB: now, or its peak. */
  const memory = (field: "VmRSS" | "VmHWM"): number => {
    if (process.platform !== "linux") return 0;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return (Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6;
  };
  return {
    ...{ url, host, post, memory },
    async untilTidy() {
      await untilStored(temporary, 0);
      await untilStored(join(folder, "stored"), 0);
    },
    async stop() {
      cli.kill("SIGTERM");
      await cli.ended;
    },
  };
}

test(`a file of ${LARGE} MiB comes in and goes out in less than ${BOUND} MB of memory`, async (t) => {
  const { url, host, post, memory, untilTidy, stop } = await start();
  const passThrough = async (mebibytes: number): Promise<void> => {
    const facts = factsOf(mebibytes);
    assert.deepEqual(await upload(`${url}/upload`, mebibytes), facts, "as an upload");
    const fetched = await post("/url", { file: `http://${host}/${mebibytes}` });
    assert.deepEqual(await fetched.json(), facts, "by its URL");
    const { file } = (await (await post("/stored")).json()) as { file: { url: string; file_size: number } };
    assert.equal(file.file_size, facts.size);
    assert.deepEqual(await received(await fetch(file.url)), facts, "from the storage");
    assert.deepEqual(await received(await post("/answer")), facts, "as an answer");
    await untilTidy();
  };
  await passThrough(SMALL);
  const idle = memory("VmRSS");
  await passThrough(LARGE);
  const grown = memory("VmHWM") - idle;
  t.diagnostic(`${Math.round(grown)} MB above ${Math.round(idle)} MB`);
  assert.ok(grown < BOUND, `the memory grew by ${Math.round(grown)} MB`);
  await stop();
});

test(`${PICTURES} pictures at a time come in and go out, each its caller's, in bounded memory`, async (t) => {
  const { url, host, post, memory, untilTidy, stop } = await start();
  /** A third of the pictures comes as a data URI, one by URL and one as an upload. */
  const passThrough = async (width: number): Promise<void> => {
    const picture = pictureOf(width, width % 3 === 0 ? SMALL_PICTURE : LARGE_PICTURE);
    const form = new FormData();
    form.append("image", new Blob([picture]));
    const answer = await (width % 3 === 0
      ? post("/picture", { image: `data:image/png;base64,${picture.toString("base64")}` })
      : width % 3 === 1
        ? post("/picture", { image: `http://${host}/pictures/${width}` })
        : fetch(`${url}/picture-upload`, { method: "POST", body: form }));
    const body = (await answer.json()) as { image: { url: string; width: number }; width: number };
    assert.equal(answer.status, 200, JSON.stringify(body));
    assert.deepEqual([body.width, body.image.width], [width, width]);
    const stored = await (await fetch(body.image.url)).arrayBuffer();
    assert.ok(picture.equals(new Uint8Array(stored)), `the bytes of picture ${width}`);
  };
  for (const width of [1, 2, 3]) await passThrough(width);
  const idle = memory("VmRSS");
  await Promise.all(Array.from({ length: PICTURES }, (_, index) => passThrough(index + 1)));
  const grown = memory("VmHWM") - idle;
  t.diagnostic(`${Math.round(grown)} MB above ${Math.round(idle)} MB`);
  assert.ok(grown < PICTURES_BOUND, `the memory grew by ${Math.round(grown)} MB`);
  await untilTidy();
  await stop();
});
