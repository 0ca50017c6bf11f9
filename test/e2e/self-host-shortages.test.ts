import assert from "node:assert/strict";
import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import type { PlatformStatus } from "../../src/controller/api/platform-status.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { findProgram } from "../../src/controller/shell/terminal.ts";
import { parseKey } from "../../src/platform/target/credentials.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import { Connection } from "../../src/platform/transport/connection.ts";
import { appProject, platformFolder, removePlatformFolder } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { existsSync } from "node:fs";
import { App, endpoint, GPUException } from "servable";
export default class Echo extends App {
  static maxMultiplexing = 4;
  static minConcurrency = 1;
  @endpoint("/", { input: Type.Object({ text: Type.String() }), output: Type.Object({ text: Type.String() }) })
  async echo({ text }) {
    console.log("echo", text.repeat(100));
    return { text };
  }
  /** Fails once there is a file, so that the platform wants another runner. */
  @endpoint("/fail", { input: Type.Object({ file: Type.String() }), output: Type.Object({}) })
  async fail({ file }) {
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20));
    throw new GPUException("it is broken");
  }
}
`;

/** More by hand: `SERVABLE_TEST_IDLE_CONNECTIONS=10000`. */
const IDLE_CONNECTIONS = Number(process.env["SERVABLE_TEST_IDLE_CONNECTIONS"] ?? 2_000);

/** A platform in another process. */
interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  readonly key: string;
  readonly environment: NodeJS.ProcessEnv;
}

let project: string;
const running = new Set<ChildProcess>();
const closing: (() => void)[] = [];

before(() => {
  project = appProject({ "app.ts": APP });
});
after(() => {
  for (const child of running) child.kill("SIGKILL");
  for (const close of closing.toReversed()) close();
  removePlatformFolder(project);
});

const program = (): string => join(project, "node_modules/servable/dist/cli/main.js");

/** Starts a platform, with its output in a file, as `servable up --detach` does. */
async function up(state: string, log: string, shell = ""): Promise<Running> {
  const config = mkdtempSync(join(tmpdir(), "servable-shortage-"));
  closing.push(() => rmSync(config, { recursive: true, force: true }));
  const environment = {
    ...process.env,
    NODE_OPTIONS: "",
    FAL_CONFIG_PATH: join(config, "config.toml"),
  };
  const output = openSync(log, "a");
  const args = [program(), "up", "--state", state, "--port", "0", "--owner", "me", "--log-format", "json"];
  const child = spawn("bash", ["-c", `${shell} exec "$@"`, "bash", process.execPath, ...args], {
    cwd: project,
    env: environment,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  running.add(child);
  child.once("exit", () => running.delete(child));
  await until("the platform is ready", () => {
    assert.equal(child.exitCode, null, readFileSync(log, "utf8"));
    return readFileSync(log, "utf8").includes("servable down");
  });
  const record = JSON.parse(readFileSync(join(state, "platform.json"), "utf8")) as { url: string };
  const key = /key = "(.+)"/.exec(readFileSync(environment.FAL_CONFIG_PATH, "utf8"))?.[1] ?? "";
  return { child, url: record.url, port: Number(new URL(record.url).port), key, environment };
}

async function deploy({ environment }: Running, name: string): Promise<void> {
  const args = [program(), "deploy", "app.ts", "--app-name", name];
  await promisify(execFile)(process.execPath, args, { cwd: project, env: environment });
}

async function down({ child }: Running): Promise<void> {
  child.kill("SIGTERM");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** Waits until something holds. Fails after a minute. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await holds()); turn++) {
    assert.ok(turn < 600, `it never happened: ${what}`);
    await delay(100);
  }
}

/** Calls the app. @returns the answer's status */
async function call({ url, key }: Running, input: object, path = ""): Promise<number> {
  const answer = await fetch(`${url}/me/echo${path}`, {
    method: "POST",
    body: JSON.stringify(input),
    headers: { authorization: `Key ${key}`, "content-type": "application/json" },
  });
  const body = await answer.text();
  if (answer.status === 200) assert.deepEqual(JSON.parse(body), input);
  return answer.status;
}

async function shortages({ url, key }: Running): Promise<readonly string[]> {
  const answer = await fetch(`${url}/platform/status`, { headers: { authorization: `Key ${key}` } });
  return ((await answer.json()) as PlatformStatus).shortages;
}

/** Uploads a file of a megabyte. @returns the answer */
async function upload({ url, key }: Running): Promise<{ status: number; text: string }> {
  const form = new FormData();
  const content = randomBytes(1_000_000);
  form.append("file_upload", new Blob([content]), "chunk");
  const hash = createHash("sha256").update(content).digest("hex");
  const answer = await fetch(`${url}/files/app/multipart/${hash}/${randomUUID()}/1`, {
    ...{ method: "PUT", body: form, headers: { authorization: `Key ${key}` } },
  });
  return { status: answer.status, text: await answer.text() };
}

/** Sets a secret of 40 kB. @returns why it was refused; undefined if it was stored */
async function setSecret({ url, key }: Running, name: string): Promise<string | undefined> {
  using connection = new Connection({
    endpoint: resolveEndpoints({ host: url, environment: {} }).grpc,
    credentials: parseKey(key, "the test"),
    timeoutMs: 0,
  });
  const value = randomBytes(20_000).toString("hex");
  try {
    await connection.unary(IsolateController.method.setSecret, { name, value });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function secretNames({ url, key }: Running): Promise<readonly string[]> {
  using connection = new Connection({
    endpoint: resolveEndpoints({ host: url, environment: {} }).grpc,
    credentials: parseKey(key, "the test"),
    timeoutMs: 0,
  });
  const { secrets } = await connection.unary(IsolateController.method.listSecrets, {});
  return secrets.map(({ name }) => name);
}

/** Fills a disk until this much is free. */
function fill(path: string, leftBytes: number): void {
  const file = openSync(path, "a");
  try {
    for (let size = 2 ** 20; size >= 1;) {
      const { bavail, bsize } = statfsSync(path);
      if (bavail * bsize - size < leftBytes) size = Math.floor(size / 4);
      else writeSync(file, Buffer.alloc(size, 1));
    }
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  } finally {
    closeSync(file);
  }
}

/** A folder on a disk of its own; undefined where none can be mounted. */
function smallDisk(megabytes: number): string | undefined {
  const folder = platformFolder();
  closing.push(() => removePlatformFolder(folder));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", folder], {
      stdio: "ignore",
    });
  } catch {
    return undefined;
  }
  closing.push(() => execFileSync("umount", ["-l", folder]));
  return folder;
}

test("a full disk: uploads and changes are refused by name, apps answer, the platform says so, and all works again when there is room", async (context) => {
  const state = smallDisk(400);
  if (state === undefined) return context.skip("it needs to mount a disk of its own");
  const log = join(state, "platform.log");
  const platform = await up(state, log);
  await deploy(platform, "echo");
  assert.equal(await call(platform, { text: "before" }), 200);
  assert.deepEqual(await shortages(platform), []);

  const filler = join(state, "filler");
  fill(filler, 16 * 2 ** 20);
  assert.match((await shortages(platform)).join(), /^The disk of \S+ is full: make room on it\.$/);
  fill(filler, 0);
  const refused = await upload(platform);
  assert.equal(refused.status, 507);
  assert.match(refused.text, /insufficient_storage.*The disk of the platform is full/);
  const kept: string[] = [];
  let reason: string | undefined;
  for (let turn = 0; turn < 500 && reason === undefined; turn++) {
    reason = await setSecret(platform, `KEPT_${turn}`);
    if (reason === undefined) kept.push(`KEPT_${turn}`);
  }
  assert.match(reason ?? "it was never refused", /database (is full|has ended|does not answer)/);
  for (let turn = 0; turn < 20; turn++) assert.equal(await call(platform, { text: `full ${turn}` }), 200);
  assert.equal((await fetch(`${platform.url}/health`)).status, 200);

  rmSync(filler);
  await until("the database takes changes again", async () => {
    return (await setSecret(platform, "LAST")) === undefined;
  });
  assert.equal((await upload(platform)).status, 200);
  assert.deepEqual(await shortages(platform), []);
  const names = await secretNames(platform);
  for (const name of kept) assert.ok(names.includes(name), `${name} was acknowledged, and is lost`);
  assert.equal(await call(platform, { text: "after" }), 200);
  const lines = readFileSync(log, "utf8");
  assert.equal(lines.match(/"msg":"The disk of \S+ is full/g)?.length, 1, lines);
  assert.match(lines, /"msg":"a shortage has ended"/);
  assert.equal(platform.child.exitCode, null);
  context.diagnostic(`${kept.length} changes were stored on the full disk; then: ${reason}`);
  await down(platform);
});

/** The status, over one connection that stays open: new ones may be refused. */
function statusOf({ port, key }: Running, agent: Agent): Promise<PlatformStatus> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Key ${key}` };
    const path = "/platform/status";
    httpRequest({ host: "127.0.0.1", port, agent, path, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.once("end", () => resolve(JSON.parse(text) as PlatformStatus));
    })
      .once("error", reject)
      .end();
  });
}

const prlimit = findProgram("prlimit", process.env["PATH"]);

for (const { title, limit, isLowered } of [
  {
    ...{ title: "connections beyond the limit of file descriptors are refused" },
    ...{ limit: "ulimit -n 128;", isLowered: false },
  },
  { title: "no file descriptor is left", limit: "", isLowered: true },
]) {
  test(`${title}: reported once, what is open is answered, and new callers when others leave`, async (context) => {
    if (isLowered && prlimit === undefined) return context.skip("it needs prlimit of util-linux");
    const state = platformFolder();
    closing.push(() => removePlatformFolder(state));
    const log = join(state, "platform.log");
    const platform = await up(state, log, limit);
    await deploy(platform, "echo");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    closing.push(() => agent.destroy());
    assert.deepEqual((await statusOf(platform, agent)).shortages, []);
    const file = join(state, "fail");
    const failing = isLowered ? call(platform, { file }, "/fail") : undefined;
    if (isLowered)
      await until("the request runs", async () => (await statusOf(platform, agent)).apps[0]?.running === 1);
    const before = readdirSync(`/proc/${platform.child.pid}/fd`).length;
    // After the start: the platform has counted on more.
    if (isLowered && prlimit !== undefined) {
      const args = ["--pid", String(platform.child.pid), `--nofile=${before + 8}:${before + 8}`];
      execFileSync(prlimit, args);
    }
    const sockets = new Set<Socket>();
    let refused = 0;
    for (let turn = 0; turn < 300; turn++) {
      const socket = connect(platform.port, "127.0.0.1").on("error", () => {});
      sockets.add(socket);
      socket.once("close", () => {
        sockets.delete(socket);
        refused++;
      });
      socket.write("GET /");
      await Promise.race([once(socket, "connect"), once(socket, "close")]);
    }
    await until("a connection is refused", () => refused > 0);
    const { shortages: found } = await statusOf(platform, agent);
    assert.match(found.join(), /Connections are refused|no file descriptors left/);
    context.diagnostic(
      `${before} descriptors before, ${sockets.size} of 300 connections taken: ${found.join(" ")}`,
    );
    if (isLowered) {
      writeFileSync(file, "");
      assert.equal(await failing, 503);
      const failure = /"how":"[^"]*EMFILE[^"]*"/;
      await until("the start of a runner fails, with its reason in the log", () =>
        failure.test(readFileSync(log, "utf8")),
      );
    }
    for (const socket of sockets) socket.destroy();
    await until("connections are taken again", async () => {
      return (await statusOf(platform, agent)).shortages.length === 0;
    });
    // A runner that has failed is started again after half a minute.
    if (isLowered) assert.equal((await fetch(`${platform.url}/health`)).status, 200);
    else assert.equal(await call(platform, { text: "after" }), 200);
    const reports = readFileSync(log, "utf8").match(
      /"msg":"(?:Connections are refused|The platform has no file)/g,
    );
    assert.ok(reports !== null && reports.length <= 2, `${reports?.length} reports`);
    assert.equal(platform.child.exitCode, null);
    await down(platform);
  });
}

test("thousands of idle connections: apps are called, each costs little memory, and those that say nothing are closed", async (context) => {
  const state = platformFolder();
  closing.push(() => removePlatformFolder(state));
  const platform = await up(state, join(state, "platform.log"));
  await deploy(platform, "echo");
  const memory = (): number => {
    const text = readFileSync(`/proc/${platform.child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) * 1_024;
  };
  assert.equal(await call(platform, { text: "before" }), 200);
  const before = memory();
  const silent = new Set<Socket>();
  const begun = new Set<Socket>();
  for (let count = 0; count < IDLE_CONNECTIONS; count += 100) {
    const batch = Array.from({ length: 100 }, (_, index) => {
      const kind = index % 2 === 0 ? silent : begun;
      const socket = connect(platform.port, "127.0.0.1").on("error", () => {});
      kind.add(socket);
      socket.resume().once("close", () => kind.delete(socket));
      if (kind === begun) socket.write("GET /me/echo HTTP/1.1\r\nhost: x\r\n");
      return once(socket, "connect");
    });
    await Promise.all(batch);
    assert.equal(await call(platform, { text: `${count}` }), 200);
  }
  const each = (memory() - before) / IDLE_CONNECTIONS;
  context.diagnostic(`${Math.round(each / 1_000)} kB for each of ${IDLE_CONNECTIONS} connections`);
  assert.ok(each < 60_000, `${each} bytes for each connection`);
  // The others have begun a request, and have more time.
  await until("silent connections are closed", () => silent.size === 0);
  assert.equal(await call(platform, { text: "after" }), 200);
  for (const socket of begun) socket.destroy();
  await down(platform);
});
