import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startProcess, type AppProcess } from "../helpers/process-app.ts";
import { exchange, rawRequest, statusOf } from "../helpers/sockets.ts";

const JSON_TYPE = { "content-type": "application/json" };

async function said(app: AppProcess, line: string): Promise<void> {
  while (!app.output().includes(line)) await once(app.child.stdout, "data");
}

describe("signals and uncaught errors", { timeout: 300_000, concurrency: 1 }, () => {
  for (const [name, signals, isCut] of [
    ["a second SIGTERM", ["SIGTERM", "SIGTERM"], false],
    ["a SIGTERM behind a SIGINT", ["SIGINT", "SIGTERM"], false],
    ["a first SIGINT behind a SIGTERM", ["SIGTERM", "SIGINT"], false],
    ["a SIGTERM behind a SIGHUP", ["SIGHUP", "SIGTERM"], false],
    ["a second SIGHUP, and a third", ["SIGHUP", "SIGHUP", "SIGHUP"], false],
    ["a second SIGINT", ["SIGINT", "SIGINT"], true],
  ] as const) {
    test(`${name} ${isCut ? "cuts off at once, and teardown still runs" : "lets the stop go on: what runs is answered"}`, async () => {
      const app = await startProcess("ok");
      const answer = exchange(
        app.port,
        rawRequest("POST", isCut ? "/deaf" : "/sleep", JSON_TYPE, '{"ms":900}'),
      );
      await said(app, isCut ? "deaf" : "sleeping");
      for (const [index, signal] of signals.entries()) {
        app.child.kill(signal);
        if (index === 0) await said(app, "handleExit");
      }
      assert.equal(statusOf(await answer), isCut ? 503 : 200);
      assert.equal(await app.exited, isCut ? 1 : 0);
      if (isCut) assert.match(app.output(), /aborted[^]*teardown/);
    });
  }

  for (const signals of [
    ["SIGTERM", "SIGTERM", "SIGTERM"],
    ["SIGINT", "SIGINT", "SIGINT"],
    ["SIGHUP", "SIGTERM", "SIGINT"],
    ["SIGTERM", "SIGINT", "SIGTERM"],
  ] as const) {
    test(`a third signal (${signals.join(", ")}) does not wait for teardown`, async () => {
      const app = await startProcess("long teardown", { LOG_LEVEL: "debug" });
      await said(app, "watches for signals");
      app.child.kill(signals[0]);
      await said(app, "teardown");
      app.child.kill(signals[1]);
      // The second signal has been handled once it is logged.
      await Promise.race([said(app, "the stop continues"), said(app, "forced stop")]);
      app.child.kill(signals[2]);
      assert.equal(await app.exited, 1);
    });
  }

  for (const [what, path, scenario, kinds] of [
    ["a handler, from the first on", "/spin", "ok", ["SIGTERM", "SIGTERM", "SIGTERM"]],
    ["a handler, from the first on", "/spin", "ok", ["SIGINT", "SIGINT", "SIGINT"]],
    ["a handler, from the first on", "/spin", "ok", ["SIGTERM", "SIGINT", "SIGHUP"]],
    ["teardown", undefined, "busy teardown", ["SIGTERM", "SIGTERM", "SIGTERM"]],
    ["teardown", undefined, "busy teardown", ["SIGINT", "SIGTERM", "SIGINT"]],
  ] as const) {
    test(`three signals (${kinds.join(", ")}) end a process whose event loop is busy in ${what}`, async () => {
      const app = await startProcess(scenario, { LOG_LEVEL: "debug" });
      await said(app, "watches for signals");
      if (path !== undefined) {
        void exchange(app.port, rawRequest("POST", path));
        await said(app, "spinning");
      }
      for (const [index, kind] of kinds.entries()) {
        // The system merges signals of one kind that have not been handled yet.
        if (index > 0) await sleep(200);
        app.child.kill(kind);
        if (index === 0 && path === undefined) await said(app, "teardown");
      }
      await app.exited;
      assert.equal(app.child.signalCode, "SIGKILL");
    });
  }

  for (const [how, times] of [
    ["exception", 1],
    ["rejection", 1],
    ["exception", 50],
    ["rejection", 3],
  ] as const) {
    test(`${times} uncaught ${how}(s): logged, running calls complete, teardown, exit 1`, async () => {
      const app = await startProcess("ok");
      const answer = exchange(app.port, rawRequest("POST", "/sleep", JSON_TYPE, '{"ms":500}'));
      await said(app, "sleeping");
      await exchange(app.port, rawRequest("POST", "/throw", JSON_TYPE, JSON.stringify({ how, times })));
      assert.equal(statusOf(await answer), 200);
      assert.equal(await app.exited, 1);
      assert.match(app.output(), /teardown/);
      assert.equal(app.output().split('"level":60').length - 1, 1);
      const logged = app.output().split(/"message":"uncaught \d+"/).length - 1;
      assert.equal(logged, Math.min(times, 10));
    });
  }
});
