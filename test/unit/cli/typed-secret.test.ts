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

describe("a key that is asked for on a terminal", () => {
  test("is not shown, nor what is around it taken", async () => {
    const { key, shown } = await answered(" my-id:hidden \r");
    assert.deepEqual([key, shown], ["my-id:hidden", "Key (id:secret), which is not shown: \n"]);
  });

  test("is none after Ctrl-C, whatever was typed before", async () => {
    for (const typed of ["\u0003", "my-id:hid\u0003"]) {
      const { key, shown } = await answered(typed);
      assert.deepEqual([key, shown], [undefined, "Key (id:secret), which is not shown: \n"]);
    }
  });

  test("is an error after Ctrl-D, and when nothing was typed", async () => {
    for (const typed of ["\u0004", "\r"]) await assert.rejects(answered(typed), UsageError);
  });
});

describe("a key that is piped", () => {
  const piped = (content: string): Promise<string | undefined> => {
    const output = new PassThrough();
    return typedKey({ input: new PassThrough().end(content), output });
  };

  test("is all that comes, without the line's end", async () => {
    assert.equal(await piped("my-id:hidden\n"), "my-id:hidden");
  });

  test("is an error when there is none, or no end of it", async () => {
    await assert.rejects(piped("\n"), /There is no key on standard input/);
    await assert.rejects(piped("x".repeat(5_000)), /too long for a key/);
  });
});
