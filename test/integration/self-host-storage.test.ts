import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createFalClient, type FalClient } from "@fal-ai/client";
import fc from "fast-check";
import { createFolder } from "../helpers/folders.ts";
import { pythonEnvironment } from "../helpers/python-packages.ts";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { appProject, platformFolder, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const python = await pythonEnvironment("fal-client", "fal-client[realtime]==1.0.3");

const moduleOf = (path: string): string => pathToFileURL(join(ROOT, path)).href;
const MEASURER = `
import { Type } from "${moduleOf("node_modules/typebox/build/index.mjs")}";
import { File } from "${moduleOf("src/media/index.ts")}";
import { App, endpoint } from "servable";
const Out = Type.Object({ bytes: Type.Integer() });
export default class Measurer extends App {
  @endpoint("/", { input: Type.Object({ file: File() }), output: Out })
  async measure({ file }) { return { bytes: (await file.bytes()).length }; }
}
`;

let host: TestPlatform;
before(async () => {
  host = await TestPlatform.start();
});
after(() => host?.[Symbol.asyncDispose]());

/** The official JavaScript client, whose hosts are fixed; its requests are redirected to the platform. */
function falClient(): FalClient {
  return createFalClient({
    credentials: host.key,
    fetch: (url, init) => fetch(String(url).replace(/^https:\/\/(?:fal\.run|rest\.fal\.ai)/, host.url), init),
  });
}

describe("the official JavaScript client, unchanged but for where it looks", () => {
  test("uploads a file, which is served as it was, with its type and name", async () => {
    const content = randomBytes(70_000);
    const url = await falClient().storage.upload(
      new File([content], "ein Bild ä.png", { type: "image/png" }),
    );
    assert.ok(url.startsWith(`${host.url}/objects/`), url);
    const answer = await fetch(url);
    assert.equal(answer.status, 200);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content);
    assert.equal(answer.headers.get("content-type"), "image/png");
    assert.equal(
      answer.headers.get("content-disposition"),
      `inline; filename="ein Bild ?.png"; filename*=UTF-8''ein%20Bild%20%C3%A4.png`,
    );
  });
});

test("a file that the client sends with a call reaches the app of a platform that is not on the internet, and nothing else inside does", async () => {
  const project = appProject({ "app.ts": MEASURER });
  try {
    await host.deploy(join(project, "app.ts"));
    const fal = falClient();
    const file = new File([randomBytes(5_000)], "a.bin", { type: "application/octet-stream" });
    const { data } = (await fal.run("me/measurer", { input: { file } })) as { data: unknown };
    assert.deepEqual(data, { bytes: 5_000 });
    // The files of others, and what is no file, stay closed.
    const hidden = await store(
      Buffer.from("x"),
      "text/plain",
      lifecycle({ initial_acl: { default: "hide" } }),
    );
    for (const url of [hidden, `${host.url}/health`, `${host.url}/objects/a/../../health`]) {
      const answer = await host.call("/me/measurer", { file: url });
      assert.equal(answer.status, 422, await answer.text());
    }
  } finally {
    removePlatformFolder(project);
  }
});

/** Stores a file in one request, as fal's client for Python does. @returns its URL */
async function store(
  content: Uint8Array,
  type: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const answer = await fetch(`${host.url}/files/upload`, {
    method: "POST",
    headers: { ...host.headers, "content-type": type, ...headers },
    body: content,
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return ((await answer.json()) as { access_url: string }).access_url;
}

function lifecycle(value: object): Readonly<Record<string, string>> {
  return { "x-fal-object-lifecycle": JSON.stringify(value) };
}

async function refusal(answer: Response | Promise<Response>): Promise<string> {
  const { status, headers } = await answer;
  return `${status} ${headers.get("x-fal-error-type")}`;
}

test(
  "the official client for Python uploads bytes and files, at once and in parts, synchronously or not",
  { skip: "missing" in python ? python.missing : false },
  async () => {
    assert.ok("folder" in python);
    const content = randomBytes(300_000);
    const folder = createFolder({});
    const path = join(folder, "sound.wav");
    writeFileSync(path, content);
    const program = `
import asyncio, json, sys, fal_client
import fal_client.client as c
url, path = sys.argv[1:]
c.REST_URL = c.CDN_URL = url
sync, other = fal_client.SyncClient(), fal_client.AsyncClient()
data = open(path, "rb").read()
async def both():
    return [await other.upload(data, "audio/wav", "sound.wav"), await other.upload_file(path)]
def all():
    return [sync.upload(data, "audio/wav", "sound.wav"), sync.upload_file(path)] + asyncio.run(both())
urls = all()
c.MULTIPART_THRESHOLD, c.MULTIPART_CHUNK_SIZE = 1, 100000
sync, other = fal_client.SyncClient(), fal_client.AsyncClient()
print(json.dumps(urls + all()))
`;
    const { stdout } = await promisify(execFile)(
      join(python.folder, "bin/python"),
      ["-c", program, host.url, path],
      { env: { ...process.env, FAL_KEY: host.key } },
    );
    const urls = JSON.parse(stdout) as string[];
    assert.equal(new Set(urls).size, 8);
    for (const url of urls) {
      const answer = await fetch(url);
      assert.ok(Buffer.from(await answer.arrayBuffer()).equals(content), url);
      assert.match(answer.headers.get("content-type") ?? "", /^audio\/(?:x-)?wav$/);
    }
  },
);

describe("an upload in parts", () => {
  /** Announces an upload. @returns its addresses */
  async function announce(): Promise<{ readonly upload: string; readonly file: string }> {
    const answer = await host.call("/storage/upload/initiate-multipart?storage_type=fal-cdn-v3", {
      ...{ file_name: "a.bin", content_type: "application/octet-stream" },
    });
    const { upload_url: upload, file_url: file } = (await answer.json()) as Record<string, string>;
    return { upload: upload ?? "", file: file ?? "" };
  }

  async function put(
    upload: string,
    number: number,
    content: string,
  ): Promise<{ partNumber: number; etag: string }> {
    const answer = await fetch(`${upload}/${number}`, { method: "PUT", body: content });
    const part = (await answer.json()) as { partNumber: number; etag: string };
    assert.equal(answer.headers.get("etag"), part.etag);
    return part;
  }

  function complete(upload: string, parts: readonly object[]): Promise<Response> {
    return fetch(`${upload}/complete`, { method: "POST", body: JSON.stringify({ parts }) });
  }

  test("is there once it is complete, whole and in the order of its parts, whatever their order on the way", async () => {
    const { upload, file } = await announce();
    const third = await put(upload, 3, "c");
    const first = await put(upload, 1, "a");
    await put(upload, 2, "wrong");
    const second = await put(upload, 2, "b");
    assert.equal((await fetch(file)).status, 404);
    assert.equal((await complete(upload, [first, second, third])).status, 200);
    assert.equal(await (await fetch(file)).text(), "abc");
  });

  test("is refused with parts that are missing, changed, named twice or left out, and can be completed after that", async () => {
    const { upload, file } = await announce();
    const first = await put(upload, 1, "a");
    const second = await put(upload, 2, "b");
    const wrong: readonly (readonly object[])[] = [
      [first, second, { partNumber: 3, etag: second.etag }],
      [first, { ...second, etag: first.etag }],
      [first, first, second],
      [first],
      [{ partNumber: 0, etag: "" }],
      [{ partNumber: 1 }],
    ];
    for (const parts of wrong) {
      assert.match(await refusal(complete(upload, parts)), /^4\d\d \w+$/, JSON.stringify(parts));
      assert.equal((await fetch(file)).status, 404);
    }
    assert.equal((await complete(upload, [first, second])).status, 200);
    assert.equal(await (await fetch(file)).text(), "ab");
  });

  test("that is completed by several callers at once is stored once", async () => {
    const { upload, file } = await announce();
    const parts = [await put(upload, 1, "a".repeat(100_000)), await put(upload, 2, "b")];
    const answers = await Promise.all(Array.from({ length: 5 }, () => complete(upload, parts)));
    assert.ok(answers.some(({ status }) => status === 200));
    assert.equal((await (await fetch(file)).text()).length, 100_001);
  });
});

test("the address of an upload takes one content, and needs no key; announcing one does", async () => {
  const announced = await host.call("/storage/upload/initiate", {
    file_name: "a.txt",
    content_type: "text/plain",
  });
  const { upload_url: upload = "", file_url: file = "" } = (await announced.json()) as Record<string, string>;
  assert.equal((await fetch(upload, { method: "PUT", body: "first" })).status, 200);
  assert.match(await refusal(fetch(upload, { method: "PUT", body: "second" })), /^4\d\d /);
  assert.equal(await (await fetch(file)).text(), "first");
  for (const path of ["/storage/upload/initiate", "/storage/auth/token", "/files/upload"]) {
    assert.equal(
      await refusal(fetch(`${host.url}${path}`, { method: "POST", body: "{}" })),
      "401 unauthorized",
      path,
    );
  }
});

test("any range of a file is what a slice of it is, and one beyond its end is refused", async () => {
  const content = randomBytes(1_000);
  const url = await store(content, "video/mp4");
  const position = fc.integer({ min: 0, max: 1_200 });
  await fc.assert(
    fc.asyncProperty(fc.option(position), fc.option(position), async (first, last) => {
      fc.pre(first !== null || last !== null);
      const answer = await fetch(url, { headers: { range: `bytes=${first ?? ""}-${last ?? ""}` } });
      const got = Buffer.from(await answer.arrayBuffer());
      if (first === null) {
        if (last === 0) return assert.equal(answer.status, 416);
        assert.equal(answer.status, 206);
        return assert.deepEqual(got, content.subarray(Math.max(0, 1_000 - (last ?? 0))));
      }
      if (last !== null && last < first) return assert.equal(answer.status, 200);
      if (first >= 1_000) {
        assert.equal(answer.headers.get("content-range"), "bytes */1000");
        return assert.equal(answer.status, 416);
      }
      assert.equal(answer.status, 206);
      assert.deepEqual(got, content.subarray(first, (last ?? 999) + 1));
      assert.equal(answer.headers.get("content-range"), `bytes ${first}-${first + got.length - 1}/1000`);
    }),
    { numRuns: 60 },
  );
});

test("a file that a caller has already is not sent again, and a part of a changed one is not mixed in", async () => {
  const url = await store(Buffer.from("content"), "text/plain");
  const etag = (await fetch(url, { method: "HEAD" })).headers.get("etag") ?? "";
  assert.equal((await fetch(url, { headers: { "if-none-match": etag } })).status, 304);
  const range = "bytes=0-2";
  const same = await fetch(url, { headers: { range, "if-range": etag } });
  assert.deepEqual([same.status, await same.text()], [206, "con"]);
  const other = await fetch(url, { headers: { range, "if-range": '"other"' } });
  assert.deepEqual([other.status, await other.text()], [200, "content"]);
});

const SERVED: Readonly<Record<string, { readonly type?: string; readonly saved: boolean }>> = {
  "image/png": { saved: false },
  "video/mp4": { saved: false },
  "text/plain; charset=utf-8": { saved: false },
  "application/json": { saved: false },
  "text/html": { saved: true },
  "TEXT/HTML; charset=utf-8": { saved: true },
  "application/xhtml+xml": { saved: true },
  "image/svg+xml": { saved: true },
  "text/xml": { saved: true },
  "application/pdf": { saved: true },
  "text/javascript": { type: "application/octet-stream", saved: true },
  "application/wasm": { type: "application/octet-stream", saved: true },
};
test("no stored file runs a script: what browsers would run is saved, and a script has no type of its own", async () => {
  for (const [type, { type: served = type, saved }] of Object.entries(SERVED)) {
    const answer = await fetch(await store(Buffer.from("<script>1</script>"), type));
    assert.equal(answer.headers.get("content-type"), served);
    assert.match(answer.headers.get("content-disposition") ?? "", saved ? /^attachment/ : /^inline/, type);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.match(answer.headers.get("content-security-policy") ?? "", /^sandbox; default-src 'none'/);
  }
});

test("a name can neither break a header nor leave its folder", async () => {
  for (const name of [
    "../../etc/passwd",
    'a"b.png',
    "a%0d%0aset-cookie: x",
    "%2e%2e%2f",
    "%00",
    "x".repeat(200),
  ]) {
    const url = await store(Buffer.from("x"), "image/png", { "x-fal-file-name": name });
    const answer = await fetch(url);
    assert.equal(answer.status, 200, url);
    assert.equal(answer.headers.get("set-cookie"), null);
    assert.match(answer.headers.get("content-disposition") ?? "", /^inline; filename="[^"/\\]*"/);
  }
});

test("a private file is for its key and signed URLs alone", async () => {
  for (const [acl, status] of [
    ["forbid", 401],
    ["hide", 404],
  ] as const) {
    const url = await store(Buffer.from("x"), "text/plain", lifecycle({ initial_acl: { default: acl } }));
    assert.equal((await fetch(url)).status, status);
    assert.equal((await fetch(url, { headers: host.headers })).status, 200);
    const answer = await fetch(`${url}/sign`, { method: "POST", headers: host.headers, body: "{}" });
    const { url: signed } = (await answer.json()) as { url: string };
    assert.equal((await fetch(signed)).status, 200);
    assert.equal((await fetch(signed.replace(/signature=./, "signature=!"))).status, status);
    assert.equal((await fetch(`${url}/sign`, { method: "POST", body: "{}" })).status, status);
    assert.equal((await fetch(url, { method: "DELETE" })).status, status);
  }
});

test("an owner whose apps would hide the platform's own addresses is refused by name", async () => {
  const folder = platformFolder();
  try {
    for (const owner of ["objects", "queue"]) {
      await assert.rejects(
        TestPlatform.start({ owner }, { folder }),
        new RegExp(`owner can't be "${owner}"`),
      );
    }
  } finally {
    removePlatformFolder(folder);
  }
});

test("a lifecycle that can't be kept is refused by name", async () => {
  for (const value of [
    { initial_acl: { default: "allow", rules: [{}] } },
    { initial_acl: { default: "some" } },
    { expiration_duration_seconds: -1 },
  ]) {
    const answer = await fetch(`${host.url}/files/upload`, {
      ...{ method: "POST", body: "x" },
      headers: { ...host.headers, ...lifecycle(value) },
    });
    assert.equal(await refusal(answer), "400 bad_request", JSON.stringify(value));
  }
});

test("a file is gone when its time is over, or its key removes it", async () => {
  const short = await store(Buffer.from("x"), "text/plain", lifecycle({ expiration_duration_seconds: 1 }));
  while ((await fetch(short)).status !== 404) await delay(50);
  const url = await store(Buffer.from("x"), "text/plain");
  assert.equal((await fetch(url, { method: "DELETE" })).status, 403);
  assert.equal((await fetch(url, { method: "DELETE", headers: host.headers })).status, 200);
  assert.equal((await fetch(url)).status, 404);
});
