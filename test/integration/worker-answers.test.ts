import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { startTestServer, type TestServer } from "servable/testing";
import { PooledAnswersApp } from "../fixtures/pooled-answers-app.ts";
import { captureLogs } from "../helpers/captured-logs.ts";

describe("an answer from a worker", { timeout: 60_000 }, () => {
  const logs = captureLogs();
  let served: TestServer<PooledAnswersApp>;
  before(async () => {
    served = await startTestServer(new PooledAnswersApp(), { logger: logs.logger });
  });
  after(() => served.close());

  test("can be bytes, with its status and headers", async () => {
    const answer = await served.post("/bytes");
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get("content-type"), "image/png");
    assert.deepEqual(answer.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.deepEqual([...new Uint8Array(await answer.arrayBuffer())], [1, 2, 3]);
  });

  test("can be a file, with ranges", async () => {
    const answer = await fetch(`${served.url}/file`, { headers: { range: "bytes=5-5" } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers.get("content-range"), "bytes 5-5/14");
    assert.equal(await answer.text(), "a");
  });

  test("can be bytes, a file or JSON for each request of a batch", async () => {
    const answers = await Promise.all(
      ["file", "bytes", "json"].map((name) => served.post("/batch", { name })),
    );
    assert.deepEqual(await Promise.all(answers.map((answer) => answer.text())), [
      "from a worker\n",
      "abc",
      '{"name":"json"}',
    ]);
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers.get("content-type")]),
      [
        [202, "text/csv"],
        [202, "application/octet-stream"],
        [202, "application/json; charset=utf-8"],
      ],
    );
  });

  test("that only looks like a file is sent as the JSON that it is", async () => {
    for (const posing of [
      { path: "/etc/passwd", options: {} },
      { index: 0, path: "/etc/passwd", options: {}, files: [] },
    ]) {
      const answer = await served.post("/posing", posing);
      assert.deepEqual(await answer.json(), posing);
    }
  });

  test("can be a Blob, with its type, or a Response, with its status, headers and cookies", async () => {
    const blob = await served.post("/blob");
    assert.deepEqual([blob.status, blob.headers.get("content-type")], [202, "text/css"]);
    assert.equal(await blob.text(), "a blob");
    const response = await served.post("/response");
    assert.deepEqual(
      [
        response.status,
        ...["content-type", "content-length", "x-own"].map((name) => response.headers.get(name)),
      ],
      [203, "text/csv", "5", "1"],
    );
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(await response.text(), "a,b\r\n");
    const empty = await served.post("/empty");
    assert.deepEqual([empty.status, empty.headers.get("x-own"), await empty.text()], [204, "1", ""]);
  });

  test("can be a fetched Response, without the headers of its connection", async () => {
    const upstream = createServer((_request, response) => {
      response.writeHead(201, { "content-encoding": "gzip", "keep-alive": "timeout=9", "x-upstream": "1" });
      response.end(gzipSync("from upstream"));
    }).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const { port } = upstream.address() as AddressInfo;
    const answer = await served.post("/fetched", { name: `http://127.0.0.1:${port}/` });
    assert.deepEqual([answer.status, answer.headers.get("x-upstream")], [201, "1"]);
    assert.equal(answer.headers.get("content-encoding"), null);
    assert.notEqual(answer.headers.get("keep-alive"), "timeout=9");
    assert.equal(await answer.text(), "from upstream");
    upstream.closeAllConnections();
    upstream.close();
  });

  test("of declared bytes is checked against type and size, and one of declared JSON can't be a Blob", async () => {
    const declared = async (query: string): Promise<number> =>
      (await served.post(`/declared?${query}`)).status;
    assert.equal(await declared("size=10&type=image/png"), 200);
    assert.equal(await declared("size=11&type=image/png"), 500);
    assert.equal(await declared("size=10&type=text/plain"), 500);
    assert.equal((await served.post("/undeclared")).status, 500);
    assert.match(JSON.stringify(logs.lines.at(-1)), /does not fit its output schema/);
    assert.equal((await served.post("/nested")).status, 500);
    assert.match(JSON.stringify(logs.lines.at(-1)), /inner.*a Blob/);
  });

  test("whose body breaks is an error, of its own request alone in a batch", async () => {
    const broken = await served.post("/broken");
    assert.deepEqual([broken.status, await broken.json()], [500, { detail: "Internal Server Error" }]);
    const names = ["blob", "broken", "response", "json"];
    const answers = await Promise.all(names.map((name) => served.post("/batch", { name })));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 500, 418, 202],
    );
    assert.equal(await answers[0]?.text(), "a blob");
    assert.equal(await answers[2]?.text(), "mine");
  });

  test("whose body never ends stops when its client leaves, and the worker serves the next call", async () => {
    const leave = new AbortController();
    const logged = async (text: string): Promise<void> => {
      while (!logs.lines.some(({ msg }) => msg === text)) await turn();
    };
    const left = fetch(`${served.url}/endless`, { method: "POST", signal: leave.signal });
    await logged("endless");
    leave.abort();
    await assert.rejects(left);
    await logged("cancelled");
    assert.equal((await served.post("/blob")).status, 202);
  });

  test("to an error has its structured detail and headers", async () => {
    const answer = await served.post("/conflict");
    assert.equal(answer.status, 409);
    assert.equal(answer.headers.get("x-reason"), "a, b");
    assert.deepEqual(await answer.json(), { detail: { code: 1, taken: ["name"] } });
  });
});
