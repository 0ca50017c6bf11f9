import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { NpmEnvironments } from "../../src/environments/npm-environments.ts";
import { createCacheFolder, EnvironmentProcess, npmSpec } from "../helpers/environments.ts";
import { NpmRegistry, type RegistryPackages } from "../helpers/npm-registry.ts";

const PACKAGES: RegistryPackages = { "pkg-a": { "1.0.0": { files: { "index.js": "" } } } };
const SPEC = npmSpec("pkg-a");

/** A package whose install script sends its pid to a port, and then never ends. */
function endlessScript(port: number): RegistryPackages {
  const code = `const s = require('net').connect(${port}, '127.0.0.1', () => s.write(String(process.pid)))`;
  return { endless: { "1.0.0": { manifest: { scripts: { install: `node -e "${code}"` } } } } };
}

/** Waits for the install script above: its pid, and its connection, which closes with it. */
async function scriptListener(): Promise<{
  readonly port: number;
  readonly script: Promise<{ readonly pid: number; readonly socket: Socket }>;
  [Symbol.dispose](): void;
}> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const script = once(server, "connection").then(async ([socket]: Socket[]) => {
    assert.ok(socket !== undefined);
    socket.on("error", () => {});
    const [data] = (await once(socket, "data")) as [Buffer];
    return { pid: Number(String(data)), socket };
  });
  return {
    port: (server.address() as AddressInfo).port,
    script,
    [Symbol.dispose]: () => void server.close(),
  };
}

/** Resolves when the process ends; a killed one may be a zombie for a while. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      if (process.platform === "linux" && /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) return;
    } catch {
      return;
    }
    await delay(20); // There is no event for the end of a process that is not a child.
  }
}

describe("ten processes", () => {
  test("that need the same environment install it once, and the waiting ones say so", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const all = Array.from(
      { length: 10 },
      () => new EnvironmentProcess(cache.path, SPEC, registry.environment),
    );
    const found = await Promise.all(all.map((one) => one.said((line) => line.environment !== undefined)));
    await Promise.all(all.map(({ ended }) => ended));
    assert.equal(new Set(found.map(({ environment }) => environment?.directory)).size, 1);
    assert.equal(registry.downloads("pkg-a"), 1);
    const installers = all.filter(({ lines }) => lines.some(({ log }) => log === "installing pkg-a"));
    assert.equal(installers.length, 1);
    const [installer] = installers;
    const waits = all.flatMap(({ lines }) => lines.filter(({ log }) => log?.startsWith("another process")));
    assert.ok(waits.length > 0);
    for (const wait of waits) {
      assert.equal(wait.log, `another process (${installer?.child.pid}) is installing pkg-a; waiting for it`);
    }
  });
});

describe("a process that is killed while it installs", () => {
  test("leaves nothing that is mistaken for an environment, and a waiting process takes over", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    registry.break(/tgz$/, "stall");
    const first = new EnvironmentProcess(cache.path, SPEC, registry.environment);
    await registry.asked(/tgz$/);
    const second = new EnvironmentProcess(cache.path, SPEC, registry.environment);
    await second.said(({ log }) => log?.startsWith("another process") ?? false);
    registry.mend();
    first.child.kill("SIGKILL");
    await first.ended;
    const { environment } = await second.said((line) => line.environment !== undefined);
    await second.ended;
    assert.ok(existsSync(join(environment?.directory ?? "", "node_modules/pkg-a/index.js")));
    const environments = new NpmEnvironments({ cacheDirectory: cache.path });
    assert.deepEqual(
      (await environments.list()).map(({ directory, state }) => [directory, state]),
      [[environment?.directory, "ready"]],
      "what it left is gone",
    );
  });

  for (const signal of ["SIGKILL", "SIGINT", "SIGTERM"] as const) {
    test(`by ${signal} takes npm and its install scripts with it; the rest is removed by prune`, async () => {
      using listener = await scriptListener();
      await using registry = await NpmRegistry.start(endlessScript(listener.port));
      using cache = createCacheFolder();
      const installing = new EnvironmentProcess(cache.path, npmSpec("endless"), registry.environment);
      const { pid, socket } = await listener.script;
      const closed = once(socket, "close");
      installing.child.kill(signal);
      await installing.ended;
      await closed;
      await gone(pid);
      const environments = new NpmEnvironments({ cacheDirectory: cache.path });
      assert.deepEqual(
        (await environments.list()).map(({ state }) => state),
        ["left over"],
      );
      const { removed } = await environments.prune();
      assert.equal(removed.length, 1);
      assert.deepEqual(await environments.list(), []);
    });
  }

  test("has its leftovers removed by the next install, of any environment", async () => {
    using listener = await scriptListener();
    await using registry = await NpmRegistry.start({ ...PACKAGES, ...endlessScript(listener.port) });
    using cache = createCacheFolder();
    const installing = new EnvironmentProcess(cache.path, npmSpec("endless"), registry.environment);
    await listener.script;
    installing.child.kill("SIGKILL");
    await installing.ended;
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const { key } = await environments.prepare(SPEC);
    assert.deepEqual(
      (await environments.list()).map((info) => info.key),
      [key],
    );
  });
});

test("an aborted install ends npm and its install scripts", async () => {
  using listener = await scriptListener();
  await using registry = await NpmRegistry.start(endlessScript(listener.port));
  using cache = createCacheFolder();
  const environments = new NpmEnvironments({
    cacheDirectory: cache.path,
    npmEnvironment: registry.environment,
  });
  const controller = new AbortController();
  const installing = environments.prepare(npmSpec("endless"), { signal: controller.signal });
  const { pid, socket } = await listener.script;
  const closed = once(socket, "close");
  controller.abort(new Error("enough"));
  await assert.rejects(installing, /enough/);
  await closed;
  await gone(pid);
  assert.deepEqual(await environments.list(), []);
});

describe("an environment in use by another process", () => {
  test("is not pruned until that process is killed", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const user = new EnvironmentProcess(cache.path, SPEC, registry.environment, "hold");
    await user.said(({ holding }) => holding === true);
    const environments = new NpmEnvironments({ cacheDirectory: cache.path });
    assert.equal((await environments.list())[0]?.users, 1);
    const { kept, removed } = await environments.prune({ all: true });
    assert.deepEqual([kept.length, removed.length], [1, 0]);
    user.child.kill("SIGKILL");
    await user.ended;
    assert.equal((await environments.prune({ all: true })).removed.length, 1);
    assert.deepEqual(await environments.list(), []);
  });

  test("stays until it is no longer used, even if force replaces it", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const user = new EnvironmentProcess(cache.path, SPEC, registry.environment, "hold");
    const { environment } = await user.said((line) => line.environment !== undefined);
    await user.said(({ holding }) => holding === true);
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const anew = await environments.prepare(SPEC, { force: true });
    const old = environment?.directory ?? "";
    assert.notEqual(anew.directory, old);
    assert.ok(existsSync(join(old, "node_modules/pkg-a/index.js")));
    user.child.stdin.end();
    await user.ended;
    await environments.prune();
    assert.ok(!existsSync(old));
  });
});

test("install scripts see no secrets of the process, except those that .npmrc names", async () => {
  const script = `node -e "require('fs').writeFileSync('env.json', JSON.stringify(process.env))"`;
  await using registry = await NpmRegistry.start({
    nosy: { "1.0.0": { manifest: { scripts: { install: script } } } },
  });
  using cache = createCacheFolder();
  using home = createCacheFolder();
  writeFileSync(join(home.path, ".npmrc"), "//127.0.0.1/:_authToken=${NAMED_TOKEN}\n");
  const process_ = new EnvironmentProcess(cache.path, npmSpec("nosy"), {
    ...registry.environment,
    HOME: home.path,
    USERPROFILE: home.path,
    // npm sets it for the scripts that it runs, including this one.
    npm_config_userconfig: join(home.path, ".npmrc"),
    MY_SECRET: "secret",
    NAMED_TOKEN: "named",
  });
  const { environment } = await process_.said((line) => line.environment !== undefined);
  await process_.ended;
  const seen = JSON.parse(
    readFileSync(join(environment?.directory ?? "", "node_modules/nosy/env.json"), "utf8"),
  ) as NodeJS.ProcessEnv;
  assert.equal(seen["MY_SECRET"], undefined);
  assert.equal(seen["NAMED_TOKEN"], "named");
  assert.equal(seen["HOME"], home.path);
  assert.ok(!existsSync(join(environment?.directory ?? "", ".npmrc")));
});
