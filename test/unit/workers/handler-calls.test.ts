import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseServable, endpoint } from "../../../src/index.ts";
import { collectRoutes } from "../../../src/routes/registry.ts";
import { describeRoute } from "../../../src/routes/signature.ts";
import { ForwardingLog } from "../../../src/workers/forwarding-log.ts";
import { HandlerCalls } from "../../../src/workers/handler-calls.ts";
import { HostedServable } from "../../../src/workers/hosted-servable.ts";
import type { FromWorker } from "../../../src/workers/protocol.ts";

class Counter extends BaseServable {
  running = 0;
  atOnce = 0;

  @endpoint("/")
  async count(): Promise<number> {
    this.atOnce = Math.max(this.atOnce, ++this.running);
    await Promise.resolve();
    this.running--;
    return 1;
  }
}

test("calls run one at a time, and each is answered, at whatever moment between two calls they arrive", async () => {
  const counter = new Counter();
  const [signature] = collectRoutes(counter).keys();
  assert.ok(signature !== undefined);
  const answered = new Map<number, string>();
  const send = (message: FromWorker): void => {
    if ("id" in message && typeof message.id === "number") answered.set(message.id, message.type);
    if (message.type === "unbegun") for (const id of message.ids) answered.set(id, "unbegun");
  };
  const calls = new HandlerCalls(new HostedServable(counter), new ForwardingLog("silent", send), send);
  let id = 0;
  const call = (): Promise<void> =>
    calls.run({
      ...{ type: "call", id: ++id, route: describeRoute(signature), inputs: undefined },
      ...{ isBatch: false, contexts: [] },
    });
  for (let steps = 0; steps < 60; steps++) {
    const first = call();
    const waiting = call();
    for (let step = 0; step < steps; step++) await Promise.resolve();
    const between = [call(), call()];
    await Promise.all([first, waiting, ...between, calls.idle()]);
    assert.equal(calls.isRunning, false);
    // Those that waited too long are given back.
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(answered.size, id);
  assert.deepEqual(new Set(answered.values()), new Set(["result"]));
  assert.equal(counter.atOnce, 1);
});
