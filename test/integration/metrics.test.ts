import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { FastifyInstance } from "fastify";
import { App, AppException, endpoint, type RequestContext } from "servable";
import { connectTestSocket } from "servable/testing";
import { Type } from "typebox";
import { startProcess } from "../helpers/process-app.ts";
import { Metrics, serveApp } from "../helpers/served-app.ts";

test(
  "metrics are served on a port of their own, per route, in Prometheus's format",
  { timeout: 30_000 },
  async () => {
    const app = await startProcess("ok");
    const post = (path: string, body?: string): Promise<Response> =>
      fetch(app.url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        ...(body && { body }),
      });
    await post("/fast");
    await post("/fast");
    await post("/fail");
    await post("/sleep", "{");
    await post("/unknown");
    await fetch(`${app.url}/fast`);
    const pending = post("/sleep", '{"ms":400}');
    await once(app.child.stdout, "data"); // the handler logs that it began
    const text = await (await fetch(app.metricsUrl)).text();
    await pending;

    const value = (line: string): number =>
      Number(
        text
          .split("\n")
          .find((row) => row.startsWith(`${line} `))
          ?.split(" ")
          .at(-1),
      );
    const labels = (path: string, status: number): string =>
      `{app_name="fal",method="POST",path="${path}",status_code="${status}"}`;
    assert.equal(value(`http_requests_total${labels("/fast", 200)}`), 2);
    assert.equal(value(`http_requests_total${labels("/fail", 500)}`), 1);
    assert.equal(value(`http_requests_total${labels("/sleep", 422)}`), 1);
    assert.equal(value(`http_request_duration_seconds_count${labels("/fast", 200)}`), 2);
    assert.equal(
      value(
        'http_request_duration_seconds_bucket{app_name="fal",method="POST",path="/fast",status_code="200",le="+Inf"}',
      ),
      2,
    );
    assert.equal(value('http_requests_in_progress{app_name="fal",method="POST",path="/sleep"}'), 1);
    assert.equal(value('fal_app_info{version="1.2.3"}'), 1);
    assert.ok(value("process_resident_memory_bytes") > 1e6);
    assert.ok(value("app_own_total") === 1, "what the app registers itself is there as well");
    assert.doesNotMatch(text, /unknown/);
    assert.doesNotMatch(text, /method="GET",path="\/fast"/);
    assert.equal((await fetch(app.metricsUrl.replace("/metrics", "/other"))).status, 404);
    assert.equal(await app.stop(), 0);
  },
);

test(
  "sessions are counted: open, messages, dropped inputs, duration, close codes",
  { timeout: 30_000 },
  async () => {
    const app = await startProcess("ok");
    const first = await connectTestSocket(`${app.url}/live`);
    for (let count = 0; count < 3; count++) {
      first.send({ ms: 0 });
      await first.next();
    }
    await first.close();
    const second = await connectTestSocket(`${app.url}/live`);
    second.socket.send("no MessagePack");
    await second.closed;
    const third = await connectTestSocket(`${app.url}/live`);
    let text = "";
    // The server's end of a connection is closed a moment after the client's.
    while (!text.includes('realtime_session_duration_seconds_count{app_name="fal",path="/live"} 2')) {
      text = await (await fetch(app.metricsUrl)).text();
    }
    const value = (name: string, labels = ""): number => {
      const line = `${name}{app_name="fal",path="/live"${labels}} `;
      const row = text.split("\n").find((candidate) => candidate.startsWith(line));
      return Number(row?.slice(line.length));
    };
    assert.equal(value("realtime_sessions_open"), 1);
    assert.equal(value("realtime_messages_received_total"), 4);
    assert.equal(value("realtime_messages_sent_total"), 3);
    assert.equal(value("realtime_inputs_dropped_total"), 0);
    assert.equal(value("realtime_session_duration_seconds_count"), 2);
    assert.equal(value("realtime_sessions_closed_total", ',code="1000"'), 2);
    third.socket.terminate();
    assert.equal(await app.stop(), 0);
  },
);

/** A route with a pattern in its path. */
class Shelf extends App {
  @endpoint("/items/:id", { method: "GET", params: Type.Object({ id: Type.Integer() }) })
  item(ctx: RequestContext<{ params: { id: number } }>): number {
    if (ctx.params.id === 404) throw new AppException("no such item", 404);
    return ctx.params.id;
  }

  @endpoint("/shelves/:shelf/items/:id", { maxConcurrency: 1 })
  put(): void {}

  override configure(server: FastifyInstance): void {
    server.get("/own/:id", () => "own");
  }
}

test("a path with parameters is one series: the label is the documented path, whatever is asked for", async () => {
  await using served = await serveApp(new Shelf());
  const get = (path: string): Promise<Response> => fetch(served.url + path, { redirect: "manual" });
  const statuses = new Set<number>();
  for (const path of [
    ...["/items/1", "/items/2?q=secret", "/items/404", "/items/x", "/items/%31", "/items/", "/items/1/"],
    ...[
      "/unknown/1",
      "/unknown/2",
      "/shelves/a/items/b",
      "/own/7",
      "/items/1%2f2",
      `/items/${"9".repeat(500)}`,
    ],
  ]) {
    statuses.add((await get(path)).status);
  }
  for (const shelf of ["a", "b"]) await served.post(`/shelves/${shelf}/items/1`);
  assert.deepEqual([...statuses].sort(), [200, 307, 404, 405, 422]);
  const { text } = await served.metrics();
  const paths = [...text.matchAll(/\bpath="([^"]*)"/g)].map(([, path]) => path);
  assert.deepEqual([...new Set(paths)].sort(), [
    ...["/health", "/items/{id}", "/livez", "/readyz", "/shelves/{shelf}/items/{id}"],
  ]);
  const count = (method: string, path: string, status: number): number =>
    new Metrics(text).value("http_requests_total", { method, path, status_code: String(status) });
  assert.deepEqual(
    [200, 404, 422].map((status) => count("GET", "/items/{id}", status)),
    [3, 1, 3],
  );
  assert.equal(count("POST", "/shelves/{shelf}/items/{id}", 200), 2);
  const queue = { method: "POST", path: "/shelves/{shelf}/items/{id}" };
  assert.equal(new Metrics(text).value("servable_queue_wait_seconds_count", queue), 2);
});

test("the delay of the event loop is measured by the server, from the first scrape on", async () => {
  await using served = await serveApp(new Shelf());
  const { text } = await served.metrics();
  const values = [...text.matchAll(/^nodejs_eventloop_lag_(\w+)_seconds (\S+)$/gm)];
  assert.deepEqual(values.map(([, which]) => which).sort(), [
    ...["max", "mean", "min", "p50", "p90", "p99", "stddev"],
  ]);
  for (const [line, , value] of values) assert.ok(Number(value) >= 0, line);
});
