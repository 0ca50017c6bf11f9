import assert from "node:assert/strict";
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { WebSocket } from "ws";
import { once } from "node:events";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { FileStore } from "../../src/controller/state/files.ts";
import { appProject, platformFolder, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const SETTINGS = `
[limits]
waiting_per_app = 3
waiting = 4
`;

let host: TestPlatform;
let project: string;
before(async () => {
  project = appProject({
    "app.ts": `
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
export default class Plain extends App {
  @endpoint("/", { input: Type.Object({}), output: Type.Object({}) })
  async call() { return {}; }
}
`,
  });
  const folder = platformFolder();
  writeFileSync(join(folder, "platform.toml"), SETTINGS);
  host = await TestPlatform.start({}, { folder });
  for (const appName of ["one", "two"]) {
    await host.deploy(join(project, "app.ts"), { appName, auth: "public" });
    // Nothing takes its requests.
    using connection = host.connection();
    await connection.unary(IsolateController.method.updateApplication, {
      applicationName: appName,
      maxConcurrency: 0,
    });
    const { runners } = await connection.unary(IsolateController.method.listAliasRunners, { alias: appName });
    for (const { runnerId } of runners) {
      await connection.unary(IsolateController.method.killRunner, { runnerId });
    }
    while ((await status(appName)).runners > 0) await delay(20);
  }
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

async function status(name: string): Promise<{ runners: number; waiting: number }> {
  const answer = await fetch(`${host.url}/platform/status`, { headers: host.headers });
  const { apps } = (await answer.json()) as {
    apps: { name: string; waiting: number; runners: Record<string, number> }[];
  };
  const app = apps.find((each) => each.name === name);
  const runners = Object.values(app?.runners ?? {}).reduce((sum, each) => sum + each, 0);
  return { runners, waiting: app?.waiting ?? 0 };
}

/** Begins a request that waits. */
async function wait(name: string, signal: AbortSignal): Promise<void> {
  const { waiting } = await status(name);
  host.call(`/me/${name}`, {}, { signal }).catch(() => {});
  while ((await status(name)).waiting === waiting) await delay(10);
}

async function refused(answer: Response, reason: RegExp): Promise<void> {
  assert.equal(answer.status, 429);
  assert.equal(answer.headers.get("x-fal-error-type"), "too_many_requests");
  assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
  assert.match(((await answer.json()) as { detail: string }).detail, reason);
}

test("requests that would wait beyond the limit of their app or of all are refused, and those that wait stay", async () => {
  const left = new AbortController();
  for (let count = 0; count < 3; count++) await wait("one", left.signal);
  await refused(await host.call("/me/one", {}), /^3 requests wait for a runner of one, as many as may wait/);
  const socket = new WebSocket(`${host.url.replace("http", "ws")}/me/one/realtime`);
  const [error] = (await once(socket, "error")) as [Error];
  assert.match(error.message, /429/);
  await wait("two", left.signal);
  await refused(await host.call("/me/two", {}), /^4 requests wait for a runner, as many as may wait/);
  assert.equal((await status("one")).waiting, 3);
  left.abort();
  while ((await status("one")).waiting + (await status("two")).waiting > 0) await delay(10);
});

test("parts of uploads that were not completed are removed after their time", async () => {
  const parts = join(host.folder, "files/parts");
  const dayAgo = new Date(Date.now() - 25 * 3_600_000);
  for (const name of ["old.1", "new.1"]) writeFileSync(join(parts, name), "x");
  utimesSync(join(parts, "old.1"), dayAgo, dayAgo);
  const files = new FileStore(join(host.folder, "files"));
  await files.collect(async () => new Set(), new Date(Date.now() - 24 * 3_600_000));
  assert.deepEqual(readdirSync(parts), ["new.1"]);
});
