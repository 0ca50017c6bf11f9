import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import type { FalServerlessError } from "../../src/errors.ts";
import { FalStorage } from "../../src/storage/fal-storage.ts";
import type { StorableFile, StoreRequest } from "../../src/storage/file-storage.ts";
import { startFalStore, type FalStore } from "../helpers/fal-store.ts";
import { createFolder } from "../helpers/folders.ts";

const storageAt = ({ origin }: FalStore, expirySeconds?: number): FalStorage =>
  new FalStorage({ kind: "fal", expirySeconds }, { FAL_KEY: "id:secret", FAL_REST_HOST: origin });

function requestWith(headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): StoreRequest {
  return {
    requestId: "r-1",
    signal: signal ?? new AbortController().signal,
    log: pino({ level: "silent" }),
    header: (name) => headers[name],
    origin: () => "http://localhost",
  };
}

const small: StorableFile = {
  ...{ fileName: "a b.png", contentType: "image/png" },
  ...{ bytes: Buffer.from("small"), size: 5 },
};

test("a small file is announced with the key and the caller's token, and sent without", async () => {
  const store = await startFalStore();
  const lifecycle = '{"expiration_duration_seconds":60}';
  const headers = { "x-fal-cdn-token": "t", "x-fal-object-lifecycle-preference": lifecycle };
  const { url } = await storageAt(store, 5).store(small, requestWith(headers));
  assert.equal(url, "https://v3.fal.media/files/fal-cdn-v3/a b.png");
  const [announced, sent] = store.requests;
  assert.equal(announced?.url, "/storage/upload/initiate?storage_type=fal-cdn-v3");
  assert.deepEqual(JSON.parse(String(announced?.body)), { file_name: "a b.png", content_type: "image/png" });
  const { authorization, ...others } = announced?.headers ?? {};
  assert.equal(authorization, "Key id:secret");
  assert.equal(others["x-fal-cdn-token"], "t");
  assert.equal(others["x-fal-request-id"], "r-1");
  assert.equal(others["x-fal-object-lifecycle"], lifecycle);
  assert.equal(others["x-fal-object-lifecycle-preference"], lifecycle);
  assert.deepEqual([sent?.method, sent?.url], ["PUT", "/up/fal-cdn-v3/a%20b.png?sig=1"]);
  assert.equal(sent?.headers.authorization, undefined);
  assert.equal(sent?.headers["content-type"], "image/png");
  assert.equal(String(store.files.get("a b.png")), "small");
  await storageAt(store, 5).store(small, requestWith());
  assert.equal(store.requests[2]?.headers["x-fal-object-lifecycle"], '{"expiration_duration_seconds":5}');
});

test("a file above 100 MiB is sent in parts, in order, with their etags as they came", async () => {
  const store = await startFalStore();
  const path = join(createFolder(), "large");
  const size = 100 * 1024 ** 2 + 7;
  writeFileSync(path, Buffer.alloc(size, "l"));
  await storageAt(store).store(
    { fileName: "l.bin", contentType: "application/x", path, size },
    requestWith(),
  );
  assert.equal(store.files.get("l.bin")?.length, size);
  const complete = store.requests.at(-1);
  assert.equal(complete?.url, "/up/fal-cdn-v3/l.bin/complete?sig=1");
  const { parts } = JSON.parse(String(complete?.body)) as { parts: object[] };
  assert.deepEqual(
    parts,
    Array.from({ length: 11 }, (_, at) => ({ partNumber: at + 1, etag: `"e${at + 1}"` })),
  );
  assert.ok(store.requests.some(({ url }) => url === "/up/fal-cdn-v3/l.bin/11?sig=1"));
});

test("the older storage takes a large file in parts, each announced with the key", async () => {
  const store = await startFalStore();
  store.failures.push({ pattern: /fal-cdn-v3/, status: 403, times: 1 });
  const path = join(createFolder(), "large");
  const size = 100 * 1024 ** 2 + 7;
  writeFileSync(path, Buffer.alloc(size, "l"));
  const file = { fileName: "l.bin", contentType: "application/x", path, size };
  const { url } = await storageAt(store).store(file, requestWith());
  assert.equal(url, "https://v3.fal.media/files/gcs/l.bin");
  assert.equal(store.files.get("l.bin")?.length, size);
  const [, initiated, ...others] = store.requests;
  assert.equal(initiated?.url, "/storage/upload/initiate-multipart?storage_type=gcs");
  const authorizations = (method: string, pattern: RegExp): (string | undefined)[] =>
    others
      .filter((request) => request.method === method && pattern.test(request.url))
      .map(({ headers }) => headers.authorization);
  assert.deepEqual(
    authorizations("POST", /^\/up\/gcs\/l\.bin\/\d+\?sig=1$/),
    Array(11).fill("Key id:secret"),
  );
  assert.deepEqual(authorizations("PUT", /^\/up\/gcs\/l\.bin\/\d+\?signed=1$/), Array(11).fill(undefined));
  const complete = others.at(-1);
  assert.equal(complete?.url, "/up/gcs/l.bin/complete?sig=1");
  assert.equal(complete?.headers.authorization, "Key id:secret");
  const { parts } = JSON.parse(String(complete?.body)) as { parts: object[] };
  assert.deepEqual(
    parts,
    Array.from({ length: 11 }, (_, at) => ({ part_number: at + 1, etag: `e${at + 1}` })),
  );
});

test("a part that fails for good ends the others before the file goes elsewhere", async () => {
  const store = await startFalStore();
  store.failures.push({ pattern: /fal-cdn-v3\/l\.bin\/3/, status: 403, times: 1 });
  const path = join(createFolder(), "large");
  writeFileSync(path, Buffer.alloc(100 * 1024 ** 2 + 7, "l"));
  const file = { fileName: "l.bin", contentType: "application/x", path, size: 100 * 1024 ** 2 + 7 };
  const { url } = await storageAt(store).store(file, requestWith());
  assert.match(url, /gcs/);
  const places = store.requests.map((request) => /fal-cdn-v3|gcs/.exec(request.url)?.[0]);
  assert.equal(places.lastIndexOf("fal-cdn-v3") < places.indexOf("gcs"), true);
});

test("a passing failure is tried again, and a lasting one moves on to the older storage", async () => {
  const store = await startFalStore();
  store.failures.push({ pattern: /initiate/, status: 503, times: 2 });
  const { url } = await storageAt(store).store(small, requestWith());
  assert.match(url, /fal-cdn-v3/);
  assert.equal(store.requests.length, 4);
  store.failures.push({ pattern: /fal-cdn-v3/, status: 403, times: 1 });
  const fallback = await storageAt(store).store(small, requestWith({ "x-fal-cdn-token": "t" }));
  assert.match(fallback.url, /gcs/);
  assert.equal(store.requests.at(-2)?.headers["x-fal-cdn-token"], undefined);
});

test("when every place fails, one error lists the attempts", async () => {
  const store = await startFalStore();
  store.failures.push({ pattern: /initiate/, status: 403, times: 2 });
  await assert.rejects(storageAt(store).store(small, requestWith()), (error: FalServerlessError) => {
    assert.equal(error.code, "STORAGE_FAILED");
    assert.match(
      error.message,
      /Error initiating upload\. Status 403\. Storage type: fal-cdn-v3\. Server response: /,
    );
    assert.match(error.message, /; then: Error initiating upload\. Status 403\. Storage type: gcs\./);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

test("an upload ends with its request, and is tried nowhere else", async () => {
  const store = await startFalStore();
  const leaving = new AbortController();
  leaving.abort(new Error("left"));
  await assert.rejects(storageAt(store).store(small, requestWith({}, leaving.signal)), { message: "left" });
  assert.equal(store.requests.length, 0);
});

test("a reserved URL gets its content later, in parts, and an empty file has one", async () => {
  const store = await startFalStore();
  const reserved = await storageAt(store).reserve(small, requestWith());
  assert.equal(reserved.url, "https://v3.fal.media/files/fal-cdn-v3/a b.png");
  assert.equal(store.requests[0]?.url, "/storage/upload/initiate-multipart?storage_type=fal-cdn-v3");
  await reserved.complete({ ...small, bytes: new Uint8Array(), size: 0 });
  assert.equal(store.files.get("a b.png")?.length, 0);
  assert.equal(store.requests.length, 3);
});

test("without a key, the server does not start", () => {
  assert.throws(() => new FalStorage({ kind: "fal" }, {}), /FAL_KEY/);
});
