import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Database } from "../../src/controller/store/database.ts";
import { migrate, MIGRATIONS } from "../../src/controller/store/migrations.ts";
import { PostgresServer } from "../../src/controller/store/postgres-server.ts";
import {
  SecretBox,
  deleteSecret,
  listSecrets,
  openSecrets,
  setSecret,
} from "../../src/controller/state/secrets.ts";
import {
  forgetArrivals,
  listArrivals,
  recordArrivals,
  type MinuteOfArrivals,
} from "../../src/controller/state/arrivals.ts";
import { forgetExpiredValues, getValue, setValue } from "../../src/controller/state/kv.ts";
import {
  createKey,
  findKey,
  listKeys,
  noteUse,
  revokeKey,
  rotateKey,
} from "../../src/controller/state/keys.ts";
import { join } from "node:path";
import { platformFolder, removePlatformFolder } from "../helpers/self-host.ts";

let folder: string;
let server: PostgresServer;
let database: Database;
before(async () => {
  folder = platformFolder();
  server = await PostgresServer.start({ folder: join(folder, "postgres") });
  database = await Database.open(server.connection);
});
after(async () => {
  await database?.close();
  await server?.stop();
  removePlatformFolder(folder);
});

test("tables of every earlier version are brought to the newest, with their rows", async () => {
  for (const { version } of MIGRATIONS.slice(0, -1)) {
    const earlier = MIGRATIONS.filter((each) => each.version <= version);
    await migrate(database, earlier);
    await database.query(
      "insert into keys (id, secret_hash, permissions) values ('old', '\\x00', '{serverless:apps:read}')",
    );
    assert.deepEqual(await migrate(database), { before: version, now: MIGRATIONS.at(-1)?.version });
    assert.equal((await listKeys(database)).find(({ id }) => id === "old")?.expiresAt, null);
    await database.query("drop schema public cascade; create schema public");
  }
});

test("two processes that migrate at once bring empty tables to the newest version, once", async () => {
  const newest = MIGRATIONS.at(-1)?.version;
  const results = await Promise.all([migrate(database), migrate(database)]);
  assert.deepEqual(
    results.toSorted((a, b) => a.before - b.before),
    [
      { before: 0, now: newest },
      { before: newest, now: newest },
    ],
  );
});

test("a failed migration leaves the tables as they were", async () => {
  const version = (MIGRATIONS.at(-1)?.version ?? 0) + 1;
  const broken = { version, sql: "create table leftover (id integer); select nothing from nowhere" };
  await assert.rejects(migrate(database, [...MIGRATIONS, broken]), /nowhere/);
  const [row] = await database.query<{ found: string | null }>(
    "select to_regclass('leftover')::text as found",
  );
  assert.equal(row?.found, null);
  assert.equal((await migrate(database)).before, version - 1);
});

test("tables of a newer version are refused, with what to do", async () => {
  await migrate(database, [...MIGRATIONS, { version: 99, sql: "select 1" }]).catch(() => {});
  await assert.rejects(migrate(database), /version 99 .*Install the newer version of servable/);
  await database.query("delete from migrations where version = 99");
});

test("a transaction that throws changes nothing", async () => {
  const work = database.transaction(async (queries) => {
    await queries.query("insert into environments (name) values ('lost')");
    throw new Error("on purpose");
  });
  await assert.rejects(work, /on purpose/);
  assert.deepEqual(await database.query("select name from environments where name = 'lost'"), []);
});

test("a key is found by its secret alone, and not after it was revoked; the database has no secret", async () => {
  const { id, secret } = await createKey(database, {
    permissions: ["serverless:apps:read"],
    description: "mine",
  });
  assert.equal((await findKey(database, id, secret))?.description, "mine");
  for (const wrong of ["", `${secret}0`, secret.slice(1)])
    assert.equal(await findKey(database, id, wrong), undefined);
  const rows = await database.query("select * from keys");
  assert.ok(!JSON.stringify(rows).includes(secret));
  assert.equal((await listKeys(database)).length, 1);
  assert.equal(await revokeKey(database, id), true);
  assert.equal(await revokeKey(database, id), false);
  assert.equal(await findKey(database, id, secret), undefined);
});

test("a rotated key has a new secret, and the former one until the end of its grace, which another rotation ends", async () => {
  const { id, secret } = await createKey(database, { permissions: ["serverless:apps:read"] });
  const graceEnd = new Date(Date.now() + 3_600_000);
  const second = (await rotateKey(database, id, graceEnd)) ?? "";
  assert.deepEqual((await findKey(database, id, secret))?.secretExpiresAt, graceEnd);
  assert.equal((await findKey(database, id, second))?.secretExpiresAt, undefined);
  assert.deepEqual((await findKey(database, id, second))?.previousExpiresAt, graceEnd);
  const third = (await rotateKey(database, id, undefined)) ?? "";
  assert.deepEqual(await Promise.all([secret, second].map((each) => findKey(database, id, each))), [
    undefined,
    undefined,
  ]);
  assert.equal((await findKey(database, id, third))?.id, id);
  const past = (await rotateKey(database, id, new Date(Date.now() - 1))) ?? "";
  assert.equal(await findKey(database, id, third), undefined);
  assert.equal((await findKey(database, id, past))?.id, id);
  assert.equal(await rotateKey(database, "nobody", undefined), undefined);
});

test("a key that has expired is not found, and its use is recorded once a minute", async () => {
  const { id, secret } = await createKey(database, {
    permissions: ["serverless:apps:read"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  assert.equal((await findKey(database, id, secret))?.lastUsedAt, null);
  await noteUse(database, id);
  const first = (await findKey(database, id, secret))?.lastUsedAt;
  await noteUse(database, id);
  assert.deepEqual((await findKey(database, id, secret))?.lastUsedAt, first);
  assert.ok(first instanceof Date);
  await database.query("update keys set expires_at = now() where id = $1", [id]);
  assert.equal(await findKey(database, id, secret), undefined);
});

test("a secret is stored sealed, opened for its runners alone, and not in another place", async () => {
  const box = SecretBox.open(join(folder, "secrets.key"));
  await setSecret(database, box, {
    name: "TOKEN",
    environment: "main",
    value: "hidden-é",
    isExposedByDefault: true,
  });
  await setSecret(database, box, {
    name: "RARE",
    environment: "main",
    value: "2",
    isExposedByDefault: false,
  });
  const rows = await database.query<{ sealed: Buffer }>("select sealed from secrets where name = 'TOKEN'");
  assert.ok(!(rows[0]?.sealed.toString("utf8") ?? "").includes("hidden"));
  assert.deepEqual(await openSecrets(database, box, "main", undefined), {
    values: { TOKEN: "hidden-é" },
    missing: [],
  });
  assert.deepEqual(await openSecrets(database, box, "main", ["RARE", "NONE"]), {
    values: { RARE: "2" },
    missing: ["NONE"],
  });
  await database.query("update secrets set name = 'MOVED' where name = 'TOKEN'");
  await assert.rejects(openSecrets(database, box, "main", ["MOVED"]));
  assert.equal(await deleteSecret(database, "main", "MOVED"), true);
  assert.deepEqual(
    (await listSecrets(database, "main")).map(({ name }) => name),
    ["RARE"],
  );
});

test("arrivals of a minute are added up, listed since a time, and forgotten", async () => {
  const app = { environment: "main", app: "greeter" };
  const minuteOf = (minutes: number, ...counts: number[]): MinuteOfArrivals => ({
    minute: new Date(Date.UTC(2026, 0, 31, 12, minutes)),
    counts: [...counts, ...Array.from({ length: 60 - counts.length }, () => 0)],
  });
  await recordArrivals(database, app, minuteOf(0, 1, 2));
  await recordArrivals(database, app, minuteOf(0, 10, 0, 5));
  await recordArrivals(database, app, minuteOf(1, 7));
  await recordArrivals(database, { ...app, app: "other" }, minuteOf(0, 99));
  const since = minuteOf(0).minute;
  assert.deepEqual(await listArrivals(database, app, since), [minuteOf(0, 11, 2, 5), minuteOf(1, 7)]);
  assert.deepEqual(await listArrivals(database, app, minuteOf(1).minute), [minuteOf(1, 7)]);
  await forgetArrivals(database, minuteOf(1).minute);
  assert.deepEqual(await listArrivals(database, app, since), [minuteOf(1, 7)]);
});

test("a value expires after its time and is removed, and other environments and KVStores do not have it", async () => {
  const address = { environment: "main", db: "visits", key: "a" };
  await setValue(database, address, "forever", undefined);
  await setValue(database, { ...address, key: "b" }, "for a minute", 60);
  await database.query("insert into environments (name) values ('staging') on conflict do nothing");
  assert.equal(await getValue(database, { ...address, environment: "staging" }), undefined);
  assert.equal(await getValue(database, { ...address, db: "other" }), undefined);
  assert.equal(await getValue(database, { ...address, key: "b" }), "for a minute");
  await database.query("update kv_values set expires_at = expires_at - interval '60 seconds'");
  assert.equal(await getValue(database, { ...address, key: "b" }), undefined);
  await forgetExpiredValues(database);
  const rows = await database.query<{ key: Buffer }>("select key from kv_values");
  assert.deepEqual(
    rows.map(({ key }) => key.toString()),
    ["a"],
  );
  assert.equal(await getValue(database, address), "forever");
  await setValue(database, { ...address, key: "b" }, "again", undefined);
  assert.equal(await getValue(database, { ...address, key: "b" }), "again");
});

test("reading waits for a database that is started again, and those who do not wait learn that it is away", async () => {
  const pid = Number(readFileSync(join(folder, "postgres/data/postmaster.pid"), "utf8").split("\n")[0]);
  await database.query("select 1");
  process.kill(pid, "SIGKILL");
  await assert.rejects(
    (async () => {
      for (;;) await database.impatient.query("select 1");
    })(),
  );
  assert.deepEqual(await database.query("select 2 as two"), [{ two: 2 }]);
  const [row] = await database.transaction((queries) =>
    queries.query<{ three: number }>("select 3 as three"),
  );
  assert.equal(row?.three, 3);
});

test("a database that is killed is started again with all that was committed", async () => {
  await database.query("insert into settings (name, value) values ('kept', '1')");
  const before = server.pid;
  assert.ok(before !== undefined);
  process.kill(before, "SIGKILL");
  let rows: object[] | undefined;
  while (rows === undefined || server.pid === before) {
    rows = await database.query("select value from settings where name = 'kept'").catch(() => undefined);
    await delay(20);
  }
  assert.deepEqual(rows, [{ value: 1 }]);
});

test("a server that was left running is taken over, and stopped by the one who took it over", async () => {
  const { pid } = server;
  server.leaveRunning();
  const second = await PostgresServer.start({ folder: join(folder, "postgres") });
  assert.equal(second.pid, pid);
  await database.close();
  await second.stop();
  assert.equal(second.pid, undefined);
  server = await PostgresServer.start({ folder: join(folder, "postgres") });
  assert.notEqual(server.pid, pid);
  database = await Database.open(server.connection);
  assert.equal((await migrate(database)).before, MIGRATIONS.at(-1)?.version);
});
