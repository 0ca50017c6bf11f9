import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, mock, test } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { KVStore, type FalServerlessError } from "servable";
import { createFolder } from "../helpers/folders.ts";

const DAY_MS = 86_400_000;

/** Keys and values that are easily garbled. */
const KEYS = ["a", "a/b", "../up", "ü ☃ 😀", "%2e%2e/", "?x=1#y", "x".repeat(1_024), "\0", "__proto__"];

describe("a KVStore of this machine", () => {
  test("has what was set last under each key, until it is deleted", async () => {
    const store = new KVStore("db", { store: "local", folder: createFolder() });
    for (const key of KEYS) {
      assert.equal(await store.get(key), null);
      await store.set(key, `first ${key}`);
      await store.set(key, `value of ${key}`);
    }
    for (const key of KEYS) assert.equal(await store.get(key), `value of ${key}`);
    for (const key of KEYS) {
      await store.delete(key);
      await store.delete(key);
      assert.equal(await store.get(key), null);
    }
  });

  test("keeps databases and folders apart, and is shared by all stores of a name", async () => {
    const [one, two] = [createFolder(), createFolder()];
    await new KVStore("a", { store: "local", folder: one }).set("key", "1");
    assert.equal(await new KVStore("a", { store: "local", folder: one }).get("key"), "1");
    assert.equal(await new KVStore("b", { store: "local", folder: one }).get("key"), null);
    assert.equal(await new KVStore("a", { store: "local", folder: two }).get("key"), null);
  });

  test("forgets a value after its time", async () => {
    const store = new KVStore("db", { store: "local", folder: createFolder() });
    await store.set("key", "value", { ttlSeconds: 60 });
    assert.equal(await store.get("key"), "value");
    const later = Date.now() + DAY_MS;
    const clock = mock.method(Date, "now", () => later);
    assert.equal(await store.get("key"), null);
    clock.mock.restore();
  });

  test("loses no value that was set, and has no half of one, when its process is killed", async () => {
    const folder = createFolder();
    const program = fileURLToPath(new URL("../fixtures/kv-writer.ts", import.meta.url));
    const child = fork(program, [folder], { execArgv: process.execArgv });
    let last = -1;
    child.on("message", (index) => {
      last = index as number;
      if (last === 20) child.kill("SIGKILL");
    });
    await once(child, "exit");
    const store = new KVStore("db", { store: "local", folder });
    const value = await store.get("key");
    const [index, filling] = (value ?? "").split(" ");
    assert.ok(Number(index) >= last, `${index} after ${last}`);
    assert.equal(filling?.length, 100_000);
    const temporary = readdirSync(`${folder}/db`).filter((name) => name.endsWith(".tmp"));
    assert.ok(temporary.length <= 1);
  });

  test("removes expired values from the disk, and keeps the others", async () => {
    const folder = createFolder();
    const first = new KVStore("db", { store: "local", folder });
    await first.set("old", "value", { ttlSeconds: 60 });
    await first.set("kept", "value");
    const later = Date.now() + DAY_MS;
    const clock = mock.method(Date, "now", () => later);
    const second = new KVStore("db", { store: "local", folder });
    await second.set("new", "value", { ttlSeconds: 60 });
    assert.equal(readdirSync(`${folder}/db`).length, 2);
    assert.equal(await second.get("kept"), "value");
    assert.equal(await second.get("new"), "value");
    clock.mock.restore();
  });

  test("says which file is damaged", async () => {
    const folder = createFolder();
    const store = new KVStore("db", { store: "local", folder });
    await store.set("key", "value");
    const [name] = readdirSync(`${folder}/db`);
    writeFileSync(`${folder}/db/${name}`, '{"key":');
    await assert.rejects(store.get("key"), (error: FalServerlessError) => {
      assert.equal(error.code, "KV_FAILED");
      assert.ok(error.message.includes(String(name)), error.message);
      assert.match(error.message, /damaged/);
      return true;
    });
    await store.set("key", "again");
    assert.equal(await store.get("key"), "again");
  });

  test("says what to do if its folder can't be written", async () => {
    const store = new KVStore("db", { store: "local", folder: "/dev/null" });
    await assert.rejects(store.set("key", "value"), (error: FalServerlessError) => {
      assert.equal(error.code, "KV_FAILED");
      assert.match(error.message, /SERVABLE_CACHE_DIR/);
      return true;
    });
  });
});

describe("a KVStore at fal", () => {
  const values = new Map<string, string>();
  const seen: string[] = [];
  let tokens = 0;
  let failing: { readonly status: number; readonly body: string } | undefined;
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { method, url = "", headers } = request;
      seen.push(`${method} ${url} ${headers.authorization} ${body}`);
      if (url.startsWith("/storage/auth/token")) {
        const expires_at = new Date(Date.now() + DAY_MS).toISOString();
        return response.end(
          JSON.stringify({ token: `t${++tokens}`, token_type: "Bearer", base_url: "x", expires_at }),
        );
      }
      if (failing !== undefined) return response.writeHead(failing.status).end(failing.body);
      const [, action, db, key] = new URL(url, "http://kv").pathname.split("/");
      const name = `${db} ${decodeURIComponent(key as string)}`;
      if (action === "get" && !values.has(name)) return response.writeHead(404).end();
      if (action === "set") values.set(name, body);
      if (action === "delete") values.delete(name);
      response.end(action === "get" ? JSON.stringify({ value: values.get(name) }) : "{}");
    });
  });
  const given = { ...process.env };
  after(async () => {
    process.env = given;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function connect(): Promise<KVStore> {
    if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    process.env = { ...given, FAL_KEY: "id:secret", FAL_REST_HOST: origin, FAL_KV_HOST: origin };
    return new KVStore("db", { store: "fal" });
  }

  test("sends what fal's store takes, with one token for all calls", async () => {
    const store = await connect();
    await store.set("a/b", "value", { ttlSeconds: 60 });
    assert.equal(await store.get("a/b"), "value");
    assert.equal(await store.get("missing"), null);
    await store.delete("a/b");
    assert.equal(await store.get("a/b"), null);
    assert.deepEqual(seen, [
      "POST /storage/auth/token?storage_type=fal-cdn-v3 Key id:secret {}",
      "PUT /set/db/a%2Fb?ttl=60 Bearer t1 value",
      "GET /get/db/a%2Fb Bearer t1 ",
      "GET /get/db/missing Bearer t1 ",
      "DELETE /delete/db/a%2Fb Bearer t1 ",
      "GET /get/db/a%2Fb Bearer t1 ",
    ]);
  });

  test("has the same values under the same keys as one of this machine", async () => {
    const store = await connect();
    for (const key of KEYS) await store.set(key, key);
    for (const key of KEYS) assert.equal(await store.get(key), key);
  });

  test("fails with the status and the reason of fal", async () => {
    const store = await connect();
    failing = { status: 400, body: '{"error":"no such database"}' };
    await assert.rejects(store.get("key"), (error: FalServerlessError) => {
      assert.equal(error.code, "KV_FAILED");
      assert.match(error.message, /Error sending request. Status 400: no such database/);
      return true;
    });
    failing = undefined;
  });

  test("needs a key", async () => {
    const store = await connect();
    delete process.env["FAL_KEY"];
    await assert.rejects(store.get("key"), /set the variable FAL_KEY/);
  });
});

/** Arguments that are refused, each with words of the message. */
const REFUSED: readonly (readonly [title: string, call: () => unknown, words: RegExp])[] = [
  ["an empty name", () => new KVStore(""), /name of a KVStore/],
  ["a name with a slash", () => new KVStore("a/b"), /name of a KVStore/],
  ["a name that begins with a dot", () => new KVStore(".."), /name of a KVStore/],
  [
    "an unknown store",
    () => new KVStore("a", { store: "redis" as "fal" }),
    /"platform", "fal" or "local", got "redis"/,
  ],
  ["an empty key", () => new KVStore("a", { store: "local" }).get(""), /1 to 1024 bytes/],
  ["a long key", () => new KVStore("a", { store: "local" }).get("x".repeat(1_025)), /1 to 1024 bytes/],
  [
    "a key that addresses can't have",
    () => new KVStore("a", { store: "local" }).get(".."),
    /not "\." or "\.\."/,
  ],
  [
    "the platform's store without a platform",
    () => new KVStore("a", { store: "platform" }).get("k"),
    /runner of a self-hosted/,
  ],
  ["half of a character as a key", () => new KVStore("a").get("\ud800"), /1 to 1024 bytes/],
  ["a value that is no text", () => new KVStore("a").set("k", 5 as never), /write other values as JSON/],
  ["a short time", () => new KVStore("a").set("k", "v", { ttlSeconds: 59 }), /60 to 2592000, got 59/],
  ["a long time", () => new KVStore("a").set("k", "v", { ttlSeconds: 2_592_001 }), /got 2592001/],
  ["a broken time", () => new KVStore("a").set("k", "v", { ttlSeconds: 60.5 }), /got 60.5/],
];
for (const [title, call, words] of REFUSED) {
  test(`a KVStore refuses ${title}`, async () => {
    await assert.rejects(async () => call(), words);
  });
}
