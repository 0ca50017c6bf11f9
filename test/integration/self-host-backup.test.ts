import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { backUp } from "../../src/controller/backup/backup.ts";
import { withDatabase, withStoppedDatabase } from "../../src/controller/backup/database-access.ts";
import { readRows } from "../../src/controller/backup/tables.ts";
import { restore } from "../../src/controller/backup/restore.ts";
import { Database } from "../../src/controller/store/database.ts";
import { migrate, MIGRATIONS } from "../../src/controller/store/migrations.ts";
import { PostgresServer } from "../../src/controller/store/postgres-server.ts";
import { listDecisions, recordDecision } from "../../src/controller/state/decisions.ts";
import { findKey, hashOf } from "../../src/controller/state/keys.ts";
import { StartupError } from "../../src/errors.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { runCli } from "../helpers/cli.ts";
import { createFolder } from "../helpers/folders.ts";
import { appProject, platformFolder, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
const Out = Type.Object({ secret: Type.String() });
export default class Keeper extends App {
  @endpoint("/", { input: Type.Object({}), output: Out })
  async read() { return { secret: process.env.GREETING ?? "" }; }
}
`;

const project = appProject({ "app.ts": APP });
const folder = createFolder();
const backup = join(folder, "whole.backup");
const state = platformFolder();
const restored = platformFolder();
let key: string;

before(async () => {
  const host = await TestPlatform.start({}, { folder: state });
  ({ key } = host);
  writeFileSync(join(state, "platform.toml"), "[retention]\nlogs_days = 3\n");
  {
    using connection = host.connection();
    await connection.unary(IsolateController.method.setSecret, { name: "GREETING", value: "hidden" });
  }
  await host.deploy(join(project, "app.ts"), { appName: "keeper" });
  assert.equal((await host.call("/me/keeper", {})).status, 200);
  const { stdout, stderr, exitCode } = await runCli(["platform", "backup", backup, "--state", state]);
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /^Wrote \S+whole\.backup: \d+ rows, \d+ files, [\d.]+ MB\.$/m);
  assert.match(stderr, /key that opens the secrets/);
  await assert.rejects(
    withStoppedDatabase({ stateDirectory: state, databaseUrl: undefined }, () => Promise.resolve()),
    /Another platform, process \d+, uses/,
  );
  await host.platform.close();
});
after(() => {
  for (const each of [state, restored, project]) removePlatformFolder(each);
});

function restoreFrom(path: string, stateDirectory: string, replaces = false): Promise<object> {
  return withStoppedDatabase({ stateDirectory, databaseUrl: undefined }, (openDatabase) =>
    restore({ path, stateDirectory, openDatabase, replaces }),
  );
}

test("a backup of a running platform, restored into an empty folder: the app answers, the key is valid, the secret opens", async () => {
  assert.equal(statSync(backup).mode & 0o777, 0o600);
  const { stdout, stderr, exitCode } = await runCli(["platform", "restore", backup, "--state", restored]);
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /^Restored \d+ rows and \d+ files into /);
  const host = await TestPlatform.start({}, { folder: restored, key });
  try {
    assert.equal(host.platform.firstKey, undefined);
    const answer = await host.call("/me/keeper", {});
    assert.deepEqual([answer.status, await answer.json()], [200, { secret: "hidden" }]);
  } finally {
    await host.platform.close();
  }
  assert.match(readFileSync(join(restored, "platform.toml"), "utf8"), /logs_days = 3/);
});

test("a platform that has data is replaced only if that is asked for", async () => {
  await assert.rejects(restoreFrom(backup, restored), (error) => {
    assert.ok(error instanceof StartupError);
    assert.match(error.message, /has 1 keys and 1 apps, which would be lost: give --replace/);
    return true;
  });
  await restoreFrom(backup, restored, true);
  await withDatabase({ stateDirectory: restored, databaseUrl: undefined }, async (database) => {
    const about = { app: "keeper", environment: "main", target: 1, started: 1, stopped: 0 };
    // Rows that are added later do not collide with restored ones.
    await recordDecision(database, { ...about, at: new Date(), reason: "a test", numbers: {} });
    assert.ok(
      (await listDecisions(database, "main", "keeper", 100)).some(({ reason }) => reason === "a test"),
    );
  });
});

test("a file that is foreign, damaged, cut short or newer is refused by its name, before anything is changed", async () => {
  const bytes = readFileSync(backup);
  const text = gunzipSync(bytes);
  const header = text.subarray(0, text.indexOf("\n"));
  const changed = Buffer.from(text);
  changed[text.length >> 1] = (changed[text.length >> 1] as number) ^ 1;
  const headerWith = (change: object): Buffer => {
    const line = JSON.stringify({ ...(JSON.parse(header.toString()) as object), ...change });
    return gzipSync(Buffer.concat([Buffer.from(line), text.subarray(header.length)]));
  };
  const files: readonly (readonly [name: string, content: Buffer, message: RegExp])[] = [
    ["foreign.txt", Buffer.from("hello"), /foreign\.txt is not a backup of a platform/],
    ["other.gz", gzipSync("hello\n"), /other\.gz is not a backup of a platform/],
    ["empty", Buffer.alloc(0), /empty is not a backup of a platform/],
    ["cut", bytes.subarray(0, bytes.length - 100), /cut is damaged or cut short/],
    [
      "whole-lines",
      gzipSync(text.subarray(0, text.lastIndexOf("\n", text.length - 2) + 1)),
      /damaged or cut short/,
    ],
    ["changed", gzipSync(changed), /changed is damaged or cut short/],
    ["longer", gzipSync(Buffer.concat([text, Buffer.from("x")])), /longer is damaged or cut short/],
    ["newer", headerWith({ tablesVersion: 999 }), /version 999 of the tables.*Install the newer version/],
    ["format", headerWith({ formatVersion: 2 }), /version 2 of the format/],
  ];
  const untouched = createFolder();
  for (const [name, content, message] of files) {
    writeFileSync(join(folder, name), content);
    await assert.rejects(restoreFrom(join(folder, name), untouched), message, name);
  }
  await assert.rejects(restoreFrom(join(folder, "missing"), untouched), /missing can't be read \(ENOENT\)/);
  assert.equal(existsSync(join(untouched, "postgres")), false);
});

test("a backup without keys says so, does not have them, and is restored only where the key of its secrets is", async () => {
  const path = join(folder, "without-keys.backup");
  const { stderr } = await runCli(["platform", "backup", path, "--state", state, "--no-keys"]);
  assert.match(stderr, /does not have the key of the secrets/);
  const secretKey = readFileSync(join(state, "secrets.key"));
  assert.equal(gunzipSync(readFileSync(path)).includes(secretKey), false);
  assert.equal(gunzipSync(readFileSync(backup)).includes(secretKey), true);
  const target = platformFolder();
  try {
    await assert.rejects(
      restoreFrom(path, target),
      /made without keys, and has secrets: copy the file secrets\.key/,
    );
    cpSync(join(state, "secrets.key"), join(target, "secrets.key"));
    await restoreFrom(path, target);
  } finally {
    removePlatformFolder(target);
  }
  await assert.rejects(
    withDatabase({ stateDirectory: state, databaseUrl: undefined }, (database) =>
      backUp({ database, stateDirectory: state, path, withKeys: true }),
    ),
    /exists already: give the backup another name/,
  );
});

test("values of the largest size are read a few at a time, so that they fit into one text", async () => {
  const own = platformFolder();
  try {
    const server = await PostgresServer.start({ folder: join(own, "postgres") });
    const database = await Database.open(server.connection);
    await migrate(database);
    await database.query(
      `insert into kv_values (environment, db, key, value)
       select 'main', 'db', convert_to(number::text, 'UTF8'), '\\x01' from generate_series(1, 50) number`,
    );
    const counts = await database.transaction(async (queries) => {
      const found: number[] = [];
      for await (const lines of readRows(queries, "kv_values"))
        found.push(lines.toString().trim().split("\n").length);
      return found;
    });
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      50,
    );
    // A value of 8 MiB takes two characters a byte, and a text has 512 million characters at most.
    assert.ok(Math.max(...counts) * 2 * 8 * 2 ** 20 < 2 ** 28);
    await database.close();
    await server.stop();
  } finally {
    removePlatformFolder(own);
  }
});

test("a backup of every earlier version of the tables is restored and brought to the newest one", async () => {
  const old = platformFolder();
  try {
    const server = await PostgresServer.start({ folder: join(old, "postgres") });
    const database = await Database.open(server.connection);
    const paths: string[] = [];
    for (const { version } of MIGRATIONS.slice(0, -1)) {
      await database.query("drop schema public cascade; create schema public");
      await migrate(
        database,
        MIGRATIONS.filter((each) => each.version <= version),
      );
      await database.query("insert into keys (id, secret_hash, permissions) values ('old', $1, $2)", [
        hashOf("secret"),
        ["serverless:apps:read"],
      ]);
      const path = join(folder, `version-${version}.backup`);
      paths.push(path);
      await backUp({ database, stateDirectory: old, path, withKeys: true });
    }
    await database.close();
    await server.stop();
    for (const path of paths) {
      await restoreFrom(path, old, true);
      await withDatabase({ stateDirectory: old, databaseUrl: undefined }, async (restoredDatabase) => {
        assert.equal((await findKey(restoredDatabase, "old", "secret"))?.id, "old", path);
        const newest = MIGRATIONS.at(-1)?.version;
        assert.deepEqual(await migrate(restoredDatabase), { before: newest, now: newest });
      });
      rmSync(path);
    }
  } finally {
    removePlatformFolder(old);
  }
});
