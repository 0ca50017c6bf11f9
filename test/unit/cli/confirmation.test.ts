import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { isConfirmed } from "../../../src/cli/platform/confirmation.ts";
import { UsageError } from "../../../src/errors.ts";

const QUESTION = { warning: "This deletes staging.", text: "staging" };

async function answered(typed: string): Promise<{ isYes: boolean; shown: string }> {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = new PassThrough();
  input.end(typed);
  const isYes = await isConfirmed(QUESTION, { input, output });
  return { isYes, shown: await text(output.end()) };
}

describe("the confirmation of an irreversible action", () => {
  test("is given only by the exact text that it asks for", async () => {
    const { isYes, shown } = await answered("staging\n");
    assert.deepEqual([isYes, shown], [true, 'This deletes staging. Type "staging" to continue: ']);
  });

  test("is refused by any other input, including the end of the input", async () => {
    for (const typed of ["Staging\n", "yes\n", "\n", ""]) {
      assert.equal((await answered(typed)).isYes, false, JSON.stringify(typed));
    }
  });

  test("fails with the reason of an aborted signal", async () => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const controller = new AbortController();
    const reason = new Error("interrupted");
    const { signal } = controller;
    const asked = isConfirmed(QUESTION, { input, output: new PassThrough(), signal });
    controller.abort(reason);
    await assert.rejects(asked, (error) => error === reason);
  });

  test("is not requested without a terminal", async () => {
    const output = new PassThrough();
    await assert.rejects(isConfirmed(QUESTION, { input: new PassThrough(), output }), UsageError);
    assert.equal(await text(output.end()), "");
  });
});
