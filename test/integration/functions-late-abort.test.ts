import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test } from "node:test";
import { fn, LocalHost, type FunctionTarget } from "servable";

const cacheDirectory = mkdtempSync(join(tmpdir(), "servable-late-abort-"));
const logs: string[] = [];
const host = new LocalHost({ cacheDirectory, onLog: ({ message }) => logs.push(message) });

export const say = fn({ host }, (text: string) => console.log(text));

test("a call that is cancelled when its environment is there, but its code not yet, is not run", async (t) => {
  t.after(async () => {
    await host.close();
    rmSync(cacheDirectory, { recursive: true, force: true, maxRetries: 5 });
  });
  await say("first"); // the environment is there from now on
  const controller = new AbortController();
  const reason = new Error("changed my mind");
  const bundle = await say.bundle();
  const target: FunctionTarget = {
    name: "say()",
    options: say.options,
    entry: { place: { module: import.meta.url, line: 0, column: 0 }, exportName: "say" },
    bundle: async () => {
      await nextTurn();
      controller.abort(reason);
      await nextTurn();
      return bundle;
    },
  };
  await assert.rejects(
    host.run(target, ["second"], { signal: controller.signal }),
    (error) => error === reason,
  );
  assert.ok(logs.includes("first") && !logs.includes("second"), logs.join("\n"));
});
