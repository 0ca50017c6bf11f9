import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { programCode } from "../../src/functions/bundle/programs.ts";

/** The pid of a process that is not the parent of those started here. */
const GONE = "1";

async function endOf(child: ChildProcess): Promise<unknown> {
  const [, signal] = await once(child, "exit");
  return signal;
}

test("a function's process whose parent ended before its first check ends, even while it computes", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "servable-parent-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "runner.mjs"), await programCode("runner"));
  writeFileSync(join(folder, "bundle.mjs"), "for (;;) Math.random();");
  const child = fork(join(folder, "runner.mjs"), ["computes", GONE], { serialization: "advanced" });
  const place = { module: "file:///app.ts", line: 1, column: 1 };
  child.send({ type: "load", moduleUrl: place.module, functionName: "f()", entry: { place } });
  assert.equal(await endOf(child), "SIGKILL");
});

test("a worker of an app whose parent ended before its first check ends", async () => {
  const entry = fileURLToPath(new URL("../../src/workers/entry.ts", import.meta.url));
  const child = fork(entry, ["App", GONE], { serialization: "advanced" });
  assert.equal(await endOf(child), "SIGKILL");
});
