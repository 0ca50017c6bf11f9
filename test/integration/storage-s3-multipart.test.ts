import assert from "node:assert/strict";
import { once } from "node:events";
import { truncateSync, writeFileSync } from "node:fs";
import { createServer, request as requestHttp, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { pino } from "pino";
import { App, endpoint } from "servable";
import { Video, type FileRecord } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type } from "typebox";
import type { FalServerlessError } from "../../src/errors.ts";
import type { StorableFile, StoreRequest } from "../../src/storage/file-storage.ts";
import { S3Storage } from "../../src/storage/s3-storage.ts";
import { createFolder } from "../helpers/folders.ts";
import { startMoto, withoutMoto } from "../helpers/moto.ts";

const skip = (await withoutMoto()) ?? false;
const KEYS = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
const MIB = 1024 ** 2;

function requestWith(signal: AbortSignal = new AbortController().signal, lines: string[] = []): StoreRequest {
  return {
    requestId: "r",
    signal,
    log: pino({ level: "warn" }, { write: (line: string) => void lines.push(line) }),
    header: () => undefined,
    origin: () => "http://localhost",
  };
}

/** A file of zeros with a mark at its end, which needs no space on the disk. */
function sparseFile(size: number): StorableFile {
  const path = join(createFolder(), "file");
  writeFileSync(path, "begin");
  truncateSync(path, size - 3);
  writeFileSync(path, "end", { flag: "a" });
  return { fileName: "large.bin", contentType: "application/x-large", path, size };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function startStore(handler: Handler): Promise<string> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Passes requests on to a store, except those that `take` answers. */
function startProxy(origin: string, take: (...given: Parameters<Handler>) => boolean): Promise<string> {
  return startStore((request, response) => {
    if (take(request, response)) return void request.resume();
    const { method, url = "", headers } = request;
    const passed = requestHttp(origin + url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    request.on("aborted", () => passed.destroy());
    request.pipe(passed);
  });
}

async function startBucket(): Promise<string> {
  const origin = await startMoto();
  await fetch(`${origin}/large`, { method: "PUT" });
  return origin;
}

/** The uploads of which the store has parts. */
async function openUploads(origin: string): Promise<number> {
  const text = await (await fetch(`${origin}/large?uploads`)).text();
  return text.match(/<Upload>/g)?.length ?? 0;
}

const storageAt = (endpoint: string): S3Storage =>
  new S3Storage({ kind: "s3", bucket: "large", endpoint }, KEYS);

test("a file above 100 MiB is uploaded in parts, and is one file in the bucket", { skip }, async () => {
  const origin = await startBucket();
  const parts: string[] = [];
  const endpoint = await startProxy(origin, ({ url = "" }) => {
    const part = /partNumber=(\d+)/.exec(url)?.[1];
    if (part !== undefined) parts.push(part);
    return false;
  });
  const size = 100 * MIB + 5;
  const { url, remove } = await storageAt(endpoint).store(sparseFile(size), requestWith());
  assert.deepEqual(
    parts.map(Number).toSorted((one, other) => one - other),
    [1, 2, 3, 4, 5, 6, 7],
  );
  const { pathname, search } = new URL(url);
  const got = await fetch(origin + pathname + search);
  assert.deepEqual([got.status, got.headers.get("content-type")], [200, "application/x-large"]);
  const bytes = Buffer.from(await got.arrayBuffer());
  assert.deepEqual(
    [bytes.length, bytes.toString("latin1", 0, 5), bytes.toString("latin1", size - 3)],
    [size, "begin", "end"],
  );
  assert.equal(await openUploads(origin), 0);
  await remove?.();
  assert.equal((await fetch(origin + pathname + search)).status, 404);
});

test("if a part fails for good, the store keeps none of them", { skip }, async () => {
  const origin = await startBucket();
  const endpoint = await startProxy(origin, ({ url = "" }, response) => {
    if (!url.includes("partNumber=6")) return false;
    response.writeHead(403).end("<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
    return true;
  });
  await assert.rejects(
    storageAt(endpoint).store(sparseFile(101 * MIB), requestWith()),
    (error: FalServerlessError) => {
      assert.equal(error.code, "STORAGE_FAILED");
      assert.match(error.message, /403 AccessDenied, "no"/);
      return true;
    },
  );
  assert.equal(await openUploads(origin), 0);
});

test("if the caller leaves, the upload ends and the store keeps no part", { skip }, async () => {
  const origin = await startBucket();
  const leaving = new AbortController();
  const endpoint = await startProxy(origin, ({ url = "" }) => {
    if (url.includes("partNumber=5")) leaving.abort(new Error("left"));
    return false;
  });
  await assert.rejects(storageAt(endpoint).store(sparseFile(101 * MIB), requestWith(leaving.signal)), {
    message: "left",
  });
  assert.equal(await openUploads(origin), 0);
});

/** A store that takes parts and keeps none. @param complete answers the request that completes the upload */
function startSink(requests: string[], complete: Handler, abort?: Handler): Promise<string> {
  return startStore((request, response) => {
    const { method = "", url = "" } = request;
    requests.push(`${method} ${url.slice(url.indexOf("?") + 1)}`);
    request.on("end", () => {
      if (method === "DELETE")
        return (abort ?? ((_, answer) => answer.writeHead(204).end()))(request, response);
      if (method === "PUT") return void response.writeHead(200, { etag: '"a"' }).end();
      if (url.endsWith("?uploads=")) return void response.end("<UploadId>u+/=</UploadId>");
      complete(request, response);
    });
    request.resume();
  });
}

test("an error behind the status 200 is an error, and the upload is aborted after its last part", async () => {
  const requests: string[] = [];
  const endpoint = await startSink(requests, (_request, response) => {
    response.end("<Error><Code>InternalError</Code><Message>again</Message></Error>");
  });
  await assert.rejects(
    storageAt(endpoint).store(sparseFile(101 * MIB), requestWith()),
    /200 InternalError, "again"/,
  );
  assert.equal(requests.at(-1), "DELETE uploadId=u%2B%2F%3D");
  assert.equal(requests.length, 1 + 7 + 1 + 1);
});

test("parts that could not be removed are reported in the log, with the key and the upload", async () => {
  const lines: string[] = [];
  const refuse: Handler = (_request, response) => void response.writeHead(403).end();
  const endpoint = await startSink([], refuse, refuse);
  await assert.rejects(
    storageAt(endpoint).store(sparseFile(101 * MIB), requestWith(undefined, lines)),
    /403/,
  );
  const [line = "{}"] = lines;
  const { key, uploadId, msg } = JSON.parse(line) as Record<string, string>;
  assert.match(String(key), /^[0-9a-f]{32}\/large\.bin$/);
  assert.equal(uploadId, "u+/=");
  assert.match(String(msg), /could not remove the parts of a failed upload/);
});

test("a file is read while it is sent: its size does not matter to the memory", async () => {
  let peak = 0;
  let received = 0;
  const endpoint = await startStore((request, response) => {
    request.on("data", (piece: Buffer) => {
      received += piece.length;
      peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    });
    request.on("end", () => {
      if (request.method === "PUT") response.setHeader("etag", '"a"');
      response.end("<UploadId>u</UploadId>");
    });
  });
  const before = process.memoryUsage().arrayBuffers;
  const size = 600 * MIB;
  await storageAt(endpoint).store(sparseFile(size), requestWith());
  assert.ok(received >= size);
  assert.ok(peak - before < size / 2, `${Math.round((peak - before) / MIB)} MiB`);
});

class Renderer extends App {
  @endpoint("/", { output: Type.Object({ video: Video() }) })
  run(): { video: Video } {
    const stream = Readable.from(
      (function* () {
        for (let count = 0; count <= 100; count++) yield Buffer.alloc(MIB, "v");
      })(),
    );
    return { video: Video.fromStream(stream, { contentType: "video/mp4", fileName: "v.mp4" }) };
  }
}

test("a stream whose length nobody knows is stored in parts", { skip }, async () => {
  const endpoint = await startBucket();
  Object.assign(process.env, KEYS);
  const storage = { kind: "s3", bucket: "large", endpoint } as const;
  await using server = await startTestServer(new Renderer(), { storage });
  const { video } = (await (await server.post("/")).json()) as { video: FileRecord };
  assert.equal(video.file_size, 101 * MIB);
  const got = await fetch(video.url);
  assert.deepEqual(
    [got.headers.get("content-type"), (await got.arrayBuffer()).byteLength],
    ["video/mp4", 101 * MIB],
  );
});
