import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyError, InputValidationError } from "../../../../src/errors.ts";
import { readJson } from "../../../../src/server/bodies/json-body.ts";
import { thrownBy } from "../../../helpers/thrown.ts";

const LIMITS = { maxDepth: 256, maxValues: 1_000_000 };
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
/** Makes a text longer, without values. */
const padded = (text: string, bytes: number): Buffer => Buffer.from(" ".repeat(bytes) + text);

function faultOf(bytes: Buffer, limits = LIMITS): unknown {
  const error = thrownBy(() => readJson(bytes, limits));
  if (error instanceof BodyError) return error.code;
  return error instanceof InputValidationError ? error.issues[0]?.type : error;
}

// Values are counted before parsing in a large body, and after it in others: the answers do not differ.
for (const size of [1_000, 300_000]) {
  test(`the limits apply to a body of ${size} bytes, also to one that is not JSON`, () => {
    assert.equal(faultOf(padded(nested(257), size)), "BODY_UNREADABLE");
    assert.equal(faultOf(padded(`${nested(257)}!`, size)), "BODY_UNREADABLE");
    assert.equal(faultOf(padded(`${nested(256)}!`, size)), "json_invalid");
    assert.deepEqual(readJson(padded(nested(256), size), LIMITS), JSON.parse(nested(256)));
    const list = JSON.stringify(Array.from({ length: 400 }, () => 1));
    const few = { maxDepth: 256, maxValues: 400 };
    assert.equal(faultOf(padded(list, size), few), "BODY_TOO_COMPLEX");
    assert.deepEqual(readJson(padded(list, size), { ...few, maxValues: 401 }), JSON.parse(list));
  });

  test(`the values of a body of ${size} bytes are admitted once, with their number`, () => {
    const admitted: number[] = [];
    readJson(padded('{"a":[1,{"b":null}]}', size), LIMITS, (values) => void admitted.push(values));
    assert.deepEqual(admitted, [7]);
    assert.throws(() => readJson(padded("[1]", size), LIMITS, () => assert.fail("refused")), /refused/);
  });
}
