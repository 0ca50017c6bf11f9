import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { Dispatcher, type Attempt } from "../../src/controller/queue/dispatcher.ts";
import { RequestQueue } from "../../src/controller/queue/request-queue.ts";
import type { LiveApp } from "../../src/controller/scheduler/live-app.ts";
import type { Lease } from "../../src/controller/scheduler/live-runner.ts";
import type { Scheduler } from "../../src/controller/scheduler/scheduler.ts";
import type { Ending } from "../../src/controller/state/requests.ts";
import { Database, DatabaseAway, type Queries } from "../../src/controller/store/database.ts";
import { migrate } from "../../src/controller/store/migrations.ts";
import { PostgresServer } from "../../src/controller/store/postgres-server.ts";
import { platformFolder, removePlatformFolder } from "../helpers/self-host.ts";

const APP = { environment: "main", app: "worker" };
const folder = platformFolder();
let server: PostgresServer;
let database: Database;
before(async () => {
  server = await PostgresServer.start({ folder: join(folder, "postgres") });
  database = await Database.open(server.connection);
  await migrate(database);
  // Requests of apps that do not exist are cancelled.
  await database.query(
    `with revision as (
       insert into revisions (id, app, environment, definition, code_settings, state)
       values ('rev', 'worker', 'main', '{}', '{}', 'ready') returning id)
     insert into apps (name, environment, revision, auth_mode, scale) select 'worker', 'main', id, 'private', '{}' from revision`,
  );
});
after(async () => {
  await database.close();
  await server.stop();
  removePlatformFolder(folder);
});

async function submit(queue: RequestQueue): Promise<string> {
  const id = randomUUID();
  await queue.submit({
    ...{ ...APP, id, caller: "key", idempotencyKey: undefined, priority: 0, submittedAt: new Date() },
    ...{ startBy: undefined, mayRetry: true, keepsData: true, webhookUrl: undefined, hint: undefined },
    ...{ method: "POST", path: "/", headers: {}, body: Buffer.from("{}"), maxQueueLength: undefined },
  });
  return id;
}

function ending(queue: RequestQueue, { id, attempt }: { id: string; attempt: number }, text: string): Ending {
  return {
    ...{ id, attempt, holder: queue.holder, state: "completed", runner: "r", runSeconds: 1 },
    ...{
      answer: { status: 200, headers: {}, body: Buffer.from(text) },
      error: undefined,
      errorType: undefined,
    },
  };
}

test("a process whose lease has run out can't end the request that another one runs now", async () => {
  let now = Date.now();
  const clock = (): number => now;
  const slow = new RequestQueue({ database, now: clock, holder: randomUUID() });
  const next = new RequestQueue({ database, now: clock, holder: randomUUID() });
  const id = await submit(slow);
  await slow.tick();
  const [first] = await slow.claim(APP, ["r1"], { priority: 0, seq: 0 });
  assert.deepEqual([first?.id, first?.attempt], [id, 1]);
  await next.tick();
  assert.deepEqual(await next.claim(APP, ["r2"], { priority: 0, seq: 0 }), []);
  now += 11_000;
  await next.tick();
  const [second] = await next.claim(APP, ["r2"], { priority: 0, seq: 0 });
  assert.deepEqual([second?.id, second?.attempt], [id, 2]);
  assert.equal(await slow.end(ending(slow, { id, attempt: 1 }, "late")), undefined);
  assert.equal((await next.end(ending(next, { id, attempt: 2 }, "right")))?.state, "completed");
  assert.equal(await next.end(ending(next, { id, attempt: 2 }, "twice")), undefined);
  const row = await next.find(APP, id);
  assert.ok(row !== undefined);
  assert.equal((await next.answer(row))?.body.toString(), "right");
});

test("requests of a claim whose answer was lost are claimed again, run once, and have one answer each", async () => {
  let isLost = false;
  // The database has made the change, and ends before it says so.
  const losing: Queries = {
    async query<Row extends object>(...[text, values]: Parameters<Queries["query"]>): Promise<Row[]> {
      const rows = await database.query<Row>(text, values);
      if (isLost || !text.includes("set state = 'running'")) return rows;
      isLost = true;
      throw new DatabaseAway("gone");
    },
  };
  const queue = new RequestQueue({ database: losing, now: Date.now, holder: randomUUID() });
  const lease = { runner: { id: "r1" } } as Lease;
  // The parts of an app and of a scheduler that a dispatcher uses.
  const app = {
    reserve: async () => lease,
    tryReserve: () => lease,
    release: () => {},
    begin: () => {},
    setQueued: () => {},
    queueArrived: () => {},
    revision: { definition: { skipRetryConditions: [] } },
  } as unknown as LiveApp;
  const sent: Attempt[] = [];
  const dispatcher = new Dispatcher({
    ...{ queue, now: Date.now, random: Math.random, log: pino({ level: "silent" }) },
    scheduler: { find: () => app } as unknown as Scheduler,
    send: async (attempt) => {
      sent.push(attempt);
      const answer = { status: 200, headers: {}, body: Buffer.from(attempt.id) };
      return { status: 200, answer, error: undefined, errorType: undefined };
    },
    sendCancel: () => {},
  });
  await dispatcher.tick();
  const ids = await Promise.all([1, 2, 3].map(() => submit(queue)));
  const states = async (): Promise<(string | undefined)[]> =>
    Promise.all(ids.map(async (id) => (await queue.find(APP, id))?.state));
  for (let ticks = 0; ticks < 500 && (await states()).some((state) => state !== "completed"); ticks++) {
    await dispatcher.tick();
    await delay(5);
  }
  assert.ok(isLost);
  await dispatcher.close();
  assert.deepEqual(sent.map(({ id }) => id).toSorted(), ids.toSorted());
  assert.deepEqual(new Set(sent.map(({ number }) => number)), new Set([1]));
});
