import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Type, type Static } from "typebox";
import { fn, LocalHost, RequestCancelledException, type SpawnInfo } from "servable";
import { useFunctionCache } from "../helpers/function-cache.ts";

useFunctionCache();
// npm installs this package for the server, from npm's own registry.
const host = new LocalHost({ onLog: () => {} });
after(() => host.close());

const Wait = Type.Object({ ms: Type.Integer({ minimum: 0 }) }, { $id: "Wait" });
type Wait = Static<typeof Wait>;
const Waited = Type.Object({ waited: Type.Integer(), process: Type.Integer() }, { $id: "Waited" });
type Waited = Static<typeof Waited>;

const ports = { exposedPort: 0, metricsPort: 0 };

export const wait = fn(
  { host, serve: true, ...ports, input: Wait, output: Waited, requestTimeout: 2 },
  async ({ ms }: Wait): Promise<Waited> => {
    await sleep(ms);
    return { waited: ms, process: process.pid };
  },
);

export const called = fn({ host }, async ({ ms }: Wait): Promise<Waited> => {
  await sleep(ms);
  return { waited: ms, process: process.pid };
});

async function post(info: SpawnInfo, body: object): Promise<{ status: number; body: unknown }> {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await fetch(`${String(await info.url)}/`, init);
  return { status: answer.status, body: await answer.json() };
}

async function stop(info: SpawnInfo): Promise<void> {
  info.stream.cancel();
  await assert.rejects(info.result, RequestCancelledException);
}

test("a served function answers at /, checks its input, and has a document with its name", async () => {
  const info = wait.spawn();
  const { status, body } = await post(info, { ms: 1 });
  assert.equal(status, 200);
  assert.equal((body as Waited).waited, 1);
  assert.notEqual((body as Waited).process, process.pid);
  assert.equal((await post(info, { ms: -1 })).status, 422);
  const document = (await (await fetch(`${String(await info.url)}/openapi.json`)).json()) as {
    paths: Record<string, { post: { operationId: string } }>;
  };
  assert.equal(document.paths["/"]?.post.operationId, "wait");
  await stop(info);
});

test("requestTimeout limits each request of a served function, not the lifetime of its server", async () => {
  const info = wait.spawn();
  assert.equal((await post(info, { ms: 1 })).status, 200);
  assert.equal((await post(info, { ms: 20_000 })).status, 504);
  // By now the server has run for longer than the timeout.
  assert.equal((await post(info, { ms: 1 })).status, 200);
  await stop(info);
});

test("the copy of a function with serve: true is served, with its schemas", async () => {
  const info = called.on({ serve: true, ...ports, input: Wait, output: Waited }).spawn();
  assert.equal((await post(info, { ms: 2 })).status, 200);
  assert.equal((await post(info, { ms: "soon" })).status, 422);
  await stop(info);
});

test("a served function whose port is in use rejects its result and its url with that error", async () => {
  const first = wait.spawn();
  const port = Number(new URL(String(await first.url)).port);
  const second = wait.on({ serve: true, exposedPort: port, metricsPort: 0 }).spawn();
  await assert.rejects(second.result, /port/i);
  await assert.rejects(second.url, /port/i);
  await stop(first);
});
