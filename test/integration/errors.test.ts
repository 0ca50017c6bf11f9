import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Writable } from "node:stream";
import { pino } from "pino";
import { startTestServer, type TestServer } from "servable/testing";
import { WireApp } from "../helpers/wire-app.ts";

/** Status and detail by kind of error. */
const ANSWERS: Readonly<Record<string, readonly [number, unknown]>> = {
  app: [418, "no such style"],
  field: [422, [{ loc: ["body", "prompt"], msg: "is unsafe", type: "content_policy" }]],
  cancelled: [499, "Request cancelled by the client."],
  gpu: [503, "GPU error"],
  cuda: [503, "CUDA error: out of memory"],
  "cuda text": [503, "CUDA error: out of memory"],
  "gpu text": [503, "GPU error"],
  barracuda: [500, "Internal Server Error"],
  error: [500, "Internal Server Error"],
  string: [500, "Internal Server Error"],
  undefined: [500, "Internal Server Error"],
  null: [500, "Internal Server Error"],
  frozen: [500, "Internal Server Error"],
  symbol: [500, "Internal Server Error"],
  proxy: [500, "Internal Server Error"],
};

describe("errors of handlers", () => {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp(), { logger: pino(sink) });
  });
  after(() => served.close());

  for (const path of ["/throw", "/throw-sync"]) {
    for (const [kind, [status, detail]] of Object.entries(ANSWERS)) {
      test(`${path}: ${kind} returns ${status}`, async () => {
        const answer = await served.post(path, { kind }, { origin: "http://page.localhost" });
        assert.equal(answer.status, status);
        assert.deepEqual(await answer.json(), { detail });
        assert.equal(answer.headers.get("access-control-allow-origin"), "http://page.localhost");
      });
    }
  }

  test("billable units are sent for a refused field", async () => {
    const answer = await served.post("/throw", { kind: "field" });
    assert.equal(answer.headers.get("x-fal-billable-units"), "1.50000000");
  });

  test("an unexpected error is logged once, with its stack and the request id", async () => {
    lines.length = 0;
    await served.post("/throw", { kind: "error" }, { "x-fal-request-id": "req-42" });
    const logged = lines.filter((line) => line.includes("secret"));
    assert.equal(logged.length, 1);
    const line = JSON.parse(logged[0] as string) as { requestId: string; err: { stack: string } };
    assert.equal(line.requestId, "req-42");
    assert.match(line.err.stack, /wire-app/);
  });

  test("an error raised on purpose is not logged as a failure", async () => {
    lines.length = 0;
    await served.post("/throw", { kind: "app" });
    assert.deepEqual(lines, []);
  });

  test("a result that does not match its schema returns a 500 that reveals nothing of it, and is logged", async () => {
    lines.length = 0;
    const answer = await served.post("/wrong-output");
    assert.equal(answer.status, 500);
    assert.equal(await answer.text(), '{"detail":"Internal Server Error"}');
    assert.match(lines.join(""), /wrongOutput\(\) returned a result that does not fit.*text/);
  });

  test("a result that is not valid JSON returns 500", async () => {
    assert.equal((await served.post("/cyclic")).status, 500);
  });

  test("a handler that never settles gets 504 after its timeout, and its signal aborts", async () => {
    const answer = await served.post("/never");
    assert.equal(answer.status, 504);
    assert.deepEqual(await answer.json(), { detail: "The request took longer than 50 ms." });
    assert.deepEqual(served.app.seen, ["never: RequestTimeoutException"]);
  });

  test("a header that can't be sent fails the handler's call, not the connection", async () => {
    const bad = await served.post("/header", { name: "x-note", value: "a\r\nb" });
    assert.equal(bad.status, 500);
    const good = await served.post("/header", { name: "x-note", value: "fine" });
    assert.equal(good.headers.get("x-note"), "fine");
  });
});
