import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fastify } from "fastify";
import { WarmUp } from "../../../../src/server/lifecycle/warm-up.ts";

test("pieces run after listening, one per turn of the event loop", async (t) => {
  const server = fastify();
  t.after(() => server.close());
  const warmUp = new WarmUp();
  warmUp.follow(server);
  let turn = 0;
  const ranIn: number[] = [];
  const done = new Promise<void>((resolve) => {
    for (let index = 0; index < 5; index++) warmUp.add(() => void ranIn.push(turn));
    warmUp.add(resolve);
  });
  await server.ready();
  await nextTurn();
  assert.deepEqual(ranIn, [], "nothing runs before the server listens");
  const count = (): void => {
    turn++;
    if (ranIn.length < 5) setImmediate(count);
  };
  setImmediate(count);
  await server.listen({ host: "127.0.0.1", port: 0 });
  await done;
  assert.equal(ranIn.length, 5);
  assert.equal(new Set(ranIn).size, 5, `the turns ${ranIn.join()} differ`);
});

test("a piece that throws does not keep the others from running", async (t) => {
  const server = fastify();
  t.after(() => server.close());
  const warmUp = new WarmUp();
  warmUp.follow(server);
  warmUp.add(() => assert.fail("a fault"));
  const ran = new Promise<void>((resolve) => warmUp.add(resolve));
  await server.listen({ host: "127.0.0.1", port: 0 });
  await ran;
});

test("a server that closes runs no further pieces", async () => {
  const server = fastify();
  const warmUp = new WarmUp();
  warmUp.follow(server);
  let count = 0;
  for (let index = 0; index < 1000; index++) warmUp.add(() => void count++);
  void server.listen({ host: "127.0.0.1", port: 0 });
  await once(server.server, "listening");
  await server.close();
  const before = count;
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  assert.equal(count, before);
  assert.ok(count < 1000);
});
