import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { after, describe, test } from "node:test";
import { NpmEnvironments } from "../../src/environments/npm-environments.ts";
import type { NpmEnvironmentInfo } from "../../src/environments/environment-list.ts";
import type { Environment } from "../../src/environments/environment-spec.ts";
import { runCli } from "../helpers/cli.ts";
import { createCacheFolder, npmSpec, type CacheFolder } from "../helpers/environments.ts";
import { NpmRegistry } from "../helpers/npm-registry.ts";

const DAY_MS = 86_400_000;

interface Made {
  readonly cache: CacheFolder;
  readonly environments: NpmEnvironments;
  readonly old: Environment;
  readonly young: Environment;
}

const template = createCacheFolder();
let installed: Promise<readonly Environment[]> | undefined;
after(() => template[Symbol.dispose]());

/** Two environments, installed once; each test has copies of them. */
async function install(): Promise<readonly Environment[]> {
  await using registry = await NpmRegistry.start({ "pkg-a": { "1.0.0": {} }, "pkg-b": { "1.0.0": {} } });
  const environments = new NpmEnvironments({
    cacheDirectory: template.path,
    npmEnvironment: registry.environment,
  });
  const made = [
    await environments.prepare(npmSpec("pkg-a@1")),
    await environments.prepare({ kind: "npm", steps: [["pkg-a"], ["pkg-b"]] }),
  ];
  for (const environment of made) environments.use(environment)[Symbol.dispose]();
  return made;
}

/** A cache with an environment last used 40 days ago, one just used, and a folder left by a dead process. */
async function makeCache(cache: CacheFolder): Promise<Made> {
  const made = await (installed ??= install());
  cpSync(template.path, cache.path, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  const copyOf = (environment: Environment): Environment => ({
    ...environment,
    directory: join(cache.path, relative(template.path, environment.directory)),
  });
  const [old, young] = made.map(copyOf) as [Environment, Environment];
  const environments = new NpmEnvironments({ cacheDirectory: cache.path });
  const then = new Date(Date.now() - 40 * DAY_MS);
  utimesSync(join(old.directory, "../environment.json"), then, then);
  mkdirSync(join(cache.path, "environments/pkg-c-0123/abandoned/node_modules"), { recursive: true });
  writeFileSync(join(cache.path, "environments/pkg-c-0123/abandoned/half"), "x".repeat(2500));
  return { cache, environments, old, young };
}

const inCache = ({ path }: CacheFolder): NodeJS.ProcessEnv => ({ SERVABLE_CACHE_DIR: path });

describe("servable env list", () => {
  test("prints each environment's packages, size and times, leftover folders, and the total", async () => {
    using cache = createCacheFolder();
    const { old, young } = await makeCache(cache);
    const { exitCode, stdout } = await runCli(["env", "list"], cache.path, inCache(cache));
    assert.equal(exitCode, 0);
    const major = process.versions.node.split(".")[0];
    const lines = stdout.split("\n");
    assert.equal(lines[0], young.key);
    assert.match(
      lines[1] ?? "",
      new RegExp(`^  pkg-a → pkg-b · Node ${major} · [\\d.]+ k?B · made just now · used just now$`),
    );
    assert.equal(lines[2], old.key);
    assert.match(lines[3] ?? "", /^ {2}pkg-a@1 · Node \d+ · [\d.]+ k?B · made just now · used 5 weeks ago$/);
    assert.deepEqual(lines.slice(4, 7), ["pkg-c-0123 (left over)", "  2.5 kB", ""]);
    assert.match(lines[7] ?? "", /^3 environments, [\d.]+ kB in /);
    assert.ok(lines[7]?.endsWith(cache.path));
  });

  test("counts the processes that use an environment", async () => {
    using cache = createCacheFolder();
    const { environments, old } = await makeCache(cache);
    using _use = environments.use(old);
    const { stdout } = await runCli(["env", "list"], cache.path, inCache(cache));
    assert.match(stdout, /used just now · in use by 1 process\n/);
  });

  test("prints JSON", async () => {
    using cache = createCacheFolder();
    const { old, young } = await makeCache(cache);
    const { stdout } = await runCli(["env", "list", "--json"], cache.path, inCache(cache));
    const { cacheDirectory, environments, totalBytes } = JSON.parse(stdout) as {
      cacheDirectory: string;
      environments: (Omit<NpmEnvironmentInfo, "createdAt"> & { createdAt?: string })[];
      totalBytes: number;
    };
    assert.equal(cacheDirectory, cache.path);
    assert.deepEqual(
      environments.map(({ key, state, requirements, users }) => ({ key, state, requirements, users })),
      [
        { key: young.key, state: "ready", requirements: [["pkg-a"], ["pkg-b"]], users: 0 },
        { key: old.key, state: "ready", requirements: [["pkg-a@1"]], users: 0 },
        { key: "pkg-c-0123", state: "left over", requirements: [], users: 0 },
      ],
    );
    assert.equal(
      totalBytes,
      environments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    );
    assert.ok(Date.parse(environments[0]?.createdAt ?? "") <= Date.now());
  });

  test("says when there are no environments", async () => {
    using cache = createCacheFolder();
    const { exitCode, stdout } = await runCli(["env", "list"], cache.path, inCache(cache));
    assert.deepEqual([exitCode, stdout], [0, `No environments in ${cache.path}.\n`]);
  });
});

describe("servable env prune", () => {
  test("removes only leftover folders, and says how to remove environments", async () => {
    using cache = createCacheFolder();
    const { environments } = await makeCache(cache);
    const { exitCode, stdout } = await runCli(["env", "prune"], cache.path, inCache(cache));
    assert.equal(exitCode, 0);
    assert.equal(
      stdout,
      "pkg-c-0123 (left over)\n  2.5 kB\n\nRemoved 1 environment, 2.5 kB.\nOthers are removed with --older-than 30d, or --all.\n",
    );
    assert.equal((await environments.list()).length, 2);
    const again = await runCli(["env", "prune"], cache.path, inCache(cache));
    assert.match(again.stdout, /^Nothing to remove\.\n/);
  });

  test("removes environments last used before the given time", async () => {
    using cache = createCacheFolder();
    const { environments, young, old } = await makeCache(cache);
    const none = await runCli(["env", "prune", "--older-than", "6w", "--json"], cache.path, inCache(cache));
    const removedKeys = (stdout: string): string[] =>
      (JSON.parse(stdout) as { removed: NpmEnvironmentInfo[] }).removed.map(({ key }) => key);
    assert.deepEqual(removedKeys(none.stdout), ["pkg-c-0123"]);
    const one = await runCli(["env", "prune", "--older-than", "30d", "--json"], cache.path, inCache(cache));
    assert.deepEqual(removedKeys(one.stdout), [old.key]);
    assert.deepEqual(
      (await environments.list()).map(({ key }) => key),
      [young.key],
    );
  });

  test("removes nothing with --dry-run, and no environment in use with --all", async () => {
    using cache = createCacheFolder();
    const { environments, young, old } = await makeCache(cache);
    using _use = environments.use(old);
    const planned = await runCli(["env", "prune", "--all", "--dry-run"], cache.path, inCache(cache));
    assert.match(planned.stdout, /\nWould remove 2 environments, [\d.]+ kB\.\n/);
    assert.equal((await environments.list()).length, 3);
    const done = await runCli(["env", "prune", "--all"], cache.path, inCache(cache));
    assert.match(done.stdout, /\nRemoved 2 environments, /);
    assert.ok(done.stdout.includes(`Kept ${old.key}: it is in use.\n`));
    assert.ok(existsSync(old.directory));
    assert.ok(!existsSync(young.directory));
  });

  test("refuses an invalid time span", async () => {
    using cache = createCacheFolder();
    const { exitCode, stderr } = await runCli(["env", "prune", "--older-than", "30"], cache.path);
    assert.equal(exitCode, 1);
    assert.match(stderr, /It must be a number with m, h, d or w: 90m, 12h, 30d, 4w\./);
    assert.match(stderr, /\(servable env prune --help shows how\)/);
  });
});

test("a cache folder that can't be read is an error that names SERVABLE_CACHE_DIR", async () => {
  using cache = createCacheFolder();
  writeFileSync(join(cache.path, "environments"), "no folder");
  const { exitCode, stderr } = await runCli(["env", "list"], cache.path, inCache(cache));
  assert.equal(exitCode, 1);
  assert.match(
    stderr,
    /^error: Environments can't be kept in .*environments \(ENOTDIR\)\. .*SERVABLE_CACHE_DIR/,
  );
});
