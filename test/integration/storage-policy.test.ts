import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import dns from "node:dns";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { App, endpoint, type AppException } from "servable";
import { File, type FileRecord } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { PolicyStorage } from "../../src/storage/policy-storage.ts";
import { createFolder } from "../helpers/folders.ts";
import { startMoto, withoutMoto } from "../helpers/moto.ts";

const request = {
  requestId: "r",
  signal: new AbortController().signal,
  log: pino({ level: "silent" }),
  header: () => undefined,
  origin: () => "http://localhost",
};
const TEXT = { fileName: "a b.txt", contentType: "text/plain", bytes: Buffer.from("content"), size: 7 };

/** A store of the test's own. */
async function startStore(answer: RequestListener): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a file is posted with the fields of the policy in their order, the key replaced and the file last", async () => {
  const forms: FormData[] = [];
  await using store = await startStore((received, response) => {
    const pieces: Buffer[] = [];
    received.on("data", (piece: Buffer) => pieces.push(piece));
    received.on("end", () => {
      assert.equal(Number(received.headers["content-length"]), Buffer.concat(pieces).length);
      const type = String(received.headers["content-type"]);
      const copy = new Response(Buffer.concat(pieces), { headers: { "content-type": type } });
      void copy.formData().then((form) => {
        forms.push(form);
        response.writeHead(forms.length === 1 ? 204 : 303).end();
      });
    });
  });
  const fields = { acl: "private", key: "out/${filename}", tag: ["one", 2], policy: null, signature: "s+/=" };
  const storage = new PolicyStorage({ url: store.url, fields });
  const path = join(createFolder(), "file");
  writeFileSync(path, Buffer.alloc(3_000_000, "f"));
  const files = [TEXT, { fileName: "ü.bin", contentType: "application/octet-stream", path, size: 3_000_000 }];
  for (const [index, file] of files.entries()) {
    const { url, remove } = await storage.store(file, request);
    assert.equal(remove, undefined);
    const form = forms[index] as FormData;
    assert.deepEqual(
      [...form.keys()],
      ["acl", "key", "tag", "tag", "policy", "signature", "Content-Type", "file"],
    );
    assert.deepEqual(form.getAll("tag"), ["one", "2"]);
    assert.equal(form.get("policy"), "");
    assert.equal(form.get("signature"), "s+/=");
    assert.equal(form.get("Content-Type"), file.contentType);
    const key = String(form.get("key"));
    assert.match(key, /^out\/[0-9a-f]{32}-/);
    assert.ok(key.endsWith(`-${file.fileName}`));
    assert.equal(url, `${store.url}${key.split("/").map(encodeURIComponent).join("/")}`);
    const sent = form.get("file") as globalThis.File;
    assert.deepEqual([sent.name, sent.type, sent.size], [file.fileName, file.contentType, file.size]);
  }
});

test("a refusal of the bucket is 424 with its code", async () => {
  await using store = await startStore((received, response) => {
    received.resume();
    response.writeHead(403).end("<Error><Code>AccessDenied</Code></Error>");
  });
  const storage = new PolicyStorage({ url: store.url, fields: { key: "${filename}" } });
  await assert.rejects(storage.store(TEXT, request), (error: AppException) => {
    assert.equal(error.statusCode, 424);
    assert.match(error.message, /x-app-fal-upload-policy: the bucket answered with 403 AccessDenied/);
    return true;
  });
});

const skip = (await withoutMoto()) ?? false;
test("S3 takes the form of a file, also of one whose URL was reserved", { skip }, async () => {
  const moto = await startMoto();
  await fetch(`${moto}/pictures`, { method: "PUT" });
  const fields = { acl: "public-read", key: "out/${filename}" };
  const storage = new PolicyStorage({ url: `${moto}/pictures`, fields });
  const { url } = await storage.store(TEXT, request);
  assert.equal(await (await fetch(url)).text(), "content");
  const reserved = await storage.reserve(TEXT, request);
  assert.equal((await fetch(reserved.url)).ok, false);
  await reserved.complete(TEXT);
  assert.equal(await (await fetch(reserved.url)).text(), "content");
});

const Note = Type.Object({ note: File() });

class Notes extends App {
  @endpoint("/", { output: Note })
  note(): Static<typeof Note> {
    return { note: File.fromBytes(Buffer.from("x"), { contentType: "text/plain" }) };
  }
}

test("a bucket that can't be reached is answered with 424", async () => {
  const attempts: string[] = [];
  // Nothing may be sent to a real bucket.
  const lookup = (host: string, _options: object, answer: (error: Error) => void): void => {
    attempts.push(host);
    queueMicrotask(() => answer(Object.assign(new Error("no such host"), { code: "ENOTFOUND" })));
  };
  const real = dns.lookup;
  // `dns.lookup` has six overloads; Node calls it with these three arguments.
  dns.lookup = ((host: string, ...others: [object, (error: Error) => void]) =>
    host.endsWith("amazonaws.com")
      ? lookup(host, ...others)
      : (real as unknown as typeof lookup)(host, ...others)) as unknown as typeof dns.lookup;
  try {
    await using server = await startTestServer(new Notes());
    const policy = { url: "https://bucket.s3.us-east-1.amazonaws.com/", fields: { key: "${filename}" } };
    const answer = await server.post("/", {}, { "x-app-fal-upload-policy": JSON.stringify(policy) });
    const { detail } = (await answer.json()) as { detail: string };
    assert.equal(answer.status, 424);
    assert.match(detail, /x-app-fal-upload-policy: the bucket could not be reached: no such host/);
    assert.deepEqual(attempts, Array(5).fill("bucket.s3.us-east-1.amazonaws.com"));
  } finally {
    dns.lookup = real;
  }
});

test("the policy of a request takes precedence over the storage of the class", async () => {
  await using server = await startTestServer(new Notes());
  const post = (fields: object): Promise<Response> =>
    server.post(
      "/",
      {},
      {
        "x-app-fal-upload-policy": JSON.stringify({
          url: "https://bucket.s3.us-east-1.amazonaws.com/",
          fields,
        }),
      },
    );
  // Refused before anything is sent.
  const refused = await post({ key: "${filename}", "Content-Type": "image/png" });
  assert.equal(refused.status, 422);
  const { detail } = (await refused.json()) as { detail: string };
  assert.match(detail, /it allows image\/png, and [0-9a-f]+\.txt is text\/plain/);
  assert.match(
    ((await (await server.post("/", {})).json()) as { note: FileRecord }).note.url,
    /^data:text\/plain/,
  );
});
