import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { readSimpleHead, targetOf } from "../../src/server/connections/request-head.ts";

/** Reads a text as Node's server does; undefined if it is not one whole request. */
function readByNode(text: string): Promise<{ request: IncomingMessage; body: string } | undefined> {
  return new Promise((resolve) => {
    const server = createServer({ requireHostHeader: false });
    const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const seen: { request: IncomingMessage; body: string }[] = [];
    server.on("request", (request, response) => {
      const read = { request, body: "" };
      request.on("data", (chunk: Buffer) => (read.body += chunk.toString("latin1")));
      request.on("end", () => {
        seen.push(read);
        response.end();
      });
    });
    const failed = (): void => resolve(undefined);
    server.on("clientError", failed).on("upgrade", failed).on("checkContinue", failed);
    server.on("checkExpectation", failed).on("connect", failed);
    server.emit("connection", socket);
    socket.push(Buffer.from(text, "latin1"));
    setImmediate(() => setImmediate(() => resolve(seen.length === 1 ? seen[0] : undefined)));
  });
}

const NAMES = [
  ...["host", "Host", "origin", "content-length", "Content-Length", "connection", "transfer-encoding"],
  ...["upgrade", "expect", "x-fal-queue-priority", "X-Fal-Request-Timeout", "accept", "te", "x y", "x", ""],
];
const VALUES = [
  ...["localhost", "3", " 3\t", "0", "03", "+3", "3, 3", "keep-alive", "Keep-Alive", "close", "chunked"],
  ...["low", "10", "", "a\u0001b", "a\u00ffb", "a\n b", "h2c", "100-continue"],
];
const head = fc
  .record({
    line: fc.constantFrom(
      ...Array.from({ length: 10 }, () => "POST / HTTP/1.1"),
      ...[
        "POST / HTTP/1.1",
        "POST /a-b HTTP/1.1",
        "GET /a HTTP/1.1",
        "POST /?q HTTP/1.1",
        "PO ST / HTTP/1.1",
      ],
      ...[
        "POST /a%20 HTTP/1.1",
        "POST http://a/ HTTP/1.1",
        "POST / HTTP/1.0",
        "post / HTTP/1.1",
        " / HTTP/1.1",
      ],
    ),
    headers: fc.array(
      fc.tuple(
        fc.constantFrom(...NAMES),
        fc.constantFrom(":", ": ", ": ", ":\t", " :"),
        fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...VALUES) }, fc.string({ maxLength: 8 })),
        fc.constantFrom(...Array.from({ length: 20 }, () => "\r\n"), "\n", "\r\n "),
      ),
      { maxLength: 5 },
    ),
    host: fc.constantFrom("", "host: localhost\r\n", "Host:a\r\n"),
  })
  .map(
    ({ line, host, headers }) => `${line}\r\n${host}${headers.map((parts) => parts.join("")).join("")}\r\n`,
  );

test("a simple head means the same to Node's parser, with the same end of the request", async () => {
  let simple = 0;
  await fc.assert(
    fc.asyncProperty(head, async (text) => {
      const read = readSimpleHead(text);
      if (read === undefined) return;
      simple++;
      const body = "x".repeat(read.bodyBytes % 1000);
      if (body.length !== read.bodyBytes) return;
      const parsed = await readByNode(text + body);
      assert.ok(parsed !== undefined, "Node reads it as something else");
      const { headers, method, url } = parsed.request;
      assert.equal(parsed.body, body);
      assert.equal(`${method} ${url}`, targetOf(text));
      assert.equal(headers.host, read.host);
      assert.equal(headers.origin, read.origin);
      assert.deepEqual(read.limits, {
        "x-fal-request-timeout": headers["x-fal-request-timeout"],
        "x-fal-queue-priority": headers["x-fal-queue-priority"],
      });
    }),
    { numRuns: 3_000 },
  );
  assert.ok(simple > 20, `only ${simple} heads were simple`);
});

test("the heads of common clients are simple", () => {
  const lines = ["Host: a", "Connection: keep-alive", "Content-Type: application/json", "Content-Length: 7"];
  const clients = {
    curl: ["User-Agent: curl/8", "Accept: */*"],
    fetch: ["accept: */*", "accept-language: *", "sec-fetch-mode: cors", "accept-encoding: gzip, deflate"],
    proxy: ["X-Forwarded-For: 10.0.0.1", "X-Request-Id: 0b2f", "traceparent: 00-00-00-01"],
  };
  for (const [name, own] of Object.entries(clients)) {
    const text = `POST / HTTP/1.1\r\n${[...lines, ...own].join("\r\n")}\r\n\r\n`;
    assert.equal(readSimpleHead(text)?.bodyBytes, 7, name);
  }
});
