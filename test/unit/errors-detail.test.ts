import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answerFor, MAX_ANSWER_BYTES } from "../../src/answers.ts";
import { AppException, type ErrorDetail, RequestCancelledException } from "../../src/errors.ts";
import { decodeThrown, encodeThrown } from "../../src/processes/thrown-codec.ts";

const INTERNAL = { detail: "Internal Server Error" };

describe("an AppException", () => {
  test("has any JSON value as its detail, and a message that shows it", () => {
    const details: ErrorDetail[] = [{ code: 1, list: [null, true] }, [1, "a"], 7, 0, false, null, ""];
    for (const detail of details) {
      const { body, status } = answerFor(new AppException(detail, 409));
      assert.deepEqual(body, { detail });
      assert.equal(status, 409);
    }
    assert.equal(new AppException({ code: 1 }).message, '{"code":1}');
    assert.equal(new AppException("text").message, "text");
    assert.equal(new AppException("text").detail, undefined);
    assert.deepEqual(Object.keys(new AppException("text")), ["code", "statusCode"]);
  });

  test("keeps the JSON of its detail when that has a toJSON()", () => {
    assert.deepEqual(answerFor(new AppException({ at: new Date(0) }, 400)).body, {
      detail: { at: "1970-01-01T00:00:00.000Z" },
    });
  });

  test("with a detail that JSON can't represent is refused where it is created", () => {
    const loop: { self?: object } = {};
    loop.self = loop;
    const hostile = { toJSON: () => assert.fail("hostile") };
    for (const detail of [loop, { n: 1n }, hostile, { toJSON: () => undefined }, () => 1, Symbol("s"), 1n]) {
      assert.throws(() => new AppException(detail as ErrorDetail), TypeError);
    }
  });

  test("that was changed to hostile values is answered with 500", () => {
    const hostile: unknown[] = [1n, () => 1, new Proxy({}, { ownKeys: () => assert.fail("no") })];
    for (const detail of hostile) {
      const error = Object.assign(new AppException({ code: 1 }, 409), { detail });
      assert.deepEqual(answerFor(error).body, INTERNAL);
    }
    for (const headers of [{ "x-a": "a\nb" }, { "content-length": "1" }, { "a b": "1" }, 5, null]) {
      const error = Object.assign(new AppException("no", 409), { headers });
      assert.deepEqual(answerFor(error).body, INTERNAL);
    }
  });

  test("with a huge detail is answered with its beginning, in the same form", () => {
    const huge: Record<string, ErrorDetail> = {
      text: { code: 1, text: "x".repeat(500_000), after: 1 },
      list: { code: 1, list: Array.from({ length: 100_000 }, (_, index) => ({ index })) },
      fields: Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`field${index}`, index])),
      key: { code: 1, ["k".repeat(100_000)]: 1 },
      escapes: { code: 1, text: "\u0000".repeat(100_000) },
    };
    for (const [name, detail] of Object.entries(huge)) {
      const { body } = answerFor(new AppException(detail, 400));
      const json = JSON.stringify(body);
      assert.ok(Buffer.byteLength(json) <= MAX_ANSWER_BYTES, `${name}: ${json.length}`);
      if (name === "fields") assert.equal((body.detail as { field0: number }).field0, 0);
      else assert.equal((body.detail as { code: number }).code, 1, name);
    }
  });

  test("has headers, of which those of HTTP and of the body are refused", () => {
    const headers = { "retry-after": 5, "www-authenticate": ["Bearer", "Key"] } as const;
    assert.deepEqual(answerFor(new AppException("no", 401, { headers })).headers, {
      "retry-after": "5",
      "www-authenticate": ["Bearer", "Key"],
    });
    assert.deepEqual(answerFor(new RequestCancelledException("x", { headers: { "x-a": "1" } })).headers, {
      "x-a": "1",
    });
    for (const name of [
      "content-length",
      "Content-Type",
      "content-encoding",
      "connection",
      "date",
      "a b",
      "",
    ]) {
      assert.throws(() => new AppException("no", 401, { headers: { [name]: "1" } }), TypeError, name);
    }
    assert.throws(
      () => new AppException("no", 401, { headers: { "x-a": "a\r\nb: c" } }),
      /its value has control/,
    );
  });

  test("arrives from another process with its detail and headers", () => {
    const sent = new AppException({ code: [1] }, 409, { headers: { "x-a": ["b"] }, cause: new Error("why") });
    const received = decodeThrown(encodeThrown(sent)) as AppException;
    assert.ok(received instanceof AppException);
    assert.deepEqual(received.detail, { code: [1] });
    assert.deepEqual(answerFor(received), answerFor(sent));
  });
});
