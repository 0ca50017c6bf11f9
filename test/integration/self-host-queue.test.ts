import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { createFalClient, type FalClient, type QueueStatus } from "@fal-ai/client";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { appProject, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;

/** An app whose requests end when a file is there, so that a test decides how long they run. */
const APP = `
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Type } from "${typebox}";
import { App, AppException, endpoint } from "servable";
const In = Type.Object({ name: Type.String(), gate: Type.Optional(Type.String()), status: Type.Optional(Type.Integer()),
  failOnce: Type.Optional(Type.String()) });
const Out = Type.Object({ text: Type.String(), attempt: Type.String() });
const order = [];
const cancelled = new Set();
export default class Worker extends App {
  static maxConcurrency = 1;
  static minConcurrency = 1;
  @endpoint("/", { input: In, output: Out })
  async work({ name, gate, status, failOnce }, { headers }) {
    order.push(name);
    if (failOnce !== undefined && !existsSync(failOnce)) {
      writeFileSync(failOnce, "");
      throw new AppException("Once.", 503);
    }
    while (gate !== undefined && !existsSync(gate)) {
      if (cancelled.has(headers["x-fal-request-id"])) throw new AppException("Stopped.", 499);
      await pause(10);
    }
    if (status !== undefined) throw new AppException("As wished.", status);
    return { text: "Hello " + name, attempt: headers["x-fal-attempt"] };
  }
  @endpoint("/slow", { input: In, output: Out })
  async slow(input, context) { return this.work(input, context); }
  @endpoint("/slow/cancel")
  async cancel({ headers }) {
    cancelled.add(headers["x-fal-request-id"]);
    return {};
  }
  @endpoint("/order", { input: Type.Any(), output: Type.Any() })
  async order() { return order; }
}
`;

let host: TestPlatform;
let project: string;
before(async () => {
  project = appProject({ "app.ts": APP });
  host = await TestPlatform.start();
  await host.deploy(join(project, "app.ts"), { appName: "worker", environment: "main" });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

/** The official JavaScript client, whose hosts are fixed; its requests are redirected to the platform. */
function falClient(key = host.key): FalClient {
  return createFalClient({
    credentials: key,
    fetch: (url, init) =>
      fetch(
        String(url)
          .replace(/^https:\/\/queue\.fal\.run/, `${host.url}/queue`)
          .replace(/^https:\/\/(?:fal\.run|rest\.fal\.ai)/, host.url),
        init,
      ),
  });
}

/** A gate that the app waits for. */
function newGate(): { readonly path: string; open(): void } {
  const path = join(project, `gate-${randomUUID()}`);
  return { path, open: () => writeFileSync(path, "") };
}

const MAX_POLLS = 500;

/** Waits until a request has a status. */
async function until(id: string, status: QueueStatus["status"], fal = falClient()): Promise<QueueStatus> {
  for (let count = 0; ; count++) {
    const seen = await fal.queue.status("me/worker", { requestId: id });
    if (seen.status === status) return seen;
    assert.ok(count < MAX_POLLS, `${id} is ${JSON.stringify(seen)}, and should be ${status}`);
    assert.notEqual(seen.status, "COMPLETED", `${id} has ended before it was ${status}`);
    await pause(20);
  }
}

/** Submits a request by hand. */
function submit(
  input: object,
  { path = "", headers = {} }: { readonly path?: string; readonly headers?: Record<string, string> } = {},
): Promise<Response> {
  return host.call(`/queue/me/worker${path}`, input, { headers });
}

async function idOf(answer: Response | Promise<Response>): Promise<string> {
  const response = await answer;
  assert.equal(response.status, 200);
  return ((await response.json()) as { request_id: string }).request_id;
}

/** Keeps the only runner busy until it is let go. */
async function occupy(path = ""): Promise<{ readonly id: string; open(): void }> {
  const gate = newGate();
  const id = await idOf(submit({ name: "occupier", gate: gate.path }, { path }));
  await until(id, "IN_PROGRESS");
  return { id, open: gate.open };
}

function get(path: string): Promise<Response> {
  return fetch(`${host.url}${path}`, { headers: host.headers });
}

const timeout = 60_000;

describe("the official JavaScript client, unchanged, uses the queue", { timeout }, () => {
  test("subscribes by polling and by streaming", async () => {
    const fal = falClient();
    for (const mode of ["polling", "streaming"] as const) {
      const seen: QueueStatus["status"][] = [];
      const { data, requestId } = await fal.subscribe("me/worker", {
        input: { name: mode },
        mode,
        onQueueUpdate: ({ status }) => seen.push(status),
      });
      assert.deepEqual(data, { text: `Hello ${mode}`, attempt: "1" });
      assert.match(requestId, /^[0-9a-f-]{36}$/);
      assert.equal(seen.at(-1), "COMPLETED");
    }
  });

  test("submits, sees the position, follows the states and reads the answer", async () => {
    const fal = falClient();
    const first = await occupy();
    const gate = newGate();
    const { request_id: id } = await fal.queue.submit("me/worker", {
      input: { name: "second", gate: gate.path },
    });
    const third = await fal.queue.submit("me/worker", { input: { name: "third" }, priority: "low" });
    const waiting = (await until(third.request_id, "IN_QUEUE")) as QueueStatus & { reason: string };
    assert.equal(waiting.status === "IN_QUEUE" && waiting.queue_position, 1);
    assert.match(waiting.reason, /^behind 1 request, all 1 runners are busy/);
    const stream = await fal.queue.streamStatus("me/worker", { requestId: id });
    const seen: string[] = [];
    stream.on("data", ({ status }: QueueStatus) => {
      seen.push(status);
      if (status === "IN_QUEUE") first.open();
      if (status === "IN_PROGRESS") gate.open();
    });
    const last = (await stream.done()) as QueueStatus;
    assert.deepEqual(seen, ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]);
    assert.ok(last.status === "COMPLETED" && (last.metrics?.inference_time ?? 0) > 0);
    const { data, requestId } = await fal.queue.result("me/worker", { requestId: id });
    assert.deepEqual(data, { text: "Hello second", attempt: "1" });
    assert.equal(requestId, id);
    assert.deepEqual((await fal.queue.result("me/worker", { requestId: first.id })).data, {
      text: "Hello occupier",
      attempt: "1",
    });
    await until(third.request_id, "COMPLETED");
  });

  test("reads failures when it fetches the answer", async () => {
    const fal = falClient();
    for (const status of [409, 500]) {
      const { request_id: id } = await fal.queue.submit("me/worker", { input: { name: "x", status } });
      await until(id, "COMPLETED");
      await assert.rejects(fal.queue.result("me/worker", { requestId: id }), { status });
    }
    const invalid = await fal.queue.submit("me/worker", { input: {} });
    await until(invalid.request_id, "COMPLETED");
    await assert.rejects(fal.queue.result("me/worker", { requestId: invalid.request_id }), {
      name: "ValidationError",
    });
  });

  test("cancels in each state", async () => {
    const fal = falClient();
    const running = await occupy("/slow");
    const { request_id: waiting } = await fal.queue.submit("me/worker", { input: { name: "never" } });
    await fal.queue.cancel("me/worker", { requestId: waiting });
    await until(waiting, "COMPLETED");
    await assert.rejects(fal.queue.result("me/worker", { requestId: waiting }), { status: 499 });
    await assert.rejects(fal.queue.cancel("me/worker", { requestId: waiting }), { status: 400 });
    await assert.rejects(fal.queue.result("me/worker", { requestId: running.id }), { status: 400 });
    await fal.queue.cancel("me/worker", { requestId: running.id });
    await until(running.id, "COMPLETED");
    await assert.rejects(fal.queue.result("me/worker", { requestId: running.id }), { status: 499 });
    await assert.rejects(fal.queue.cancel("me/worker", { requestId: randomUUID() }), { status: 404 });
    assert.ok(!(await order()).includes("never"));
  });
});

async function order(): Promise<string[]> {
  return (await (await host.call("/me/worker/order", {})).json()) as string[];
}

describe("the queue over HTTP", { timeout }, () => {
  test("answers by the contract: addresses, codes, logs, slashes", async () => {
    const busy = await occupy();
    const answer = await submit({ name: "a" }, { path: "/" });
    const body = (await answer.json()) as Record<string, string>;
    const id = body["request_id"] ?? "";
    const base = `${host.url}/queue/me/worker/requests/${id}`;
    assert.deepEqual(body, {
      ...{ status: "IN_QUEUE", request_id: id, queue_position: 0 },
      ...{ response_url: base, status_url: `${base}/status`, cancel_url: `${base}/cancel` },
    });
    assert.equal(answer.headers.get("x-fal-request-id"), id);
    const path = `/queue/me/worker/requests/${id}`;
    assert.equal((await get(`${path}/status`)).status, 202);
    const running = await get(`/queue/me/worker/requests/${busy.id}/status/?logs=false`);
    assert.equal(running.status, 202);
    const status = (await running.json()) as Record<string, unknown>;
    assert.equal(status["status"], "IN_PROGRESS");
    assert.equal(status["logs"], null);
    assert.match(String(status["runner"]), /^[0-9a-f-]{36}$/);
    assert.equal((await get(path)).status, 400);
    busy.open();
    await until(id, "COMPLETED");
    const done = await get(`${path}/status?logs=true`);
    assert.equal(done.status, 200);
    assert.deepEqual(((await done.json()) as Record<string, unknown>)["logs"], []);
    const result = await get(`${path}/`);
    assert.equal(result.status, 200);
    assert.match(String(result.headers.get("content-type")), /^application\/json/);
    assert.deepEqual(await result.json(), { text: "Hello a", attempt: "1" });
    for (const unknown of [randomUUID(), "nonsense"]) {
      assert.equal((await get(`/queue/me/worker/requests/${unknown}`)).status, 404);
      assert.equal((await get(`/queue/me/worker/requests/${unknown}/status`)).status, 404);
    }
  });

  test("is at hosts that begin with queue., too", async () => {
    const headers = {
      ...host.headers,
      "x-forwarded-host": "queue.example.com",
      "x-forwarded-proto": "https",
    };
    const answer = await host.call("/me/worker", { name: "a" }, { headers });
    const { request_id: id, status_url } = (await answer.json()) as Record<string, string>;
    assert.equal(status_url, `https://queue.example.com/me/worker/requests/${id}/status`);
  });

  test("is for keys that may call the app", async () => {
    const id = await idOf(submit({ name: "mine" }));
    const url = `${host.url}/queue/me/worker/requests/${id}`;
    assert.equal((await fetch(url)).status, 401);
    assert.equal((await fetch(`${host.url}/queue/me/worker`, { method: "POST" })).status, 401);
    assert.equal((await get(`/queue/me/other/requests/${id}`)).status, 404);
  });

  test("runs normal requests before low ones, each in their order", async () => {
    const before = await order(); // waits in the same line
    const busy = await occupy();
    const ids: string[] = [];
    for (const name of ["low1", "low2", "n1", "n2", "low3", "n3"]) {
      const priority = name.startsWith("low") ? "low" : "normal";
      ids.push(await idOf(submit({ name }, { headers: { "x-fal-queue-priority": priority } })));
    }
    const positions = [];
    for (const id of ids) {
      const seen = await until(id, "IN_QUEUE");
      positions.push(seen.status === "IN_QUEUE" && seen.queue_position);
    }
    assert.deepEqual(positions, [3, 4, 0, 1, 5, 2]);
    busy.open();
    for (const id of ids) await until(id, "COMPLETED");
    const ran = (await order()).slice(before.length).filter((name) => name !== "occupier");
    assert.deepEqual(ran, ["n1", "n2", "n3", "low1", "low2", "low3"]);
    const refused = await submit({ name: "x" }, { headers: { "x-fal-queue-priority": "urgent" } });
    assert.equal(refused.status, 400);
  });

  test("answers a repeated submission with the first request, for each key alone", async () => {
    const busy = await occupy();
    const headers = { "x-fal-request-id": "order-17" };
    const [first, ...others] = await Promise.all(
      Array.from({ length: 8 }, () => idOf(submit({ name: "once" }, { headers }))),
    );
    assert.deepEqual(new Set(others), new Set([first]));
    const key = await host.platform.createKey("another");
    const authorization = `Key ${key}`;
    const foreign = await idOf(submit({ name: "other" }, { headers: { ...headers, authorization } }));
    assert.notEqual(foreign, first);
    busy.open();
    await until(foreign, "COMPLETED");
    assert.equal(await idOf(submit({ name: "once" }, { headers })), first);
    assert.equal((await order()).filter((name) => name === "once").length, 1);
  });

  test("ends a request that does not start in time, and refuses one that finds too many", async () => {
    const busy = await occupy();
    const late = await idOf(submit({ name: "late" }, { headers: { "x-fal-request-timeout": "0.2" } }));
    const full = await submit({ name: "x" }, { path: "?fal_max_queue_length=1" });
    assert.equal(full.status, 429);
    const status = (await until(late, "COMPLETED")) as QueueStatus & { error_type: string };
    assert.equal(status.error_type, "startup_timeout");
    const result = await get(`/queue/me/worker/requests/${late}`);
    assert.equal(result.status, 504);
    assert.equal(result.headers.get("x-fal-request-timeout-type"), "user");
    // The time stops when the request begins.
    const started = await idOf(submit({ name: "in time" }, { headers: { "x-fal-request-timeout": "30" } }));
    busy.open();
    await until(started, "COMPLETED");
    assert.equal((await get(`/queue/me/worker/requests/${started}`)).status, 200);
    assert.ok(!(await order()).includes("late"));
    const bad = await submit({ name: "x" }, { headers: { "x-fal-request-timeout": "soon" } });
    assert.equal(bad.status, 400);
  });

  test("is counted and emptied by app and by key", async () => {
    const busy = await occupy();
    const key = await host.platform.createKey("third");
    const headers = { authorization: `Key ${key}` };
    const kept = await idOf(submit({ name: "kept" }));
    const flushed = await idOf(submit({ name: "flushed" }, { headers }));
    const path = "/applications/me/worker/queue";
    const [keyId = ""] = key.split(":");
    const size = async (): Promise<unknown> => (await get(`${path}?by_user=true`)).json();
    const [ownId = ""] = host.key.split(":");
    assert.deepEqual(await size(), { size: 2, by_user: { [ownId]: 1, [keyId]: 1 } });
    const flush = await fetch(`${host.url}${path}?caller_user_id=${keyId}`, {
      method: "DELETE",
      headers: host.headers,
    });
    assert.deepEqual(await flush.json(), { cancelled: 1 });
    assert.deepEqual(await size(), { size: 1, by_user: { [ownId]: 1 } });
    busy.open();
    await until(kept, "COMPLETED");
    assert.equal((await get(`/queue/me/worker/requests/${flushed}`)).status, 499);
    assert.equal((await get("/applications/me/nothing/queue")).status, 404);
  });

  test("removes input and answer after they were fetched with x-fal-store-io: 0", async () => {
    const id = await idOf(submit({ name: "secret" }, { headers: { "x-fal-store-io": "0" } }));
    await until(id, "COMPLETED");
    const path = `/queue/me/worker/requests/${id}`;
    assert.deepEqual(await (await get(path)).json(), { text: "Hello secret", attempt: "1" });
    for (let status = 200; status !== 404;) ({ status } = await get(path));
    assert.equal((await get(`${path}/status`)).status, 200);
  });

  test("tries again after 503 on another runner, with the number of the attempt", async () => {
    const once = join(project, "fail-once");
    const { data } = await falClient().subscribe("me/worker", {
      input: { name: "again", failOnce: once },
      pollInterval: 50,
    });
    assert.deepEqual(data, { text: "Hello again", attempt: "2" });
    rmSync(once);
    const headers = { "x-fal-no-retry": "1" };
    const id = await idOf(submit({ name: "not again", failOnce: once }, { headers }));
    await until(id, "COMPLETED");
    assert.equal((await get(`/queue/me/worker/requests/${id}`)).status, 503);
  });
});
