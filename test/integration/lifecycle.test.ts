import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { bodyOf, exchange, openSocket, rawRequest, statusOf } from "../helpers/sockets.ts";
import { spawnScenario, startProcess, type AppProcess } from "../helpers/process-app.ts";

/** Posts over an agent's connections; resolves to status, body and the Connection header. */
function post(
  app: AppProcess,
  agent: Agent,
  path: string,
  body: object,
): Promise<[number, string, string | undefined]> {
  return new Promise((resolve, reject) => {
    const call = request(
      app.url + path,
      { method: "POST", agent, headers: { "content-type": "application/json" } },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        answer.on("end", () => resolve([answer.statusCode ?? 0, text, answer.headers.connection]));
        answer.on("error", reject);
      },
    );
    call.on("error", reject).end(JSON.stringify(body));
  });
}

async function said(app: AppProcess, line: string, times = 1): Promise<void> {
  while (app.output().split(line).length - 1 < times) await once(app.child.stdout, "data");
}

describe("the lifecycle of a process", { timeout: 120_000, concurrency: 1 }, () => {
  test("setup, serving, handleExit, teardown and exit 0 come in order, each with its state", async () => {
    const app = await startProcess("ok");
    assert.equal((await fetch(`${app.url}/readyz`)).status, 200);
    assert.equal(await app.stop(), 0);
    const steps = app
      .output()
      .split("\n")
      .filter((line) => /^(setup|listening|handleExit|teardown|served)/.test(line));
    assert.deepEqual(
      steps.map((line) => line.replace(/ http.*/, "")),
      ["setup SETUP", "listening", "handleExit TERMINATING", "teardown TERMINATING", "served"],
    );
  });

  test("SIGTERM with 50 requests in flight on keep-alive connections: all get a response, exit 0 within 1 s of the last", async () => {
    const app = await startProcess("ok");
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    // Each connection has served a request before, so that all of them are kept alive.
    await Promise.all(Array.from({ length: 50 }, () => post(app, agent, "/fast", {})));
    const answers = Array.from({ length: 50 }, (_, index) =>
      post(app, agent, "/sleep", { ms: 500 + index * 4 }),
    );
    await said(app, "sleeping", 50);
    app.child.kill("SIGTERM");
    const results = await Promise.all(answers);
    const lastAnswer = performance.now();
    assert.equal(await app.exited, 0);
    const lingered = performance.now() - lastAnswer;
    for (const [index, [status, body, connection]] of results.entries()) {
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(body), { ms: 500 + index * 4, state: "TERMINATING" });
      assert.equal(connection, "close");
    }
    assert.ok(lingered < 1000, `it took ${Math.round(lingered)} ms to end`);
    agent.destroy();
  });

  test("during a stop, readiness is red on an open connection, and new connections are refused", async () => {
    const app = await startProcess("ok");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const slow = post(app, new Agent({ keepAlive: true }), "/sleep", { ms: 600 });
    await said(app, "sleeping");
    const socket = await openSocket(app.port);
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    socket.write("GET /readyz HTTP/1.1\r\nhost: localhost\r\n"); // half a request: this connection is not idle
    await new Promise((resolve) => setTimeout(resolve, 50));
    app.child.kill("SIGTERM");
    await said(app, "handleExit");
    socket.write("\r\n");
    await once(socket, "close");
    assert.match(received, /^HTTP\/1\.1 503 [^]*connection: close[^]*stopping/i);
    await assert.rejects(post(app, agent, "/fast", {}));
    assert.equal((await slow)[0], 200);
    assert.equal(await app.exited, 0);
  });

  test("a running stream is sent to its end", async () => {
    const app = await startProcess("ok");
    const answer = await fetch(`${app.url}/stream`, { method: "POST" });
    app.child.kill("SIGINT");
    assert.equal((await answer.text()).match(/data: /g)?.length, 10);
    assert.equal(await app.exited, 0);
  });

  test("calls that outlast the grace period are aborted: the signal aborts, teardown runs, exit 1", async () => {
    const app = await startProcess("deaf");
    const answer = exchange(app.port, rawRequest("POST", "/deaf"));
    await said(app, "deaf");
    assert.equal(await app.stop(), 1);
    const text = await answer;
    assert.equal(statusOf(text), 503);
    assert.equal(bodyOf(text), '{"detail":"The server stopped before the request was done."}');
    assert.match(app.output(), /aborted[^]*teardown/);
  });

  test("errors of handleExit and teardown are logged, and no later step is skipped", async () => {
    const app = await startProcess("bad hooks");
    assert.equal(await app.stop(), 0);
    assert.match(app.output(), /handleExit broke/);
    assert.match(app.output(), /teardown broke/);
  });

  test("the process stops by itself after limitMaxRequests, with exit 0", async () => {
    const app = await startProcess("limited");
    for (let count = 0; count < 3; count++) await exchange(app.port, rawRequest("POST", "/fast"));
    assert.equal(await app.exited, 0);
    assert.match(app.output(), /teardown/);
  });

  test("a setup that throws: the reason is logged, exit 3", async () => {
    const app = spawnScenario("bad setup");
    assert.equal(await app.exited, 3);
    assert.match(app.output(), /no weights at \/models/);
    assert.doesNotMatch(app.output(), /listening|teardown/);
  });

  test("a setup that exceeds startupTimeout logs a warning", async () => {
    const app = await startProcess("slow setup");
    assert.match(app.output(), /setup has taken 0\.05 s/);
    assert.equal(await app.stop(), 0);
  });

  test("a signal during setup stops the app after the setup, and the port is never opened", async () => {
    const app = spawnScenario("slow setup");
    while (!app.output().includes("setup SETUP")) await once(app.child.stdout, "data");
    app.child.kill("SIGTERM");
    assert.equal(await app.exited, 0);
    assert.doesNotMatch(app.output(), /listening/);
    assert.match(app.output(), /teardown/);
  });

  for (const [variable, what] of [
    ["PORT", "port"],
    ["METRICS_PORT", "metrics port"],
  ] as const) {
    test(`a ${what} in use is reported by name before setup; exit 3`, async () => {
      const blocker = createServer().listen(0, "127.0.0.1");
      await once(blocker, "listening");
      const { port } = blocker.address() as AddressInfo;
      const app = spawnScenario("ok", { [variable]: String(port) });
      assert.equal(await app.exited, 3);
      assert.ok(app.output().includes(`The ${what} ${port} on 127.0.0.1 is in use`), app.output());
      assert.doesNotMatch(app.output(), /setup SETUP/);
      blocker.close();
    });
  }

  test("a timer that the app forgot does not keep the process alive", async () => {
    const app = await startProcess("leaky");
    assert.equal(await app.stop(), 0);
  });

  test("a connection that sends nothing, or half a request, does not keep the process alive", async () => {
    const app = await startProcess("deaf"); // one second of grace
    const idle = await openSocket(app.port);
    const half = await openSocket(app.port);
    half.write("POST /fast HTTP/1.1\r\nhost:");
    await fetch(`${app.url}/health`);
    assert.equal(await app.stop(), 0);
    assert.match(app.output(), /teardown/);
    idle.destroy();
    half.destroy();
  });
});
