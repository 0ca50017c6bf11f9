import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { startTestServer, type TestServer } from "servable/testing";
import { bodyOf, exchange, openSocket, rawRequest, statusOf } from "../helpers/sockets.ts";
import { WireApp } from "../helpers/wire-app.ts";

const JSON_TYPE = { "content-type": "application/json" };
const VALID = '{"text":"hello","count":4,"size":{"width":2},"extra":{"a":[1,2,{"b":null}]}}';

describe("hostile input", { timeout: 180_000 }, () => {
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp());
  });
  after(() => served.close());

  const alive = async (): Promise<void> => assert.equal((await served.post("/", { text: "x" })).status, 200);

  /** Checks that a response has a documented status and JSON with a detail, and reveals no internals. */
  function assertDocumented(answer: string): void {
    const status = statusOf(answer);
    assert.ok([200, 307, 400, 404, 405, 408, 413, 422, 431].includes(status), answer.slice(0, 300));
    assert.doesNotMatch(answer, /node:internal|\.ts:\d|\.js:\d|    at /);
    if (status >= 400 && !answer.includes("transfer-encoding")) {
      assert.ok("detail" in (JSON.parse(bodyOf(answer)) as object), answer.slice(0, 300));
    }
  }

  test("2,000 mutated bodies are answered in the documented form", async () => {
    const mutation = fc.tuple(
      fc.nat(),
      fc.nat(255),
      fc.constantFrom("replace", "insert", "delete", "repeat"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 8 }), async (mutations) => {
        let bytes = [...Buffer.from(VALID)];
        for (const [at, byte, how] of mutations) {
          const offset = at % (bytes.length + 1);
          if (how === "replace") bytes[offset] = byte;
          else if (how === "insert") bytes.splice(offset, 0, byte);
          else if (how === "delete") bytes.splice(offset, 1);
          else bytes = [...bytes, ...bytes.slice(0, offset)];
        }
        const answer = await served.post("/", new Uint8Array(bytes));
        assert.ok([200, 400, 422].includes(answer.status));
        const value = JSON.parse(await answer.text()) as object;
        if (answer.status !== 200) assert.ok("detail" in value);
      }),
      { numRuns: 2000 },
    );
    await alive();
  });

  test("wrong types at every depth return 422, with the path of each error in the body", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 6 }), fc.json({ maxDepth: 3 }), async (size, count) => {
        const answer = await served.post("/", `{"text":"x","size":${size},"count":${count}}`);
        const value = (await answer.json()) as { detail?: { loc: unknown[] }[] };
        if (answer.status === 200) return;
        assert.equal(answer.status, 422);
        for (const { loc } of value.detail ?? []) assert.equal(loc[0], "body");
      }),
      { numRuns: 1000 },
    );
    await alive();
  });

  test("random bytes instead of a request get a response or a closed connection, 500 times", async () => {
    const head = fc.constantFrom(
      "",
      "POST ",
      "POST / HTTP/1.1\r\n",
      "POST / HTTP/1.1\r\nhost: localhost\r\n",
      "GET /\r\n\r\n",
    );
    await fc.assert(
      fc.asyncProperty(head, fc.uint8Array({ maxLength: 200 }), async (start, noise) => {
        const bytes = Buffer.concat([Buffer.from(start), noise, Buffer.from("\r\n\r\n\r\n\r\n")]);
        const socket = await openSocket(served.port);
        const answer = await new Promise<string>((resolve) => {
          let received = "";
          socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
          socket.once("close", () => resolve(received));
          socket.end(bytes);
        });
        if (answer !== "") assertDocumented(answer);
      }),
      { numRuns: 500 },
    );
    await alive();
  });

  const malformed: readonly [name: string, bytes: Buffer | string][] = [
    ["a header without a name", "POST / HTTP/1.1\r\n: x\r\n\r\n"],
    ["a header with a bad character", "POST / HTTP/1.1\r\nhost: localhost\r\nx-a: b\u0000c\r\n\r\n"],
    ["two lengths", "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}"],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a negative length", "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n"],
    ["a length that is no number", "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: ten\r\n\r\n"],
    ["a broken chunk", "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
    ["headers of 100 kB", `POST / HTTP/1.1\r\nhost: localhost\r\nx-a: ${"a".repeat(100_000)}\r\n\r\n`],
    ["an unknown method", "BREW / HTTP/1.1\r\nhost: localhost\r\n\r\n"],
    ["no host", "POST / HTTP/1.1\r\n\r\n"],
    ["a path with a NUL", "POST /\u0000 HTTP/1.1\r\nhost: localhost\r\n\r\n"],
    ["another protocol", "\u0016\u0003\u0001\u0002\u0000"],
  ];
  for (const [name, bytes] of malformed) {
    test(`${name} is refused, not served`, async () => {
      const answer = await exchange(served.port, bytes);
      assert.ok([400, 404, 405, 431].includes(statusOf(answer)), answer.slice(0, 200));
      assertDocumented(answer);
      await alive();
    });
  }

  test("unusual headers never cause an internal error", async () => {
    const odd = ["{", "null", "[]", '"x"', "\u00ff\u00fe", " ", "a".repeat(5000), '{"a":', "undefined"];
    const names = [
      "x-fal-request-id",
      "x-fal-endpoint",
      "x-fal-object-lifecycle-preference",
      "x-fal-cdn-token",
      "origin",
    ];
    for (const name of names) {
      for (const value of odd) {
        const answer = await exchange(served.port, rawRequest("POST", "/context", { [name]: value }));
        const expected = name === "origin" ? 403 : 200; // not a page of this machine
        assert.equal(statusOf(answer), expected, `${name}: ${value.slice(0, 20)}`);
      }
    }
  });

  test("a content type of any form gets a response", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)) }),
        async (type) => {
          const answer = await exchange(
            served.port,
            rawRequest("POST", "/", { "content-type": type.trim() }, VALID),
          );
          assert.ok([200, 422].includes(statusOf(answer)), `${type}: ${answer.slice(0, 200)}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("the server still responds after a hundred callers disconnect during their requests", async () => {
    const requests = Array.from({ length: 100 }, async (_, index) => {
      const socket = await openSocket(served.port);
      const whole = rawRequest("POST", "/slow", JSON_TYPE, '{"ms":1000,"tag":"left"}');
      socket.write(whole.subarray(0, Math.ceil((whole.length * (index + 1)) / 100)));
      await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
    });
    await Promise.all(requests);
    await alive();
  });
});
