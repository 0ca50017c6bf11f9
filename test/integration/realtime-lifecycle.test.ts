import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connectTestSocket } from "servable/testing";
import { startProcess, type AppProcess } from "../helpers/process-app.ts";

async function said(app: AppProcess, line: string, times = 1): Promise<void> {
  while (app.output().split(`${line}\n`).length - 1 < times) await once(app.child.stdout, "data");
}

const DROPPED = (count: number) => ({ type: "x-fal-message", action: "dropped", count });

describe("realtime sessions when the process stops", { timeout: 90_000, concurrency: 1 }, () => {
  test("unary: the running result is sent, waiting inputs are reported as dropped, then 1012", async () => {
    const app = await startProcess("ok");
    const busy = await connectTestSocket(`${app.url}/live`);
    const idle = await connectTestSocket(`${app.url}/live`);
    for (const ms of [300, 1, 1]) busy.send({ ms });
    await said(app, "live");
    await sleep(50); // the other two inputs have arrived
    app.child.kill("SIGTERM");
    assert.equal((await idle.closed).code, 1012);
    assert.equal((await busy.closed).code, 1012);
    assert.deepEqual(busy.results, [{ ms: 300 }]);
    assert.deepEqual(busy.control, [DROPPED(2)]);
    assert.deepEqual(idle.control, []);
    assert.equal(await app.exited, 0);
  });

  test("server streaming: the stream is sent to its end", async () => {
    const app = await startProcess("ok");
    const client = await connectTestSocket(`${app.url}/live-stream`);
    client.send({ ms: 50 });
    await said(app, "live");
    app.child.kill("SIGTERM");
    assert.equal((await client.closed).code, 1000);
    assert.equal(client.results.length, 5);
    assert.deepEqual(client.control, [{ type: "x-fal-message", action: "end" }]);
    assert.equal(await app.exited, 0);
  });

  test("client streaming and bidi: inputs end, the output is sent, then 1012", async () => {
    const app = await startProcess("ok");
    const sum = await connectTestSocket(`${app.url}/live-sum`);
    const echo = await connectTestSocket(`${app.url}/live-echo`);
    for (const ms of [1, 2]) {
      sum.send({ ms });
      echo.send({ ms });
    }
    await said(app, "live", 4);
    app.child.kill("SIGTERM");
    assert.equal((await sum.closed).code, 1012);
    assert.deepEqual(sum.results, [{ ms: 3 }]);
    assert.equal((await echo.closed).code, 1012);
    assert.deepEqual(echo.results, [{ ms: 1 }, { ms: 2 }]);
    assert.equal(await app.exited, 0);
  });

  test("clients that vanished in every mode, at every stage, do not delay the stop: it exits immediately with 0", async () => {
    const app = await startProcess("ok");
    for (const path of ["/live", "/live-stream", "/live-sum", "/live-echo"]) {
      for (const inputs of [0, 1, 3]) {
        const client = await connectTestSocket(app.url + path);
        for (let count = 0; count < inputs; count++) client.send({ ms: 30 });
        await sleep(10);
        client.socket.terminate();
      }
    }
    await sleep(100);
    const began = performance.now();
    assert.equal(await app.stop(), 0);
    assert.ok(performance.now() - began < 2000);
  });

  test("a run that outlasts the grace period is aborted, exit 1", async () => {
    const app = await startProcess("deaf"); // one second of grace
    const client = await connectTestSocket(`${app.url}/live`);
    client.send({ ms: 60_000 });
    await said(app, "live");
    assert.equal(await app.stop(), 1);
    assert.ok([1006, 1012].includes((await client.closed).code));
  });
});
