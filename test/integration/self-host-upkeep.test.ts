import assert from "node:assert/strict";
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, mock, test } from "node:test";
import pino from "pino";
import { Engines } from "../../src/controller/engines/engines.ts";
import { RunnerLogs } from "../../src/controller/logs/runner-logs.ts";
import { RunnerOutput } from "../../src/controller/logs/runner-output.ts";
import { openObjects } from "../../src/controller/objects/open-objects.ts";
import { Scaler, type ScalerParts } from "../../src/controller/scheduler/scaler.ts";
import { readSettings } from "../../src/controller/settings/settings-file.ts";
import { FileStore } from "../../src/controller/state/files.ts";
import { Database } from "../../src/controller/store/database.ts";
import { migrate } from "../../src/controller/store/migrations.ts";
import { PostgresServer } from "../../src/controller/store/postgres-server.ts";
import { Upkeep } from "../../src/controller/upkeep.ts";
import { platformFolder, removePlatformFolder } from "../helpers/self-host.ts";

const HOUR_MS = 3_600_000;

let folder: string;
let server: PostgresServer;
let database: Database;
const lines: string[] = [];
const sink = new Writable({
  write(chunk: Buffer, _encoding, done) {
    lines.push(chunk.toString());
    done();
  },
});
const log = pino({ level: "warn" }, sink);

before(async () => {
  folder = platformFolder();
  server = await PostgresServer.start({ folder: join(folder, "postgres") });
  database = await Database.open(server.connection);
  await migrate(database);
});
after(async () => {
  mock.timers.reset();
  await database?.close();
  await server?.stop();
  removePlatformFolder(folder);
});

test("upkeep removes old files and output beyond the quota as time goes, and goes on after a step that has failed", async () => {
  writeFileSync(join(folder, "platform.toml"), "[quotas]\nlogs_mb = 1\n");
  const settings = await readSettings(folder);
  const files = new FileStore(join(folder, "files"));
  const output = new RunnerOutput(join(folder, "runners"));
  const logs = new RunnerLogs(output);
  const part = files.partPath("upload", 1);
  writeFileSync(part, "left");
  mkdirSync(output.folderOf("r"));
  for (const stream of ["stdout", "stderr"] as const) writeFileSync(output.pathOf("r", stream), "");
  mock.timers.enable({ apis: ["setInterval", "Date"], now: Date.now() });
  logs.watch("r");
  const objects = openObjects(folder, settings, database);
  const engines = new Engines([]);
  const upkeep = new Upkeep({ database, engines, output, logs, files, objects, settings, log });
  /** Resolves when the work that the clock has begun is done: steps are done one after the other. */
  const settled = (): Promise<void> => upkeep.limitLogs();
  await settled();
  assert.ok(existsSync(part), "a young part is removed");

  writeFileSync(output.pathOf("r", "stdout"), "x".repeat(2_000_000));
  mock.timers.tick(60_000);
  await settled();
  assert.equal(statSync(output.pathOf("r", "stdout")).size, 0);
  assert.match(lines.join(""), /the oldest output of runners was removed: quotas\.logs_mb/);

  const moved = join(folder, "moved");
  renameSync(join(folder, "runners"), moved);
  mock.timers.tick(60_000);
  await settled();
  assert.match(lines.join(""), /"what":"limit the size of logs","msg":"upkeep failed"/);
  renameSync(moved, join(folder, "runners"));

  for (let hour = 0; hour < 25; hour++) mock.timers.tick(HOUR_MS);
  await settled();
  assert.equal(existsSync(part), false, "an old part is kept");
  logs.end("r");
  await upkeep.close();
  writeFileSync(part, "left again");
  for (let hour = 0; hour < 50; hour++) mock.timers.tick(HOUR_MS);
  assert.ok(existsSync(part), "it works on after its end");
  mock.timers.reset();
});

test("a step of the scheduler that fails is logged by name, and the steps after it are done", () => {
  const scaler = new Scaler({ log, apps: () => [] } as unknown as ScalerParts);
  lines.length = 0;
  const done: string[] = [];
  scaler.attempt("greeter", () => {
    throw new Error("no such number");
  });
  scaler.attempt("other", () => void done.push("other"));
  assert.deepEqual(done, ["other"]);
  assert.match(lines.join(""), /no such number.*"what":"greeter","msg":"a step of the scheduler failed"/);
});
