import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "../../../src/media/content-inspection.ts";

/** The head of a PNG of 3 × 5 pixels. */
const PNG = Buffer.from("89504e470d0a1a0a0000000d494844520000000300000005080200000000000000", "hex");

test("a picture that is cut short has no size, whatever lies behind it in memory", async () => {
  for (let length = 8; length < PNG.length; length++) {
    const memory = Buffer.alloc(200, 0xff);
    PNG.copy(memory, 50, 0, length);
    const { dimensions } = await inspect(memory.subarray(50, 50 + length), undefined, true);
    assert.deepEqual(dimensions, length < 24 ? undefined : { width: 3, height: 5 }, `${length} bytes`);
  }
});
