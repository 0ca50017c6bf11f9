import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { encode } from "@msgpack/msgpack";
import { WebSocket } from "ws";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { IsolateController, RunnerInfo_State } from "../../src/platform/generated/controller_pb.ts";
import { Database } from "../../src/controller/store/database.ts";
import { PostgresServer } from "../../src/controller/store/postgres-server.ts";
import { appProject, platformFolder, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;

/** An app whose answers have its version, and that can be told to misbehave. */
const source = (version: string, setup = ""): string => `
import { Type } from "${typebox}";
import { existsSync } from "node:fs";
import { App, endpoint, KVStore, realtime } from "servable";
const In = Type.Object({ name: Type.String() });
const Out = Type.Object({ text: Type.String(), version: Type.String(), secret: Type.Optional(Type.String()), headers: Type.Optional(Type.Array(Type.String())) });
export default class Greeter extends App {
  static version = "${version}";
  static maxMultiplexing = 8;
  async setup() { ${setup} }
  @endpoint("/", { input: In, output: Out })
  async greet(input, ctx) {
    return { text: "Hello " + input.name, version: "${version}", secret: process.env.GREETING_SECRET, headers: Object.keys(ctx.headers) };
  }
  @endpoint("/count", { input: In, output: Out, stream: true })
  async *count(input) {
    for (let n = 0; n < 3; n++) yield { text: input.name + n, version: "${version}" };
  }
  @endpoint("/items/:id", { method: "GET", params: Type.Object({ id: Type.Integer() }), output: Out })
  async item(ctx) { return { text: String(ctx.params.id), version: "${version}" }; }
  @endpoint("/say", { input: In, output: Out })
  async say(input) { process.stdout.write("said " + input.name + "\\n"); return { text: "", version: "${version}" }; }
  #store = new KVStore("kept");
  @endpoint("/keep", { input: In, output: Out })
  async keep({ name }) {
    for (const key of JSON.parse(name)) await this.#store.set(key, "value of " + key, { ttlSeconds: 60 });
    return { text: process.env.SERVABLE_PLATFORM_TOKEN, version: "${version}" };
  }
  @endpoint("/kept", { input: In, output: Out })
  async kept({ name }) {
    const values = [];
    for (const key of JSON.parse(name)) {
      values.push(await this.#store.get(key));
      await this.#store.delete(key);
      values.push(await this.#store.get(key));
    }
    return { text: JSON.stringify(values), version: "${version}" };
  }
  @endpoint("/wait", { input: In, output: Out })
  async wait({ name }) {
    while (!existsSync(name)) await new Promise((resolve) => setTimeout(resolve, 20));
    return { text: "", version: "${version}" };
  }
  @endpoint("/hog", { input: In, output: Out })
  async hog() {
    const held = [];
    for (;;) {
      if (held.length < 20) held.push(Buffer.alloc(50_000_000, 1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  @endpoint("/crash", { input: In, output: Out })
  async crash() { process.kill(process.pid, "SIGKILL"); return new Promise(() => {}); }
  @realtime("/realtime", { input: In, output: Out })
  async live(input) { return { text: "Live " + input.name, version: "${version}" }; }
}
`;

let host: TestPlatform;
let project: string;
before(async () => {
  project = appProject({
    "app.ts": source("1"),
    "next.ts": source("2"),
    "broken.ts": source("3", 'throw new Error("no model here");'),
  });
  const folder = platformFolder();
  writeFileSync(join(folder, "platform.toml"), "[quotas]\nvalues_mb = 9\n");
  host = await TestPlatform.start({}, { folder });
  await host.deploy(join(project, "app.ts"), { appName: "greeter" });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

test("a deployed class answers at the address of its app", async () => {
  const answer = await host.call("/me/greeter", { name: "Ada" });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("x-fal-request-id") ?? "", /^[0-9a-f-]{36}$/);
  const { text, version } = (await answer.json()) as { text: string; version: string };
  assert.deepEqual({ text, version }, { text: "Hello Ada", version: "1" });
});

test("paths, methods and parameters reach the app", async () => {
  const item = await fetch(`${host.url}/me/greeter/items/7?x=1`, { headers: host.headers });
  assert.deepEqual(await item.json(), { text: "7", version: "1" });
  assert.equal((await fetch(`${host.url}/me/greeter/nothing`, { headers: host.headers })).status, 404);
  assert.equal((await host.call("/me/greeter", { name: 3 })).status, 422);
});

test("a stream arrives item by item", async () => {
  const answer = await host.call("/me/greeter/count", { name: "n" });
  assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
  const texts = [...(await answer.text()).matchAll(/"text":"(n\d)"/g)].map(([, text]) => text);
  assert.deepEqual(texts, ["n0", "n1", "n2"]);
});

test("a realtime session goes through the gateway", async () => {
  const address = `${host.url.replace("http", "ws")}/me/greeter/realtime`;
  const socket = new WebSocket(address, { headers: host.headers });
  await once(socket, "open");
  socket.send(encode({ name: "Ada" }));
  const [message] = (await once(socket, "message")) as [Buffer];
  assert.match(message.toString("latin1"), /Live Ada/);
  socket.close(1000);
  await once(socket, "close");
});

test("without a valid key, an app that is not public answers 401, also to sockets and for apps that do not exist", async () => {
  const others = ["", "Key a:b", "Bearer x", `Basic ${host.key}`, `Key ${host.key}x`];
  for (const authorization of others) {
    for (const path of ["/me/greeter", "/me/greeter/count", "/me/nothing"]) {
      const answer = await host.call(path, { name: "Ada" }, { headers: { authorization } });
      assert.equal(answer.status, 401, `${path} with "${authorization}"`);
      const body = (await answer.json()) as { error_type: string; message: string; detail: string };
      assert.equal(body.error_type, "unauthorized");
      assert.equal(body.message, body.detail);
    }
  }
  const socket = new WebSocket(`${host.url.replace("http", "ws")}/me/greeter/realtime`);
  const [error] = (await once(socket, "error")) as [Error];
  assert.match(error.message, /401/);
});

test("an app that does not exist is 404 for those with a key", async () => {
  const answer = await host.call("/me/nothing", {});
  assert.equal(answer.status, 404);
  assert.match(((await answer.json()) as { detail: string }).detail, /servable deploy/);
});

test("an app sees neither the key nor what only the platform may say", async () => {
  const answer = await host.call(
    "/me/greeter",
    { name: "Ada" },
    { headers: { "x-fal-endpoint": "forged", "x-other": "1" } },
  );
  const { headers } = (await answer.json()) as { headers: string[] };
  assert.ok(!headers.includes("authorization"));
  for (const name of [
    "x-other",
    "x-fal-request-id",
    "x-fal-endpoint",
    "x-fal-caller-user-id",
    "x-forwarded-for",
  ]) {
    assert.ok(headers.includes(name), name);
  }
});

test("a token opens the apps that it names, also in the query of a socket, and no others", async () => {
  const made = await host.call("/tokens/", { allowed_apps: ["greeter"], token_expiration: 60 });
  const token = (await made.json()) as string;
  const socket = new WebSocket(
    `${host.url.replace("http", "ws")}/me/greeter/realtime?fal_jwt_token=${token}`,
  );
  await once(socket, "open");
  socket.close(1000);
  await once(socket, "close");
  const bearer = { headers: { authorization: `Bearer ${token}` } };
  assert.equal((await host.call("/me/greeter", { name: "Ada" }, bearer)).status, 200);
  const other = await host.call("/tokens/", { allowed_apps: ["another"] });
  const wrong = { headers: { authorization: `Bearer ${(await other.json()) as string}` } };
  assert.equal((await host.call("/me/greeter", { name: "Ada" }, wrong)).status, 403);
  assert.equal((await host.call("/tokens/", { allowed_apps: ["another"] }, bearer)).status, 403);
});

test("the output of a runner is listed with times, newest first, in pages, and followed until the runner ends", async () => {
  const post = async (path: string): Promise<Response> =>
    fetch(`${host.url}${path}`, { method: "POST", headers: host.headers });
  const revision = await host.deploy(join(project, "app.ts"), { appName: "talker" });
  using connection = host.connection();
  const { runners } = await connection.unary(IsolateController.method.listAliasRunners, { alias: "talker" });
  const id = runners.find((runner) => runner.revision === revision.revision)?.runnerId ?? "";
  const followed = await post(`/logs/stream?job_id=${id}`);
  assert.match(followed.headers.get("content-type") ?? "", /^text\/event-stream/);
  await host.call("/me/talker/say", { name: "one" });
  await host.call("/me/talker/say", { name: "two" });
  await connection.unary(IsolateController.method.stopRunner, { runnerId: id });
  const lines = [...(await followed.text()).matchAll(/^data: (.*)$/gm)].map(
    ([, text]) => JSON.parse(text as string) as { message: string; level: string },
  );
  const said = lines.filter(({ message }) => message.startsWith("said "));
  assert.deepEqual(
    said.map(({ message, level }) => `${level} ${message}`),
    ["STDOUT said one", "STDOUT said two"],
  );
  assert.ok(lines.some(({ level }) => level === "INFO"));

  type Page = { items: { timestamp: string; message: string }[]; next_until: string | null };
  const pages: Page[] = [];
  let until: string | null = "";
  while (until !== null) {
    const page = (await (await post(`/logs/history?job_id=${id}&page_size=2&until=${until}`)).json()) as Page;
    pages.push(page);
    until = page.next_until;
  }
  const items = pages.flatMap((page) => page.items);
  assert.deepEqual(
    items.map(({ message }) => message),
    lines.map(({ message }) => message).toReversed(),
  );
  const times = items.map(({ timestamp }) => timestamp);
  assert.deepEqual(times, [...new Set(times)].toSorted().toReversed());
  const found = (await (await post(`/logs/history?job_id=${id}&search=said%20two`)).json()) as Page;
  assert.deepEqual(
    found.items.map(({ message }) => message),
    ["said two"],
  );
  assert.equal((await post("/logs/history?job_id=nobody")).status, 404);
  assert.equal((await post(`/logs/history?job_id=${id}&since=yesterday`)).status, 400);
});

test("a KVStore keeps its values on the platform, for the runners of apps alone, and longer than a runner", async () => {
  const keys = [
    "a",
    "a/b",
    "../up",
    "ü ☃ 😀",
    "%2e%2e/",
    "?x=1#y",
    "x".repeat(1_024),
    "\0",
    "__proto__",
    "k".repeat(99),
  ];
  const { text: token } = (await (
    await host.call("/me/greeter/keep", { name: JSON.stringify(keys) })
  ).json()) as {
    text: string;
  };
  const get = (authorization: string, action = "get/kept/a", method = "GET"): Promise<Response> =>
    fetch(`${host.url}/_platform/kv/${action}`, { method, headers: { authorization } });
  assert.deepEqual(await (await get(`Bearer ${token}`)).json(), { value: "value of a" });
  const flipped = token.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  const strangers = [
    "",
    `Key ${host.key}`,
    `Bearer ${flipped}`,
    `Bearer ${token.slice(0, 36)}.`,
    `Bearer ${token}A`,
  ];
  const store = (key: string, bytes: number): Promise<Response> =>
    fetch(`${host.url}/_platform/kv/set/full/${key}`, {
      ...{ method: "PUT", body: "x".repeat(bytes), headers: { authorization: `Bearer ${token}` } },
    });
  assert.equal((await store("a", 6_000_000)).status, 200);
  const refused = await store("b", 6_000_000);
  assert.equal(refused.status, 507);
  assert.match(await refused.text(), /insufficient_storage.*quotas\.values_mb of platform\.toml allows/);
  // A value in the place of another one, and one after another was deleted.
  assert.equal((await store("a", 8_000_000)).status, 200);
  assert.equal((await get(`Bearer ${token}`, "delete/full/a", "DELETE")).status, 200);
  assert.equal((await store("b", 8_000_000)).status, 200);
  assert.equal((await get(`Bearer ${token}`, "delete/full/b", "DELETE")).status, 200);
  for (const authorization of strangers) {
    assert.equal((await get(authorization)).status, 401, authorization);
    assert.equal((await get(authorization, "set/kept/a", "PUT")).status, 401);
    assert.equal((await get(authorization, "delete/kept/a", "DELETE")).status, 401);
  }
  for (const ttl of ["59", "1e9", "x", "60.5"]) {
    assert.equal((await get(`Bearer ${token}`, `set/kept/a?ttl=${ttl}`, "PUT")).status, 400, ttl);
  }
  const put = (body: Buffer): Promise<Response> =>
    fetch(`${host.url}/_platform/kv/set/kept/large`, {
      method: "PUT",
      body,
      headers: { authorization: `Bearer ${token}` },
    });
  assert.equal((await put(Buffer.from([0xff]))).status, 400);
  assert.equal((await put(Buffer.alloc(8 * 2 ** 20 + 1))).status, 413);
  assert.equal((await put(Buffer.alloc(8 * 2 ** 20, 1))).status, 200);
  assert.equal((await host.call("/me/greeter/crash", { name: "" })).status, 503);
  const kept = await host.call("/me/greeter/kept", { name: JSON.stringify([...keys, "large"]) });
  const body = await kept.text();
  assert.equal(kept.status, 200, body.slice(0, 500));
  const { text } = JSON.parse(body) as { text: string };
  const expected = keys.flatMap((key) => [`value of ${key}`, null]);
  assert.deepEqual(JSON.parse(text), [...expected, "\x01".repeat(8 * 2 ** 20), null]);
  // The runner that has crashed is forgotten, and its token with it.
  assert.equal((await get(`Bearer ${token}`)).status, 401);
});

test("a revision that does not get ready gets no requests, and the deployment says why", async () => {
  await assert.rejects(host.deploy(join(project, "broken.ts"), { appName: "greeter" }), /no model here/);
  const answer = await host.call("/me/greeter", { name: "Ada" });
  assert.equal(((await answer.json()) as { version: string }).version, "1");
  await assert.rejects(host.deploy(join(project, "broken.ts"), { appName: "never" }), /no model here/);
  assert.equal((await host.call("/me/never", {})).status, 404);
});

test("a new revision replaces the old one without a failed request", async () => {
  const versions = new Set<string>();
  const failures: string[] = [];
  let isDone = false;
  const callers = Array.from({ length: 8 }, async () => {
    while (!isDone) {
      const answer = await host.call("/me/greeter", { name: "Ada" });
      const text = await answer.text();
      if (answer.status === 200) versions.add((JSON.parse(text) as { version: string }).version);
      else failures.push(`${answer.status} ${text}`);
    }
  });
  await host.deploy(join(project, "next.ts"), { appName: "greeter" });
  const after = await host.call("/me/greeter", { name: "Ada" });
  assert.equal(((await after.json()) as { version: string }).version, "2");
  isDone = true;
  await Promise.all(callers);
  assert.deepEqual(failures, []);
  assert.deepEqual([...versions].toSorted(), ["1", "2"]);
});

test("a revision that is deleted leaves no files behind, and one that an app leads to stays", async () => {
  using connection = host.connection();
  const { revision: old } = await host.deploy(join(project, "app.ts"), { appName: "gone" });
  const { revision } = await host.deploy(join(project, "next.ts"), { appName: "gone" });
  const folderOf = (id: string): string => join(host.folder, "revisions", id);
  const remove = (applicationId: string): Promise<unknown> =>
    connection.unary(IsolateController.method.deleteApplication, { applicationId });
  assert.ok(existsSync(folderOf(old)));
  // Its runner has to end first.
  while (
    !(await remove(old).then(
      () => true,
      (error: unknown) => !/is in use/.test(String(error)),
    ))
  )
    await delay(50);
  assert.ok(!existsSync(folderOf(old)));
  await assert.rejects(remove(revision), /is in use/);
  assert.ok(existsSync(folderOf(revision)));
});

test("a new revision has as many ready runners as were busy before it gets the requests", async () => {
  using connection = host.connection();
  const scale = { applicationName: "wide", maxConcurrency: 3, maxMultiplexing: 1, keepAlive: 60 };
  await host.deploy(join(project, "app.ts"), { appName: "wide" });
  await connection.unary(IsolateController.method.updateApplication, scale);
  const busy = async (): Promise<number> => {
    const { runners } = await connection.unary(IsolateController.method.listAliasRunners, { alias: "wide" });
    return runners.filter(({ inFlightRequests }) => inFlightRequests > 0).length;
  };
  const signal = join(project, "go");
  const waiting = [1, 2].map(() => host.call("/me/wide/wait", { name: signal }));
  while ((await busy()) < 2) await delay(20);
  const { revision } = await host.deploy(join(project, "next.ts"), { appName: "wide" });
  const { runners } = await connection.unary(IsolateController.method.listAliasRunners, { alias: "wide" });
  const fresh = runners.filter((runner) => runner.revision === revision);
  assert.deepEqual(
    fresh.map(({ state }) => state),
    [RunnerInfo_State.IDLE, RunnerInfo_State.IDLE],
  );
  writeFileSync(signal, "");
  for (const answer of await Promise.all(waiting)) {
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { version: string }).version, "1");
  }
});

test("a runner that uses more memory than its machine type has is killed, with the reason, and its neighbours are not", async () => {
  await host.deploy(join(project, "app.ts"), { appName: "hog", machine: { machineType: "XS" } });
  const answer = await host.call("/me/hog/hog", { name: "Ada" });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get("x-fal-error-type"), "runner_disconnected");
  using connection = host.connection();
  const ended = async (): Promise<string | undefined> => {
    const startTime = timestampFromDate(new Date(Date.now() - 3_600_000));
    const { runners } = await connection.unary(IsolateController.method.listAliasRunners, {
      alias: "hog",
      startTime,
    });
    return runners
      .map(({ externalMetadata }) => externalMetadata?.["ending"])
      .find((text) => typeof text === "string");
  };
  let ending: string | undefined;
  while ((ending = await ended()) === undefined) await delay(20);
  assert.match(ending, /^it used \d+ MB of the 512 MB of machine type XS/);
  assert.equal((await host.call("/me/greeter", { name: "Ada" })).status, 200);
});

test("a runner that crashes fails its own request, and the next one gets a new runner", async () => {
  const answer = await host.call("/me/greeter/crash", { name: "Ada" });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get("x-fal-error-type"), "runner_disconnected");
  // A crash is followed by a pause; a deployment ends it.
  await host.deploy(join(project, "app.ts"), { appName: "greeter" });
  assert.equal((await host.call("/me/greeter", { name: "Ada" })).status, 200);
});

test("secrets of a build are nowhere in the files of the database", async () => {
  const token = "the-token-of-a-registry-4d1e";
  writeFileSync(join(project, ".npmrc"), `//registry.example.com/:_authToken=${token}\n`);
  await host.deploy(join(project, "app.ts"), { appName: "sealed" });
  assert.equal((await host.call("/me/sealed", { name: "Ada" })).status, 200);
  const folder = join(host.folder, "postgres");
  const database = await Database.open(PostgresServer.connectionOf(folder));
  const [row] = await database.query<{ text: string }>(
    "select definition::text as text from revisions where app = 'sealed'",
  );
  await database.query("checkpoint");
  await database.close();
  assert.match(row?.text ?? "", /"sealed_fields"/);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  assert.ok(files.length > 100);
  for (const { parentPath, name } of files) {
    assert.ok(!readFileSync(join(parentPath, name)).includes(token), `${name} has the token`);
  }
});
