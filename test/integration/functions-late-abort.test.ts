import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { after, test } from "node:test";
import { fn, LocalHost, type FunctionTarget } from "servable";
import { NpmEnvironments } from "../../src/environments/npm-environments.ts";
import { NpmRegistry } from "../helpers/npm-registry.ts";

const cacheDirectory = mkdtempSync(join(tmpdir(), "servable-late-abort-"));
const logs: string[] = [];
const host = new LocalHost({ cacheDirectory, onLog: ({ message }) => logs.push(message) });

export const say = fn({ host }, (text: string) => console.log(text));

after(async () => {
  await host.close();
  rmSync(cacheDirectory, { recursive: true, force: true, maxRetries: 5 });
});

test("a call that is cancelled after its environment is ready but before its code is, is not run", async () => {
  await say("first"); // the environment is ready from now on
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

test("an install is aborted when its call's code turns out to be faulty meanwhile", async (t) => {
  await using registry = await NpmRegistry.start({ slow: { "1.0.0": {} } });
  const { environment } = registry;
  Object.assign(process.env, environment);
  t.after(() => {
    for (const name of Object.keys(environment)) delete process.env[name];
  });
  registry.break(/tgz$/, "stall");
  const reason = new Error("no bundle");
  const target: FunctionTarget = {
    name: "say()",
    options: say.on({ requirements: ["slow@1.0.0"] }).options,
    entry: { place: { module: import.meta.url, line: 0, column: 0 } },
    bundle: async () => {
      await registry.asked(/tgz$/);
      throw reason;
    },
  };
  await assert.rejects(host.run(target, [], {}), (error) => error === reason);
  const environments = new NpmEnvironments({ cacheDirectory });
  assert.deepEqual(
    (await environments.list()).map(({ state, requirements }) => [state, requirements]),
    [["ready", []]],
  );
});
