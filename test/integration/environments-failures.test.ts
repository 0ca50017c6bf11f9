import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FalServerlessError } from "../../src/errors.ts";
import { NpmEnvironments } from "../../src/environments/npm-environments.ts";
import type { EnvironmentSpec } from "../../src/environments/environment-spec.ts";
import { createCacheFolder, npmSpec } from "../helpers/environments.ts";
import { NpmRegistry, type RegistryPackages } from "../helpers/npm-registry.ts";

const PACKAGES: RegistryPackages = {
  good: { "1.0.0": {} },
  broken: {
    "1.0.0": {
      manifest: { scripts: { install: `node -e "console.error('no compiler here'); process.exit(3)"` } },
    },
  },
  host: { "1.0.0": {}, "2.0.0": {} },
  "plugin-one": { "1.0.0": { manifest: { peerDependencies: { host: "1" } } } },
  "plugin-two": { "1.0.0": { manifest: { peerDependencies: { host: "2" } } } },
};

interface Failing {
  readonly spec: EnvironmentSpec;
  readonly env?: NodeJS.ProcessEnv;
  /** Prepares the registry first. */
  readonly prepare?: (registry: NpmRegistry) => void;
  readonly message: RegExp;
  /** Repairs the registry so that the next call works; omitted if another spec has to be used for that. */
  readonly mend?: (registry: NpmRegistry) => void;
}

/** Prepares a spec that fails, and checks the error, that nothing is left, and that another call works. */
async function fails({ spec, env = {}, prepare, message, mend }: Failing): Promise<void> {
  await using registry = await NpmRegistry.start(PACKAGES);
  using cache = createCacheFolder();
  prepare?.(registry);
  const failing = new NpmEnvironments({
    cacheDirectory: cache.path,
    npmEnvironment: { ...registry.environment, ...env },
  });
  await assert.rejects(failing.prepare(spec), (error) => {
    assert.ok(error instanceof FalServerlessError, String(error));
    assert.equal(error.code, "ENVIRONMENT_FAILED");
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /node:internal|^\s+at /m, "no stack of npm's");
    assert.ok(error.cause !== undefined);
    return true;
  });
  assert.deepEqual(await failing.list(), []);
  assert.deepEqual(
    cache.contents().filter((name) => name.includes("/")),
    [],
    "nothing is left behind",
  );
  mend?.(registry);
  registry.mend();
  const working = new NpmEnvironments({
    cacheDirectory: cache.path,
    npmEnvironment: registry.environment,
  });
  const next = await working.prepare(mend === undefined ? npmSpec("good") : spec);
  assert.equal((await working.list())[0]?.key, next.key);
}

describe("a failed install reports what failed, where and what to do, and the next call works:", () => {
  test("a package that does not exist", () =>
    fails({
      spec: npmSpec("good", "nowhere@^1"),
      message:
        /^The environment of good, nowhere@\^1 could not be installed: nowhere@\^1 does not exist in the registry http:\/\/127\.0\.0\.1:\d+\/, or you may not see it\. Correct the requirement, or log in with `npm login`\.$/,
      mend: (registry) => registry.publish("nowhere", "1.0.0"),
    }));

  test("a version that does not exist", () =>
    fails({
      spec: npmSpec("good@9"),
      message: /: no version of a package fits good@9 in the registry .* Correct the requirement/,
      mend: (registry) => registry.publish("good", "9.0.0"),
    }));

  test("an install script that fails, with its package, command and last output", () =>
    fails({
      spec: npmSpec("broken"),
      message:
        /: the install script of broken failed: node -e "console\.error\('no compiler here'\); process\.exit\(3\)"\n {2}no compiler here$/,
      mend: (registry) => registry.publish("broken", "1.0.1"),
    }));

  test("an unreachable registry", () =>
    fails({
      spec: npmSpec("good"),
      env: { npm_config_registry: "http://127.0.0.1:1/" },
      message:
        /: the registry http:\/\/127\.0\.0\.1:1\/ can't be reached \(ECONNREFUSED\)\. Check the network, the proxy \(HTTPS_PROXY\) and `npm config get registry`, then call again\.\n {2}.*ECONNREFUSED/,
      mend: () => {},
    }));

  test("a registry that closes the connection", () =>
    fails({
      spec: npmSpec("good"),
      prepare: (registry) => registry.break(/good/, "reset"),
      message: /: the registry http:\S+ can't be reached \(ECONNRESET\)/,
      mend: () => {},
    }));

  test("a registry that stays silent for too long", () =>
    fails({
      spec: npmSpec("good"),
      env: { npm_config_fetch_timeout: "300", npm_config_fetch_retries: "0" },
      prepare: (registry) => registry.break(/good/, "stall"),
      message: /: the registry http:\S+ can't be reached \(it does not answer in time\)/,
      mend: () => {},
    }));

  test("a registry that answers with a server error", () =>
    fails({
      spec: npmSpec("good"),
      prepare: (registry) => registry.break(/good/, 503),
      message: /: the registry http:\S+ can't be reached \(E503\)/,
      mend: () => {},
    }));

  test("a registry that requires a login", () =>
    fails({
      spec: npmSpec("good"),
      prepare: (registry) => registry.break(/good/, 401),
      message: /: the registry http:\S+ refuses this user\. Log in with `npm login`/,
      mend: () => {},
    }));

  test("an archive that is damaged in transit", () =>
    fails({
      spec: npmSpec("good"),
      prepare: (registry) => registry.break(/tgz$/, "damage"),
      message: /: a package that came is not the one that was announced\. Try again/,
      mend: () => {},
    }));

  test("conflicting peer dependencies", () =>
    fails({
      spec: npmSpec("plugin-one", "plugin-two"),
      message: /: packages want versions of the same package that exclude each other\. .*\n {2}[^]*plugin-/,
    }));

  test("a full disk", () =>
    fails({
      spec: npmSpec("good"),
      env: {
        NODE_OPTIONS: `--require ${fileURLToPath(new URL("../fixtures/full-disk.cjs", import.meta.url))}`,
        FULL_DISK_AFTER_BYTES: "100",
      },
      message:
        /: the disk is full \(ENOSPC\) in .*; [\d.]+ MB are free\. Make room, for instance with `servable env prune`, and call again\.$/,
      mend: () => {},
    }));

  test("an npm that is killed", () =>
    fails({
      spec: npmSpec("good"),
      env: { NODE_OPTIONS: `--import "data:text/javascript,process.kill(process.pid,'SIGKILL')"` },
      message: /: npm was killed by SIGKILL\. Call again\.$/,
      mend: () => {},
    }));

  test("a Node version that does not exist", () =>
    fails({
      spec: { kind: "npm", steps: [["good"]], nodeVersion: "99.1" },
      prepare: (registry) => registry.publish(`node-${process.platform}-${process.arch}`, "22.0.0"),
      message:
        /^There is no Node 99\.1 for \w+-\w+ in the registry \(node-\S+@99\.1\)\. Correct nodeVersion, or /,
    }));

  test("a local package that does not exist", () =>
    fails({
      spec: npmSpec("./no-such-folder"),
      message: /^The requirement \.\/no-such-folder can't be read \(ENOENT\)\. Paths count from /,
    }));
});

describe("a lockfile is refused with the reason", () => {
  for (const [what, content, message] of [
    ["is not there", undefined, /package-lock\.json can't be read \(ENOENT\)/],
    ["is not valid JSON", "{", /package-lock\.json is not valid JSON/],
    ["is that of an old npm", '{"lockfileVersion":1,"dependencies":{}}', /Renew it with `npm install`/],
    [
      "has local packages",
      '{"packages":{"":{},"node_modules/x":{"resolved":"../x","link":true}}}',
      /has the local package node_modules\/x/,
    ],
  ] as const) {
    test(`when it ${what}`, async () => {
      using cache = createCacheFolder();
      const lockfile = join(cache.path, "package-lock.json");
      if (content !== undefined) writeFileSync(lockfile, content);
      const environments = new NpmEnvironments({ cacheDirectory: join(cache.path, "cache") });
      await assert.rejects(environments.prepare({ kind: "npm", steps: [], lockfile }), message);
      assert.deepEqual(await environments.list(), []);
    });
  }

  test("when it does not match its own root package", async () => {
    await using registry = await NpmRegistry.start(PACKAGES);
    using cache = createCacheFolder();
    const lockfile = join(cache.path, "package-lock.json");
    writeFileSync(
      lockfile,
      JSON.stringify({ lockfileVersion: 3, packages: { "": { dependencies: { good: "^1.0.0" } } } }),
    );
    const environments = new NpmEnvironments({
      cacheDirectory: join(cache.path, "cache"),
      npmEnvironment: registry.environment,
    });
    await assert.rejects(
      environments.prepare({ kind: "npm", steps: [], lockfile }),
      /: the lockfile does not fit\. Renew it with `npm install` in its folder\.\n {2}Missing: good@1\.0\.0/,
    );
  });
});

test("a cache folder that can't be created is an error that names SERVABLE_CACHE_DIR", async () => {
  using cache = createCacheFolder();
  writeFileSync(join(cache.path, "file"), "");
  const environments = new NpmEnvironments({ cacheDirectory: join(cache.path, "file/cache") });
  await assert.rejects(environments.prepare(npmSpec("good")), {
    code: "ENVIRONMENT_FAILED",
    message: `Environments can't be kept in ${join(cache.path, "file/cache/environments")} (ENOTDIR). Make it writable, or set SERVABLE_CACHE_DIR to a folder that is.`,
  });
});
