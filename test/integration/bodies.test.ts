import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startTestServer, type TestServer } from "servable/testing";
import { exchange, rawRequest, statusOf, bodyOf } from "../helpers/sockets.ts";
import { WireApp } from "../helpers/wire-app.ts";

interface Refusal {
  detail: { type: string; loc: (string | number)[]; msg: string; input?: unknown; ctx?: unknown }[];
}

describe("request bodies", () => {
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp(), { bodyLimitBytes: 100_000 });
  });
  after(() => served.close());

  async function refused(
    body: string | Uint8Array<ArrayBuffer>,
    headers?: Record<string, string>,
  ): Promise<Refusal> {
    const answer = await served.post("/", body, headers);
    assert.equal(answer.status, 422);
    assert.equal(answer.headers.get("x-fal-billable-units"), "0");
    return (await answer.json()) as Refusal;
  }

  test("JSON is accepted with any JSON content type, in any case, with or without charset", async () => {
    const types = [
      "application/json",
      "Application/JSON; Charset=UTF-8",
      "application/vnd.api+json",
      "APPLICATION/X+JSON",
    ];
    for (const type of types) {
      const answer = await served.post("/", { text: "x" }, { "content-type": type });
      assert.equal(answer.status, 200, type);
    }
  });

  test("another, malformed or missing content type makes the body be refused as bytes", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "json",
      "application/jsonx",
      ";;",
    ]) {
      const { detail } = await refused('{"text":"x"}', { "content-type": type });
      assert.deepEqual(
        detail,
        [
          {
            type: "model_attributes_type",
            loc: ["body"],
            msg: `Input should be a valid dictionary or object to extract fields from; the body's content type is "${type}", send it as application/json`,
            input: "<binary 12 bytes>",
          },
        ],
        type,
      );
    }
    const none = await exchange(served.port, rawRequest("POST", "/", {}, '{"text":"x"}'));
    assert.equal(statusOf(none), 422);
    assert.match(none, /<binary 12 bytes>/);
  });

  test("a body that is not an object is refused with its value in the error", async () => {
    for (const [body, input] of [
      ["[1]", [1]],
      ["5", 5],
      ['"a"', "a"],
      ["true", true],
    ] as const) {
      const { detail } = await refused(body);
      assert.deepEqual(detail[0]?.input, input);
      assert.equal(detail[0]?.type, "model_attributes_type");
    }
  });

  test("an empty body, a missing body and null all report one missing field: the body", async () => {
    const missing = [{ type: "missing", loc: ["body"], msg: "Field required", input: null }];
    assert.deepEqual((await refused("")).detail, missing);
    assert.deepEqual((await refused("null")).detail, missing);
    const none = await exchange(served.port, rawRequest("POST", "/"));
    assert.deepEqual((JSON.parse(bodyOf(none)) as Refusal).detail, missing);
  });

  test("invalid JSON is refused with the position of the error", async () => {
    const { detail } = await refused('{"text": }');
    assert.deepEqual(detail, [
      {
        type: "json_invalid",
        loc: ["body", 9],
        msg: "JSON decode error",
        input: {},
        ctx: { error: "Expecting value" },
      },
    ]);
  });

  test("the connection stays usable after a refused body", async () => {
    const one = rawRequest(
      "POST",
      "/",
      { connection: "keep-alive", "content-type": "application/json" },
      "{",
    );
    const two = rawRequest("POST", "/", { "content-type": "application/json" }, '{"text":"after"}');
    const answer = await exchange(served.port, Buffer.concat([one, two]));
    assert.match(answer, /json_invalid[^]*HTTP\/1\.1 200 OK[^]*after/);
  });

  test("a byte-order mark is skipped", async () => {
    const answer = await served.post("/", new TextEncoder().encode('\ufeff{"text":"x"}'));
    assert.equal(answer.status, 200);
  });

  test("invalid UTF-8 and too deep nesting return 400", async () => {
    const invalid = new Uint8Array([...new TextEncoder().encode('{"text":"'), 0xff, 0xfe, 0x22, 0x7d]);
    for (const body of [
      invalid,
      `${"[".repeat(5000)}${"]".repeat(5000)}`,
      `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`,
    ]) {
      const answer = await served.post("/raw", body);
      assert.equal(answer.status, 400);
      assert.deepEqual(await answer.json(), { detail: "There was an error parsing the body" });
    }
  });

  test("nesting of ordinary depth is accepted", async () => {
    const answer = await served.post("/raw", `${"[".repeat(200)}${"]".repeat(200)}`);
    assert.equal(answer.status, 200);
  });

  test("the last of two duplicate keys is used", async () => {
    const answer = await served.post("/", '{"text":"first","text":"last"}');
    assert.deepEqual(await answer.json(), { text: "last", count: 3 });
  });

  test("unknown fields are dropped and defaults are filled in, at every depth", async () => {
    const answer = await served.post("/", {
      text: "x",
      bogus: 1,
      size: { width: 2, other: 3 },
      extra: { kept: 1 },
    });
    assert.deepEqual(await answer.json(), {
      text: "x",
      count: 3,
      size: { width: 2, height: 512 },
      extra: { kept: 1 },
    });
  });

  test("__proto__ is treated like any other unknown field", async () => {
    const answer = await served.post("/raw", '{"__proto__":{"polluted":1},"a":{"__proto__":{"b":1},"c":2}}');
    assert.equal(await answer.text(), '{"a":{"c":2}}');
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  test("types are strict: no text for a number; 3.0 is accepted as an integer", async () => {
    assert.equal((await refused('{"text":"x","count":"12"}')).detail[0]?.type, "int_type");
    assert.equal((await refused('{"text":"x","count":true}')).detail[0]?.type, "int_type");
    assert.equal((await refused('{"text":"x","count":3.5}')).detail[0]?.type, "int_from_float");
    assert.equal((await served.post("/", '{"text":"x","count":3.0}')).status, 200);
  });

  test("every error is reported, in the order of the schema", async () => {
    const { detail } = await refused('{"size":{"height":0,"width":"w"},"count":-1,"text":""}');
    assert.deepEqual(
      detail.map(({ type, loc }) => [type, ...loc]),
      [
        ["string_too_short", "body", "text"],
        ["greater_than_equal", "body", "count"],
        ["int_type", "body", "size", "width"],
        ["greater_than_equal", "body", "size", "height"],
      ],
    );
  });

  test("the response is valid JSON whatever the body was", async () => {
    const infinite = await refused('{"text":"x","count":1e999}');
    assert.equal(infinite.detail[0]?.input, "Infinity");
    const answer = await served.post("/", String.raw`{"text":5,"count":{"a":"\ud800"}}`);
    const text = await answer.text();
    assert.ok(
      (JSON.parse(text) as Refusal).detail.some(({ input }) => JSON.stringify(input) === '{"a":"?"}'),
      text,
    );
  });

  test("a body over the limit returns 413, with or without a declared length", async () => {
    const large = JSON.stringify({ text: "x".repeat(200_000) });
    const declared = await served.post("/", large);
    assert.equal(declared.status, 413);
    assert.deepEqual(await declared.json(), { detail: "Request body is too large" });
    const chunk = `${(50_000).toString(16)}\r\n${"x".repeat(50_000)}\r\n`;
    const head =
      "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    const chunked = await exchange(served.port, head + chunk.repeat(4));
    assert.equal(statusOf(chunked), 413);
  });

  test("a body with a million errors gets a response with a bounded number of them", async () => {
    await using roomy = await startTestServer(new WireApp());
    const nested = `{"size":`.repeat(100);
    const answer = await roomy.post(
      "/throw",
      `{"kind":${nested}[${"1,".repeat(500_000)}1]${"}".repeat(101)}`,
    );
    assert.equal(answer.status, 422);
    assert.ok((await answer.text()).length < 5_000_000);
  });
});
