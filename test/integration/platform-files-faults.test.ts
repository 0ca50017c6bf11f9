import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import events, { once } from "node:events";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { FalServerlessError } from "servable";
import { parseKey } from "../../src/platform/target/credentials.ts";
import { PART_BYTES } from "../../src/platform/files/hash.ts";
import { syncFiles, type SyncOptions } from "../../src/platform/files/sync.ts";
import { abandonUploads } from "../../src/platform/files/resumable-uploads.ts";
import { Rest, type RestCall } from "../../src/platform/transport/rest.ts";
import { ContextFolder } from "../helpers/context-folder.ts";
import { freePort } from "../helpers/free-port.ts";
import { FileStore, restTo } from "../helpers/file-store.ts";

const QUICK = { backoffMs: 1 };
const PUT_PART_2 = /^PUT .*\/2$/;

/** A file of three parts, of which the last is a small one. */
const LARGE_BYTES = 2 * PART_BYTES + 5000;

function largeFile(): Buffer {
  return randomBytes(LARGE_BYTES);
}

/** Checks that a sync rejects with UPLOAD_FAILED and a one-line message that matches; returns the error. */
async function failure(sync: Promise<unknown>, message: RegExp): Promise<FalServerlessError> {
  let caught: unknown;
  await assert.rejects(sync, (error) => {
    caught = error;
    return true;
  });
  assert.ok(caught instanceof FalServerlessError, String(caught));
  assert.equal(caught.code, "UPLOAD_FAILED");
  assert.match(caught.message, message);
  assert.doesNotMatch(caught.message, /\n/);
  return caught;
}

describe("a broken connection", () => {
  test("in the middle of a part sends that part again, and no other", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    store.break("PUT", /\/2$/, "disconnect", 2);
    const { uploaded } = await syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK });
    assert.equal(uploaded, 1);
    assert.equal(store.count(PUT_PART_2), 3);
    assert.equal(store.count(/^PUT/), 5);
    assert.equal(store.count(/initiate/), 1);
  });

  test("that does not recover fails the sync; the next one uploads only the missing parts", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    const options: SyncOptions = { files: await folder.collect(), rest: store.rest(), ...QUICK };
    store.break("PUT", /\/2$/, "disconnect");
    await failure(syncFiles(options), /^Uploading weights failed: the connection broke\. \(3 tries\)$/);
    const arrived = [...([...store.uploads.values()][0]?.parts.keys() ?? [])];
    assert.ok(arrived.length > 0);
    assert.equal(store.count(/cancel/), 0);

    store.mend();
    store.requests.length = 0;
    assert.equal((await syncFiles(options)).uploaded, 1);
    assert.equal(store.count(/initiate/), 0);
    assert.equal(store.count(/^PUT/), 3 - arrived.length);
    assert.equal(store.uploads.size, 0);
  });

  test("that fails one file keeps the uploads of the others", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ a: largeFile(), b: largeFile() });
    const options: SyncOptions = { files: await folder.collect(), rest: store.rest(), ...QUICK };
    store.break("PUT", /\/2$/, "disconnect");
    await failure(syncFiles(options), /^Uploading [ab] failed/);
    store.mend();
    store.requests.length = 0;
    await syncFiles(options);
    assert.equal(store.count(/initiate/), 0);
    assert.ok(store.count(/^PUT/) < 6, `${store.count(/^PUT/)} parts were sent`);
    assert.equal(store.files.size, 2);
  });

  test("is not resumed by another client, which starts over", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    const files = await folder.collect();
    store.break("PUT", /\/2$/, "disconnect");
    await failure(syncFiles({ files, rest: store.rest(), ...QUICK }), /weights/);
    store.mend();
    store.requests.length = 0;
    await syncFiles({ files, rest: store.rest(), ...QUICK });
    assert.equal(store.count(/initiate/), 1);
    assert.equal(store.count(/^PUT/), 3);
  });

  test("leaves no upload in the store once it is abandoned", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    const rest = store.rest();
    store.break("PUT", /\/2$/, "disconnect");
    await failure(syncFiles({ files: await folder.collect(), rest, ...QUICK }), /weights/);
    assert.equal(store.uploads.size, 1);
    await abandonUploads(rest);
    assert.equal(store.uploads.size, 0);
  });

  test("leaves no upload in the store if the file has changed before the next sync", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    const rest = store.rest();
    store.break("PUT", /\/2$/, "disconnect");
    await failure(syncFiles({ files: await folder.collect(), rest, ...QUICK }), /weights/);
    store.mend();
    folder.write("weights", "small now");
    await syncFiles({ files: await folder.collect(), rest, ...QUICK });
    assert.equal(store.uploads.size, 0);
  });

  test("starts over if the store has dropped the upload meanwhile", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    const options: SyncOptions = { files: await folder.collect(), rest: store.rest(), ...QUICK };
    store.break("PUT", /\/2$/, "disconnect");
    await failure(syncFiles(options), /weights/);
    store.mend();
    store.uploads.clear();
    const bytes: number[] = [];
    await syncFiles({ ...options, onProgress: ({ bytesDone }) => bytes.push(bytesDone) });
    assert.equal(store.files.size, 1);
    assert.equal(bytes.at(-1), LARGE_BYTES);
  });

  for (const step of ["initiate", "complete"] as const) {
    test(`that loses the response to ${step} is not a failure`, async () => {
      await using store = await FileStore.start();
      using folder = new ContextFolder({ "a.txt": "a" });
      store.break("POST", new RegExp(step), "lose", 1);
      const { uploaded } = await syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK });
      assert.equal(uploaded, 1);
      assert.equal(store.files.size, 1);
    });
  }

  test("that transfers nothing for a while is closed and retried", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a.txt": "a" });
    store.break("PUT", /./, "stall", 1);
    await syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK, stallTimeoutMs: 1_000 });
    assert.equal(store.count(/^PUT/), 2);
    store.break("PUT", /./, "stall");
    folder.write("a.txt", "b");
    await failure(
      syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK, stallTimeoutMs: 50 }),
      /^Uploading a\.txt failed: no data was transferred for 0\.05 s\. \(3 tries\)$/,
    );
  });
});

describe("a response of the store", () => {
  test("with 429 is retried after its Retry-After, or after two seconds without one", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a.txt": "a", "b.txt": "b" });
    store.break("PUT", /./, { status: 429, retryAfter: "1" }, 1);
    store.break("POST", /complete/, { status: 429 }, 1);
    const start = performance.now();
    const [file] = await folder.collect();
    assert.ok(file !== undefined);
    await syncFiles({ files: [file], rest: store.rest(), ...QUICK });
    const tookMs = performance.now() - start;
    // Far less than a minute, so the second was not mistaken for one.
    assert.ok(tookMs >= 2990 && tookMs < 30_000, `${tookMs} ms`);
  });

  test("with 429 and a Retry-After of minutes is reported, not retried", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a.txt": "a" });
    store.break("PUT", /./, { status: 429, detail: "Slow down.", retryAfter: "3600" });
    await failure(
      syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK }),
      /^Uploading a\.txt failed: Slow down \(HTTP 429\)\. Try again in 3600 s\.$/,
    );
    assert.equal(store.count(/^PUT/), 1);
  });

  test("with 5xx is tried three times in total", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a.txt": "a" });
    store.break("POST", /initiate/, { status: 503 }, 2);
    await syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK });
    assert.equal(store.count(/initiate/), 3);
    folder.write("a.txt", "b");
    store.break("POST", /initiate/, { status: 502, detail: "no upstream" });
    await failure(
      syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK }),
      /^Uploading a\.txt failed: no upstream \(HTTP 502\)\. \(3 tries\)$/,
    );
    assert.equal(store.count(/initiate/), 6);
  });

  test("with another 4xx fails immediately with its detail, and cancels the upload", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a.txt": "a" });
    store.break("PUT", /./, { status: 403, detail: "Your team has no\nroom left." });
    const error = await failure(
      syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK }),
      /^Uploading a\.txt failed: Your team has no room left \(HTTP 403\)\.$/,
    );
    assert.equal((error as FalServerlessError & { status?: number }).status, 403);
    assert.equal(store.count(/^PUT/), 1);
    assert.equal(store.count(/cancel$/), 1);
    assert.equal(store.uploads.size, 0);
  });

  for (const [method, path] of [
    ["POST", /initiate/],
    ["PUT", /./],
    ["POST", /complete/],
  ] as const) {
    test(`with 409 to ${method} ${path.source} means that the file exists, and leaves no upload open`, async () => {
      await using store = await FileStore.start();
      using folder = new ContextFolder({ "a.txt": "a" });
      store.break(method, path, { status: 409, detail: "File already exists" });
      const { uploaded } = await syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK });
      assert.equal(uploaded, 1);
      assert.equal(store.uploads.size, 0);
    });
  }

  for (const [title, fault] of [
    ["an error", { status: 500 }],
    ["a refusal", { status: 404 }],
    ["garbage", "garbage"],
    ["silence", "disconnect"],
  ] as const) {
    test(`to the check for missing files that is ${title} makes everything be uploaded, with a warning`, async () => {
      await using store = await FileStore.start();
      using folder = new ContextFolder({ "a.txt": "a", "b.txt": "b" });
      const files = await folder.collect();
      await syncFiles({ files: files.slice(0, 1), rest: store.rest() });
      store.break("POST", /missing_hashes/, fault);
      const warnings: string[] = [];
      const onWarning = (message: string): void => void warnings.push(message);
      const { uploaded } = await syncFiles({ files, rest: store.rest(), onWarning, ...QUICK });
      assert.equal(uploaded, 2);
      assert.equal(store.files.size, 2);
      assert.match(
        warnings.join("\n"),
        /^Asking for the files that are missing failed: .* All files were uploaded\.$/,
      );
    });
  }

  for (const [method, path] of [
    ["POST", /initiate/],
    ["PUT", /./],
    ["POST", /complete/],
  ] as const) {
    test(`that is garbage to ${method} ${path.source} is a clear one-line error`, async () => {
      await using store = await FileStore.start();
      using folder = new ContextFolder({ "a.txt": "a" });
      store.break(method, path, "garbage");
      await failure(
        syncFiles({ files: await folder.collect(), rest: store.rest(), ...QUICK }),
        /^Uploading a\.txt failed: the answer has no \w+; is the host the REST side of a control plane\?$/,
      );
    });
  }

  test("that never ends is abandoned", async () => {
    using folder = new ContextFolder({ "a.txt": "a" });
    const endless: RestCall = async () =>
      new Response(
        new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(2 ** 22)) }),
      );
    await failure(
      syncFiles({ files: await folder.collect(), rest: endless, ...QUICK }),
      /is longer than 64 MiB\.$/,
    );
  });
});

test("an unreachable host is a clear one-line error, without a warning", async () => {
  const port = await freePort();
  using folder = new ContextFolder({ "a.txt": "a" });
  const rest = restTo(`http://127.0.0.1:${port}`);
  const warnings: string[] = [];
  const onWarning = (message: string): void => void warnings.push(message);
  const sync = syncFiles({ files: await folder.collect(), rest, onWarning, ...QUICK });
  await failure(sync, /^Uploading a\.txt failed: .*ECONNREFUSED.* \(3 tries\)$/);
  assert.deepEqual(warnings, []);
});

describe("through the client's own REST connection", () => {
  const credentials = parseKey("key-id:key-secret", "the test");
  const sender = (url: string): RestCall => {
    const endpoint = { url, host: new URL(url).host, isPlaintext: true, origin: "the test" };
    return new Rest({ endpoint, credentials }).send;
  };

  test("a broken connection that recovers is not a failure", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    store.break("PUT", /\/2$/, "disconnect", 2);
    const { uploaded } = await syncFiles({
      files: await folder.collect(),
      rest: sender(store.url),
      ...QUICK,
    });
    assert.equal(uploaded, 1);
    assert.equal(store.count(/^PUT/), 5);
  });

  test("a key that the store repeats, and terminal control characters, are in no message", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a.txt": "a" });
    const files = await folder.collect();
    store.break("POST", /initiate/, { status: 400, detail: "Bad key key-id:key-secret\u001b[31m\u0007" });
    const error = await failure(
      syncFiles({ files, rest: sender(store.url), ...QUICK }),
      /^Uploading a\.txt failed: Bad key key-id:… \(HTTP 400\)\.$/,
    );
    assert.doesNotMatch(inspect(error, { depth: 10 }), /key-secret/);
  });

  test("a key in a status text without a body, even a non-ASCII one, is not shown either", async () => {
    const server = createHttpServer((_, to) => void to.writeHead(400, "Not key-secret here\u00ff").end());
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      using folder = new ContextFolder({ "a.txt": "a" });
      const { port } = server.address() as { port: number };
      const rest = sender(`http://127.0.0.1:${port}`);
      await failure(
        syncFiles({ files: await folder.collect(), rest, ...QUICK }),
        /^Uploading a\.txt failed: Not \.\.\. here \(HTTP 400\)\.$/,
      );
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("a changed file is reported as such, and an unreachable host with that connection's error", async () => {
    const store = await FileStore.start();
    using folder = new ContextFolder({ weights: largeFile() });
    const files = await folder.collect();
    const rest = sender(store.url);
    const slow: RestCall = async (request) => {
      if (request.path.endsWith("/initiate")) truncateSync(`${folder.path}/weights`, 9);
      return rest(request);
    };
    await failure(syncFiles({ files, rest: slow, ...QUICK }), /^weights changed while it was uploaded/);
    await store[Symbol.asyncDispose]();
    const error = await failure(
      syncFiles({ files, rest, ...QUICK }),
      /^Uploading weights failed: The control plane's REST side at .* could not be reached: .* \(3 tries\)$/,
    );
    assert.doesNotMatch(inspect(error, { depth: 10 }), /key-secret/);
  });
});

test("an error of the caller's own function is passed on without a retry", async () => {
  using folder = new ContextFolder({ "a.txt": "a" });
  const fault = new FalServerlessError("USAGE", "no key");
  let calls = 0;
  const rest: RestCall = async () => {
    calls++;
    throw fault;
  };
  await assert.rejects(syncFiles({ files: await folder.collect(), rest }), (error) => error === fault);
  assert.equal(calls, 1);
});

describe("a file that changes while it is uploaded", () => {
  for (const [title, change] of [
    ["in place, with its old time", (path: string) => overwrite(path, LARGE_BYTES - 7)],
    ["by losing its end", (path: string) => truncateSync(path, LARGE_BYTES - 9)],
    ["by becoming empty", (path: string) => truncateSync(path, 0)],
  ] as const) {
    test(`${title}, is a clear error and leaves no upload`, async () => {
      await using store = await FileStore.start();
      using folder = new ContextFolder({ weights: largeFile() });
      const files = await folder.collect();
      const rest = store.rest();
      const slow: RestCall = async (request) => {
        if (request.path.endsWith("/initiate")) change(`${folder.path}/weights`);
        return rest(request);
      };
      await failure(syncFiles({ files, rest: slow }), /^weights changed while it was uploaded; deploy again/);
      assert.equal(store.files.size, 0);
      assert.equal(store.uploads.size, 0);
    });
  }

  test("by being deleted, is a clear error and leaves no upload", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ "a.txt": "a" });
    const rest = store.rest();
    const slow: RestCall = async (request) => {
      if (request.path.endsWith("/initiate")) folder[Symbol.dispose]();
      return rest(request);
    };
    await failure(
      syncFiles({ files: await folder.collect(), rest: slow }),
      /^a\.txt cannot be read: it no longer exists\.$/,
    );
    assert.equal(store.uploads.size, 0);
  });

  test("by growing at its end only, is uploaded as it was", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ log: "one\n" });
    const rest = store.rest();
    const slow: RestCall = async (request) => {
      if (request.path.endsWith("/initiate")) writeFileSync(`${folder.path}/log`, "two\n", { flag: "a" });
      return rest(request);
    };
    const { files } = await syncFiles({ files: await folder.collect(), rest: slow });
    assert.equal(String(await store.read(files[0]?.hash ?? "")), "one\n");
  });
});

/** Changes one byte of a file, and restores its times. */
function overwrite(path: string, position: number): void {
  const { atime, mtime } = statSync(path);
  const file = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, position);
  writeSync(file, Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, position);
  closeSync(file);
  utimesSync(path, atime, mtime);
}

describe("a cancelled sync", () => {
  test("leaves no upload in the store that was being opened", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder();
    for (let file = 0; file < 8; file++) folder.write(`file-${file}`, `content ${file}`);
    const controller = new AbortController();
    const sync = syncFiles({ files: await folder.collect(), rest: store.rest(), signal: controller.signal });
    const rejected = assert.rejects(sync, /enough/);
    await store.asked(/initiate/, 3);
    controller.abort(new Error("enough"));
    await rejected;
    assert.equal(store.uploads.size, 0);
    assert.equal(store.count(/cancel$/), store.count(/initiate$/));
  });

  test("rejects with the signal's reason and cancels each of its uploads", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ a: largeFile(), b: largeFile(), c: "c" });
    const controller = new AbortController();
    const reason = new Error("enough");
    store.break("PUT", /\/3$/, "stall");
    const sync = syncFiles({ files: await folder.collect(), rest: store.rest(), signal: controller.signal });
    await Promise.all([
      store.asked(/^PUT .*\/3$/, 2),
      assert.rejects(afterAsked(store, controller, sync, reason), reason),
    ]);
    assert.equal(store.uploads.size, 0);
  });

  test("during the wait before a retry ends immediately", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ a: "a" });
    const controller = new AbortController();
    store.break("PUT", /./, { status: 429, retryAfter: "100" });
    const sync = syncFiles({ files: await folder.collect(), rest: store.rest(), signal: controller.signal });
    const rejected = assert.rejects(sync, { name: "AbortError" });
    await store.asked(/^PUT/);
    setImmediate(() => controller.abort());
    await rejected;
    assert.equal(store.uploads.size, 0);
  });

  test("that has not begun sends no request", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ a: "a" });
    const signal = AbortSignal.abort();
    const files = await folder.collect();
    await assert.rejects(syncFiles({ files, rest: store.rest(), signal }), { name: "AbortError" });
    assert.deepEqual(store.requests, []);
  });

  test("leaves no listener on the caller's signal, and neither does a successful one", async () => {
    await using store = await FileStore.start();
    using folder = new ContextFolder({ a: "a" });
    const { signal } = new AbortController();
    await syncFiles({ files: await folder.collect(), rest: store.rest(), signal });
    assert.deepEqual(events.getEventListeners(signal, "abort"), []);
  });
});

/** Aborts once both large files have sent their last part. */
async function afterAsked(
  store: FileStore,
  controller: AbortController,
  sync: Promise<unknown>,
  reason: Error,
): Promise<unknown> {
  sync.catch(() => {});
  await store.asked(/^PUT .*\/3$/, 2);
  controller.abort(reason);
  return sync;
}
