import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { App, endpoint, type RequestContext } from "servable";
import { File, Image, type FileRecord, type ImageRecord } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type } from "typebox";
import type { FalServerlessError } from "../../src/errors.ts";
import { S3Storage } from "../../src/storage/s3-storage.ts";
import { createFolder } from "../helpers/folders.ts";
import { startMoto, withoutMoto } from "../helpers/moto.ts";
import { png } from "../helpers/pictures.ts";

const skip = (await withoutMoto()) ?? false;
const KEYS = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };

const request = {
  requestId: "r",
  signal: new AbortController().signal,
  log: pino({ level: "silent" }),
  header: () => undefined,
  origin: () => "http://localhost",
};

test("files are stored in a bucket under signed URLs, and removed again", { skip }, async () => {
  const endpoint = await startMoto();
  await fetch(`${endpoint}/pictures`, { method: "PUT" });
  const storage = new S3Storage(
    { kind: "s3", bucket: "pictures", endpoint, prefix: "out/", expirySeconds: 60 },
    KEYS,
  );
  const path = join(createFolder(), "file");
  writeFileSync(path, Buffer.alloc(3_000_000, "f"));
  const names = ["a b.png", "ü(1)!.png", "plus+and&.png"];
  for (const fileName of names) {
    const file = { fileName, contentType: "image/png", path, size: 3_000_000 };
    const { url, remove } = await storage.store(file, request);
    assert.match(url, /\/pictures\/out\/[0-9a-f]{32}\/.*X-Amz-Expires=60/);
    const got = await fetch(url);
    assert.deepEqual([got.status, got.headers.get("content-type")], [200, "image/png"], fileName);
    assert.equal((await got.arrayBuffer()).byteLength, 3_000_000);
    await remove?.();
    assert.equal((await fetch(url)).status, 404);
  }
});

test("a refusal of the store is an error with its code", { skip }, async () => {
  const endpoint = await startMoto();
  const storage = new S3Storage({ kind: "s3", bucket: "missing", endpoint }, KEYS);
  const file = { fileName: "a", contentType: "text/plain", bytes: Buffer.from("a"), size: 1 };
  await assert.rejects(storage.store(file, request), (error: FalServerlessError) => {
    assert.equal(error.code, "STORAGE_FAILED");
    assert.match(error.message, /404 NoSuchBucket/);
    return true;
  });
});

class Painter extends App {
  finish: (() => Promise<File>) | undefined;

  @endpoint("/", { output: Type.Object({ image: Image() }) })
  run(): { image: Image } {
    return { image: Image.fromBytes(png(3, 2), { fileName: "p.png" }) };
  }

  @endpoint("/later", { output: Type.Object({ file: File() }) })
  async later(ctx: RequestContext): Promise<{ file: File }> {
    const reserved = await File.reserve(ctx, { fileName: "later.txt" });
    this.finish = () => reserved.complete(Buffer.from("done"));
    return { file: File.fromUrl(reserved.url) };
  }
}

test("an app stores its files in S3, and reserves URLs", { skip }, async () => {
  const endpoint = await startMoto();
  await fetch(`${endpoint}/pictures`, { method: "PUT" });
  Object.assign(process.env, KEYS);
  const app = new Painter();
  await using server = await startTestServer(app, { storage: { kind: "s3", bucket: "pictures", endpoint } });
  const { image } = (await (await server.post("/")).json()) as { image: ImageRecord };
  assert.deepEqual([image.file_name, image.width], ["p.png", 3]);
  assert.deepEqual(new Uint8Array(await (await fetch(image.url)).arrayBuffer()), png(3, 2));
  const { file } = (await (await server.post("/later")).json()) as { file: FileRecord };
  assert.equal((await fetch(file.url)).status, 404);
  const completed = await app.finish?.();
  assert.equal(completed?.url, file.url);
  assert.equal(await (await fetch(file.url)).text(), "done");
});

test("without a bucket or a key, the server does not start", () => {
  assert.throws(() => new S3Storage({ kind: "s3" }, KEYS), /SERVABLE_S3_BUCKET/);
  assert.throws(() => new S3Storage({ kind: "s3", bucket: "a" }, {}), /AWS_ACCESS_KEY_ID/);
});
