import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
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

  test("can't be a Blob, which the log says by name", async () => {
    for (const path of ["/blob", "/declared-blob"]) {
      assert.equal((await served.post(path)).status, 500);
      assert.match(JSON.stringify(logs.lines.at(-1)), /a Blob; read it first, and return its data/);
    }
  });

  test("to an error has its structured detail and headers", async () => {
    const answer = await served.post("/conflict");
    assert.equal(answer.status, 409);
    assert.equal(answer.headers.get("x-reason"), "a, b");
    assert.deepEqual(await answer.json(), { detail: { code: 1, taken: ["name"] } });
  });
});
