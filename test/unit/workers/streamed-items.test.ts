import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { ItemSender } from "../../../src/workers/item-sender.ts";
import { RemoteItems } from "../../../src/workers/remote-items.ts";
import { GRANT, WINDOW } from "../../../src/workers/stream-window.ts";

const log = pino({ level: "silent" });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a worker asks its method for no more items than it may send", async () => {
  let asked = 0;
  let isClosed = false;
  function* numbers(): Generator<number> {
    try {
      for (;;) yield asked++;
    } finally {
      isClosed = true;
    }
  }
  const sent: unknown[] = [];
  const sender = new ItemSender(numbers(), () => log);
  const ended = sender.run(
    (items) => items.next(),
    (item) => sent.push(item),
  );
  await turn();
  assert.equal(asked, WINDOW);
  sender.grant(GRANT);
  await turn();
  assert.equal(asked, WINDOW + GRANT);
  assert.equal(sent.length, asked);
  sender.close();
  await ended;
  assert.ok(isClosed);
});

test("the main process allows more items only when some were taken", async () => {
  const grants: number[] = [];
  const items = new RemoteItems({ grant: (count) => grants.push(count), deadline: () => 5 });
  for (let index = 0; index < WINDOW; index++) items.push(index);
  assert.deepEqual(grants, []);
  for (let index = 0; index < WINDOW; index++)
    assert.deepEqual(await items.next(), { done: false, value: index });
  assert.deepEqual(grants, [GRANT, GRANT]);
  const next = items.next();
  assert.equal(items.finishBy, 5, "an item that is waited for has a deadline");
  items.push("more");
  assert.deepEqual(await next, { done: false, value: "more" });
  assert.equal(items.finishBy, Infinity);
  items.push("last");
  items.fail(new Error("died"));
  assert.deepEqual(await items.next(), { done: false, value: "last" });
  await assert.rejects(items.next(), /died/);
});
