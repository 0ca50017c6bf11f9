import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { typedKey } from "../../../src/cli/platform/typed-secret.ts";
import { UsageError } from "../../../src/errors.ts";

interface Answered {
  readonly key: string | undefined;
  readonly shown: string;
}

async function answered(typed: string): Promise<Answered> {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = new PassThrough();
  const key = typedKey({ input, output });
  input.write(typed);
  return { key: await key, shown: await text(output.end()) };
}

describe("a key typed on a terminal", () => {
  test("is not echoed, and surrounding blanks are removed", async () => {
    const { key, shown } = await answered(" my-id:hidden \r");
    assert.deepEqual([key, shown], ["my-id:hidden", "Key (id:secret), which is not shown: \n"]);
  });

  test("is missing after Ctrl-C, whatever was typed before", async () => {
    for (const typed of ["\u0003", "my-id:hid\u0003"]) {
      const { key, shown } = await answered(typed);
      assert.deepEqual([key, shown], [undefined, "Key (id:secret), which is not shown: \n"]);
    }
  });

  test("is an error after Ctrl-D, and when nothing was typed", async () => {
    for (const typed of ["\u0004", "\r"]) await assert.rejects(answered(typed), UsageError);
  });
});

describe("a key from a pipe", () => {
  const piped = (content: string): Promise<string | undefined> => {
    const output = new PassThrough();
    return typedKey({ input: new PassThrough().end(content), output });
  };

  test("is the whole input without the line ending", async () => {
    assert.equal(await piped("my-id:hidden\n"), "my-id:hidden");
  });

  test("is an error when the input is empty or too long", async () => {
    await assert.rejects(piped("\n"), /There is no key on standard input/);
    await assert.rejects(piped("x".repeat(5_000)), /too long for a key/);
  });
});
