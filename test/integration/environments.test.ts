import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { NpmEnvironments } from "../../src/environments/npm-environments.ts";
import { nodeRequirement } from "../../src/environments/node-runtime.ts";
import type { Environment } from "../../src/environments/environment-spec.ts";
import type { LogEntry } from "../../src/log-entry.ts";
import { createCacheFolder, npmSpec } from "../helpers/environments.ts";
import { NpmRegistry, type RegistryPackages } from "../helpers/npm-registry.ts";

const module = (value: string): { files: Record<string, string> } => ({
  files: { "index.js": `module.exports = ${JSON.stringify(value)};` },
});

const PACKAGES: RegistryPackages = {
  "pkg-a": { "1.0.0": module("a1"), "2.0.0": module("a2") },
  "pkg-b": { "1.0.0": { ...module("b1"), manifest: { dependencies: { "pkg-a": "^1.0.0" } } } },
};

const require = createRequire(import.meta.url);

/** Loads a package of an environment and returns its exports. */
function load(environment: Environment, name: string): unknown {
  return require(require.resolve(name, { paths: [environment.directory] }));
}

describe("an environment", () => {
  test("has the required packages, their dependencies, and a lockfile", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const environment = await environments.prepare(npmSpec("pkg-b@1.0.0", "pkg-a@2"));
    assert.equal(load(environment, "pkg-a"), "a2");
    assert.equal(load(environment, "pkg-b"), "b1");
    assert.ok(existsSync(join(environment.directory, "package-lock.json")));
    assert.equal(environment.node, process.execPath);
    const [info] = await environments.list();
    assert.ok(
      info !== undefined && info.sizeBytes > 1000 && info.sizeBytes < 20_000,
      String(info?.sizeBytes),
    );
    assert.match(environment.key, /^pkg-a\+pkg-b-[0-9a-f]{20}$/);
  });

  test("from the cache needs no registry and no npm, and logs nothing", async () => {
    using cache = createCacheFolder();
    let made: Environment;
    {
      await using registry = await NpmRegistry.start(PACKAGES);
      const first = new NpmEnvironments({ cacheDirectory: cache.path, npmEnvironment: registry.environment });
      made = await first.prepare(npmSpec("pkg-a@1.0.0", "pkg-b"));
    }
    const second = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: { npm_config_registry: "http://127.0.0.1:1/" },
    });
    const log: LogEntry[] = [];
    const found = await second.prepare(npmSpec("pkg-b", "pkg-a@1.0.0"), { log: (entry) => log.push(entry) });
    assert.deepEqual(found, made, "the order within a step does not matter");
    assert.deepEqual(log, []);
  });

  test("without requirements is created without npm", async () => {
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: { npm_config_registry: "http://127.0.0.1:1/", NODE_OPTIONS: "--no-such-option" },
    });
    const environment = await environments.prepare({ kind: "npm", steps: [[], []] });
    assert.ok(existsSync(join(environment.directory, "node_modules")));
    assert.match(environment.key, /^empty-/);
    assert.equal((await environments.list())[0]?.npm, undefined);
  });

  test("is installed step by step", async () => {
    await using registry = await NpmRegistry.start({
      tool: { "1.0.0": module("tool") },
      user: {
        "1.0.0": { manifest: { scripts: { install: `node -e "require('tool')"` } } },
      },
    });
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const log: string[] = [];
    const { key } = await environments.prepare(
      { kind: "npm", steps: [["tool"], ["user"]] },
      { log: ({ message, source }) => log.push(`${source} ${message}`) },
    );
    assert.deepEqual(
      log.filter((line) => line.startsWith("BUILDER installing")),
      ["BUILDER installing tool", "BUILDER installing user"],
    );
    const other = await environments
      .prepare({ kind: "npm", steps: [["tool", "user"]] })
      .catch(() => undefined);
    assert.notEqual(other?.key, key, "steps are not the same as one step");
  });

  test("runs the install scripts of its requirements, with the environment's Node first in PATH", async () => {
    const script = `node -e "require('fs').writeFileSync('ran', process.execPath)"`;
    await using registry = await NpmRegistry.start({
      scripted: { "1.0.0": { manifest: { scripts: { postinstall: script } } } },
    });
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const { directory } = await environments.prepare(npmSpec("other@npm:scripted@1"));
    const ran = readFileSync(join(directory, "node_modules/other/ran"), "utf8");
    assert.equal(ran, process.execPath);
    const project = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as object;
    assert.deepEqual(project, {
      name: "servable-environment",
      private: true,
      allowScripts: { scripted: true },
      dependencies: { other: "npm:scripted@^1.0.0" },
    });
  });

  test("can be created from a local package, and changes when that does", async () => {
    using cache = createCacheFolder();
    using project = createCacheFolder();
    writeFileSync(join(project.path, "package.json"), '{"name":"mine","version":"1.0.0"}');
    writeFileSync(join(project.path, "index.js"), "module.exports = 1;");
    const environments = new NpmEnvironments({ cacheDirectory: cache.path });
    const first = await environments.prepare(npmSpec(`file:${project.path}`));
    writeFileSync(join(project.path, "index.js"), "module.exports = 2;");
    const second = await environments.prepare(npmSpec(`file:${project.path}`));
    assert.equal(load(first, "mine"), 1);
    assert.equal(load(second, "mine"), 2);
  });

  test("from a lockfile has exactly the packages in it, and further steps come after it", async () => {
    await using registry = await NpmRegistry.start({ ...PACKAGES, dev: { "1.0.0": module("dev") } });
    using cache = createCacheFolder();
    const options = { cacheDirectory: cache.path, npmEnvironment: registry.environment };
    const environments = new NpmEnvironments(options);
    const made = await environments.prepare(npmSpec("pkg-a@1"));
    const lock = JSON.parse(readFileSync(join(made.directory, "package-lock.json"), "utf8")) as {
      packages: Record<string, Record<string, unknown>>;
    };
    lock.packages[""] = { name: "project", dependencies: { "pkg-a": "^1.0.0" } };
    registry.publish("pkg-a", "1.5.0", module("a1.5"));
    using project = createCacheFolder();
    const lockfile = join(project.path, "package-lock.json");
    writeFileSync(lockfile, JSON.stringify(lock));
    const log: string[] = [];
    const environment = await environments.prepare(
      { kind: "npm", steps: [["pkg-a@2.0.0", "pkg-b"]], lockfile },
      { log: ({ level, message }) => log.push(`${level} ${message}`) },
    );
    assert.equal(load(environment, "pkg-a"), "a1");
    assert.equal(load(environment, "pkg-b"), "b1");
    assert.ok(log.includes("WARNING pkg-a@2.0.0 is left out: the lockfile has pkg-a@1.0.0"), log.join("\n"));
    assert.match(environment.key, /^lockfile\+/);
    writeFileSync(lockfile, JSON.stringify(lock, null, 1));
    const other = await environments.prepare({ kind: "npm", steps: [["pkg-b"]], lockfile });
    assert.notEqual(other.key, environment.key);
  });

  test("requested by ten callers in one process is installed once, and each caller gets the log", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const logs = Array.from({ length: 10 }, (): string[] => []);
    const all = await Promise.all(
      logs.map((lines) =>
        environments.prepare(npmSpec("pkg-a@1.0.0"), { log: ({ message }) => lines.push(message) }),
      ),
    );
    assert.equal(new Set(all.map(({ directory }) => directory)).size, 1);
    assert.equal(registry.downloads("pkg-a"), 1);
    for (const lines of logs) assert.ok(lines.some((line) => line.startsWith("installed pkg-a@1.0.0 in ")));
  });

  test("is still installed when one of its callers cancels, and not when all do", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    registry.break(/pkg-a/, "stall");
    const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
    const asked = registry.asked(/pkg-a/);
    const first = environments.prepare(npmSpec("pkg-a@1.0.0"), { signal: one.signal });
    const second = environments.prepare(npmSpec("pkg-a@1.0.0"), { signal: two.signal });
    await asked;
    const reason = new Error("no more");
    one.abort(reason);
    await assert.rejects(first, reason);
    assert.equal((await environments.list())[0]?.state, "installing");
    two.abort(reason);
    await assert.rejects(second, reason);
    assert.deepEqual(await environments.list(), [], "nothing is left behind");
    three.abort(reason);
    await assert.rejects(environments.prepare(npmSpec("pkg-a@1.0.0"), { signal: three.signal }), reason);
    registry.mend();
    assert.equal(load(await environments.prepare(npmSpec("pkg-a@1.0.0")), "pkg-a"), "a1");
  });

  test("with force is created again, and processes that use the old one keep it", async () => {
    await using registry = await NpmRegistry.start({ "pkg-a": { "1.0.0": module("old") } });
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const old = await environments.prepare(npmSpec("pkg-a"));
    registry.publish("pkg-a", "1.1.0", module("new"));
    let anew: Environment;
    {
      using _use = environments.use(old);
      anew = await environments.prepare(npmSpec("pkg-a"), { force: true });
      assert.equal(anew.key, old.key);
      assert.notEqual(anew.directory, old.directory);
      assert.equal(load(anew, "pkg-a"), "new");
      assert.equal(load(old, "pkg-a"), "old");
      const states = (await environments.list()).map(({ state, directory }) => [directory, state]);
      assert.deepEqual(Object.fromEntries(states), {
        [old.directory]: "replaced",
        [anew.directory]: "ready",
      });
      await environments.prune({ all: true });
      assert.ok(existsSync(old.directory));
    }
    await environments.prune();
    assert.ok(!existsSync(old.directory));
    assert.ok(existsSync(anew.directory));
    assert.deepEqual(await environments.prepare(npmSpec("pkg-a")), anew);
  });

  test("for another Node downloads it from the registry once, and is used and kept with it", async () => {
    const name = nodeRequirement("99").split("@")[0] ?? "";
    const major = Number.parseInt(process.versions.node, 10);
    const executable = `#!/bin/sh\nexec '${process.execPath}' "$@"\n`;
    await using registry = await NpmRegistry.start({
      ...PACKAGES,
      [name]: { "99.1.0": { files: { "bin/node": executable } } },
    });
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const spec = { ...npmSpec("pkg-a"), nodeVersion: "99.1" };
    const first = await environments.prepare(spec);
    assert.ok(first.node.endsWith(`node_modules/${name}/bin/node`), first.node);
    assert.deepEqual(await environments.prepare(spec), first);
    assert.equal(registry.downloads(name), 1);
    assert.equal((await environments.list()).length, 2);
    {
      using _use = environments.use(first);
      assert.deepEqual((await environments.prune({ all: true })).removed, []);
      assert.ok(existsSync(first.node));
    }
    const own = await environments.prepare({ ...npmSpec("pkg-a"), nodeVersion: String(major) });
    assert.equal(own.node, process.execPath);
    assert.deepEqual(await environments.prepare(npmSpec("pkg-a")), own);
  });

  test("that was damaged by hand is created again", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const options = { cacheDirectory: cache.path, npmEnvironment: registry.environment };
    const made = await new NpmEnvironments(options).prepare(npmSpec("pkg-a@1"));
    writeFileSync(join(made.directory, "../environment.json"), '{"format":1,"key"');
    const again = await new NpmEnvironments(options).prepare(npmSpec("pkg-a@1"));
    assert.notEqual(again.directory, made.directory);
    assert.equal(load(again, "pkg-a"), "a1");
  });
});

describe("pruning", () => {
  test("removes by last use, keeps environments in use, and reports what it would do", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const environments = new NpmEnvironments({
      cacheDirectory: cache.path,
      npmEnvironment: registry.environment,
    });
    const used = await environments.prepare(npmSpec("pkg-a@1"));
    const idle = await environments.prepare(npmSpec("pkg-a@2"));
    environments.use(idle)[Symbol.dispose]();
    {
      using _use = environments.use(used);
      assert.deepEqual((await environments.prune({ olderThanMs: 60_000 })).removed, []);
      const planned = await environments.prune({ all: true, dryRun: true });
      assert.deepEqual(
        planned.removed.map(({ key }) => key),
        [idle.key],
      );
      assert.equal((await environments.list()).length, 2);
      const done = await environments.prune({ all: true });
      assert.deepEqual(
        [done.removed.map(({ key }) => key), done.kept.map(({ key }) => key)],
        [[idle.key], [used.key]],
      );
      assert.ok(done.freedBytes > 0);
    }
    await environments.prune({ olderThanMs: -1 });
    assert.deepEqual(await environments.list(), []);
    assert.deepEqual(
      cache.contents().toSorted(),
      ["environments", "locks", "trash"].filter((name) => cache.contents().includes(name)),
    );
  });
});
