import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { FalSerializationError, UserFunctionException } from "../../../../src/errors.ts";
import { AnswerReader, type Answer } from "../../../../src/hosts/serverless/call-messages.ts";
import { assertFits, packed } from "../../../../src/hosts/serverless/server/call-protocol.ts";
import { callServable } from "../../../../src/hosts/serverless/server/call-servable.ts";
import { decodeThrown, type WireThrown } from "../../../../src/processes/thrown-codec.ts";

const SETTINGS = {
  format: 1,
  functionName: "speak()",
  moduleUrl: "file:///m.ts",
  entry: { place: { module: "file:///m.ts", line: 1, column: 1 } },
  port: 8080,
  maxCalls: 1,
  startupTimeout: 1,
  variables: {},
} as const;

describe("the server of a function's calls", () => {
  const calls: (readonly unknown[])[] = [];
  const server = callServable(SETTINGS, {
    call: (args) => {
      calls.push(args);
      const [first] = args;
      if (first instanceof Error) throw new UserFunctionException("speak() threw", { cause: first });
      return Promise.resolve(first);
    },
  }).buildServer();
  after(() => server.close());

  async function post(payload: unknown): Promise<{ status: number; answer: Answer | undefined }> {
    const { statusCode: status, rawPayload } = await server.inject({
      method: "POST",
      url: "/",
      payload: payload as object,
    });
    const reader = new AnswerReader();
    reader.push(rawPayload);
    return { status, answer: reader.answer() };
  }

  test("passes the arguments to the function, and answers with its result", async () => {
    const value = { at: new Date(5), bytes: new Uint8Array([1, 2]) };
    const { status, answer } = await post({ format: 1, args: packed([value]) });
    assert.equal(status, 200);
    assert.equal(answer?.field, "result");
    assert.deepEqual(deserialize(answer.bytes), value);
  });

  test("answers with the complete thrown error", async () => {
    const { status, answer } = await post({ format: 1, args: packed([new RangeError("too far")]) });
    assert.equal(status, 200);
    assert.equal(answer?.field, "thrown");
    const error = decodeThrown(deserialize(answer.bytes) as WireThrown) as UserFunctionException;
    assert.ok(error instanceof UserFunctionException);
    assert.ok(error.cause instanceof RangeError);
  });

  test("rejects other formats and invalid arguments", async () => {
    const wrong = [
      { format: 2, args: packed([]) },
      { format: 1, args: packed({ length: 0 }) },
      { format: 1, args: "" },
      { format: 1, args: "?" },
      { args: packed([]) },
      { format: 1 },
      [],
    ];
    const before = calls.length;
    for (const body of wrong) assert.equal((await post(body)).status, 422, JSON.stringify(body));
    assert.equal(calls.length, before);
  });

  test("survives any bytes sent to it", async () => {
    const seed = serialize([{ a: [1n, "x", new Map([[1, new Date(0)]])], b: new Uint8Array(8) }]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(seed.length),
        async (changes, length) => {
          const bytes = Buffer.from(seed.subarray(0, length));
          for (const [at, value] of changes) if (at < length) bytes[at] = value;
          const { status } = await post({ format: 1, args: bytes.toString("base64") });
          assert.ok(status === 200 || status === 422, String(status));
        },
      ),
      { numRuns: 500 },
    );
  });
});

test("a value that is too large for a body is rejected by its name", () => {
  assertFits(402e6, "the result of speak()");
  assert.throws(
    () => assertFits(403e6, "the result of speak()"),
    (error: Error) => {
      assert.ok(error instanceof FalSerializationError);
      assert.match(
        error.message,
        /^the result of speak\(\) is too large: it has 403 MB, and no more than 402 MB/,
      );
      return true;
    },
  );
});
