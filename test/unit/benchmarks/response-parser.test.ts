import assert from "node:assert/strict";
import { test } from "node:test";
import { parseResponse } from "../../../benchmarks/batching/response-parser.ts";

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 10\r\n\r\n{"seed":1}';

test("a response is returned once it has arrived completely", () => {
  for (let length = 0; length < OK.length; length++)
    assert.equal(parseResponse(OK.slice(0, length)), undefined);
  assert.deepEqual(parseResponse(OK), {
    status: 200,
    hasRetryAfter: false,
    closes: false,
    body: '{"seed":1}',
  });
});

test("Retry-After and a closed connection are recognised in any letter case", () => {
  const text = "HTTP/1.1 503 x\r\nRETRY-AFTER: 1\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n";
  assert.deepEqual(parseResponse(text), { status: 503, hasRetryAfter: true, closes: true, body: "" });
});

test("a response without a length, or with extra bytes after it, is rejected", () => {
  assert.throws(() => parseResponse("HTTP/1.1 200 OK\r\n\r\n"), /No answer to read/);
  assert.throws(() => parseResponse(`${OK}${OK}`), /More than one answer/);
});
