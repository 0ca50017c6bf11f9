import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { PlatformStatus } from "../../src/controller/api/platform-status.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { appProject, platformFolder, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const APP = `
import { existsSync } from "node:fs";
import { App, endpoint } from "servable";
export default class Devices extends App {
  @endpoint("/devices", { method: "GET" })
  async devices() { return { devices: process.env.CUDA_VISIBLE_DEVICES }; }
  @endpoint("/wait", { method: "GET" })
  async wait() {
    while (!existsSync(process.env.HOME + "/../../go")) await new Promise((resolve) => setTimeout(resolve, 20));
    return {};
  }
}
`;
/** The memory of the machine is that of three such runners. */
const SETTINGS = `
[machine]
memory_mb = 1500
[machine.types.THIRD]
memory_mb = 500
[machine.types.FREE]
gpus = 0
`;
const GPUS = [
  { id: "GPU-a", name: "first" },
  { id: "GPU-b", name: "second" },
];

let host: TestPlatform;
let project: string;
before(async () => {
  project = appProject({ "app.ts": APP });
  const folder = platformFolder();
  writeFileSync(join(folder, "platform.toml"), SETTINGS);
  host = await TestPlatform.start({ gpus: GPUS }, { folder });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

async function json<Value>(path: string): Promise<Value> {
  const answer = await fetch(`${host.url}${path}`, { headers: host.headers });
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()) as Value;
}

const deploy = (appName: string, machine: object, onLog?: (message: string) => void): Promise<unknown> =>
  host.deploy(join(project, "app.ts"), {
    ...{ appName, machine: { machineType: "FREE", ...machine } },
    onLog: ({ message }) => onLog?.(message),
  });

async function scale(applicationName: string, change: object): Promise<void> {
  using connection = host.connection();
  await connection.unary(IsolateController.method.updateApplication, { applicationName, ...change });
}

async function remove(alias: string): Promise<void> {
  using connection = host.connection();
  await connection.unary(IsolateController.method.deleteAlias, { alias });
}

test("an app that needs more than the machine has is refused by name", async () => {
  await assert.rejects(deploy("greedy", { numGpus: 3 }), /needs 3 GPUs, and this platform has 2/);
  await assert.rejects(
    deploy("greedy", { machineType: "M" }),
    /machine type M has 2 GB .* 1\.5 GB for all runners/,
  );
});

test("a runner sees its own devices, and an app without any sees none", async () => {
  await deploy("none", {});
  await deploy("one", { numGpus: 1, minConcurrency: 1 });
  assert.deepEqual(await json("/me/none/devices"), { devices: "" });
  assert.deepEqual(await json("/me/one/devices"), { devices: "GPU-a" });
  const { machine } = await json<PlatformStatus>("/platform/status");
  assert.deepEqual(
    machine.gpus.map(({ id, runner }) => [id, runner !== null]),
    [
      ["GPU-a", true],
      ["GPU-b", false],
    ],
  );
});

test("a runner that needs more devices than are free waits, says so, and gets those of an idle one that may end", async () => {
  const lines: string[] = [];
  const deployed = deploy("both", { numGpus: 2 }, (line) => lines.push(line));
  while (!lines.some((line) => line.includes("waiting for room: it needs 2 GPUs: 1 of 2 is free")))
    await delay(20);
  await scale("one", { minConcurrency: 0 });
  await deployed;
  assert.deepEqual(await json("/me/both/devices"), { devices: "GPU-a,GPU-b" });
  await remove("one");
});

test("a rollout on a full machine ends the old runner first", async () => {
  await scale("both", { minConcurrency: 1 });
  await deploy("both", { numGpus: 2, minConcurrency: 1 });
  assert.deepEqual(await json("/me/both/devices"), { devices: "GPU-a,GPU-b" });
});

test("devices stay with their runner when the platform is started again", async () => {
  const { folder, key } = host;
  const held = async (): Promise<unknown> => (await json<PlatformStatus>("/platform/status")).machine.gpus;
  await json("/me/both/devices");
  const before = await held();
  await host.platform.close({ keepRunners: true });
  host = await TestPlatform.start({ gpus: GPUS }, { folder, key });
  assert.deepEqual(await held(), before);
  await remove("both");
  await remove("none");
});

test("runners start while their memory is left: then idle ones of other apps end, and the decision says what is missing", async () => {
  await deploy("idle", { machineType: "THIRD" });
  await deploy("busy", { machineType: "THIRD", maxConcurrency: 4, maxMultiplexing: 1 });
  const waiting = Array.from({ length: 4 }, () => json("/me/busy/wait"));
  const appOf = (status: PlatformStatus, name: string): PlatformStatus["apps"][number] =>
    status.apps.find((app) => app.name === name) as PlatformStatus["apps"][number];
  let status = await json<PlatformStatus>("/platform/status");
  while (appOf(status, "busy").runners.ready < 3) {
    await delay(50);
    status = await json<PlatformStatus>("/platform/status");
  }
  assert.equal(appOf(status, "busy").waiting, 1);
  assert.deepEqual(appOf(status, "idle").runners, { ready: 0, starting: 0, draining: 0 });
  const decisions = await json<readonly { readonly reason: string }[]>("/platform/apps/busy/decisions");
  assert.ok(
    decisions.some(({ reason }) =>
      /; \d of \d starts? now: no memory left: machine type THIRD needs 500 MB, \d+ MB of 1\.5 GB are free/.test(
        reason,
      ),
    ),
    decisions.map(({ reason }) => reason).join("\n"),
  );
  writeFileSync(join(host.folder, "go"), "");
  await Promise.all(waiting);
});
