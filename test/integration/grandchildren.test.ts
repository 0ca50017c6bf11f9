import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { family, shortFamily } from "../fixtures/functions/family.ts";
import { familyPool } from "../fixtures/family-worker.ts";
import { callOf } from "../fixtures/worker-calls.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";
import { cleanEnvironment } from "../helpers/cli.ts";
import { ended, isAlive } from "../helpers/processes.ts";

useFunctionCache();

async function allEnded(pids: readonly number[]): Promise<void> {
  assert.ok(pids.length >= 6, `some were not started: ${pids.join(" ")}`);
  await Promise.all(pids.map((pid) => ended(pid)));
}

/** The first matching line of a program that keeps running, and a function that kills the program. */
async function firstLine(
  file: string,
  how: string,
  pattern: RegExp,
): Promise<{ text: string; kill: () => void }> {
  const path = fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url));
  const loader = ["--conditions=servable-source", "--import", import.meta.resolve("tsx")];
  const child = spawn(process.execPath, [...loader, path, how], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...cleanEnvironment(), SERVABLE_CACHE_DIR: process.env["SERVABLE_CACHE_DIR"] },
  });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const [, text] = pattern.exec(line) ?? [];
    if (text === undefined) continue;
    return { text, kill: () => void child.kill("SIGKILL") };
  }
  return assert.fail("it ended without saying so");
}

describe(
  "child processes of a worker's handlers end with the worker, when it",
  { timeout: 180_000, skip: process.platform !== "linux" },
  () => {
    test("is stopped", async () => {
      const pool = familyPool();
      await pool.start();
      const pids = (await pool.run(callOf("family", true))) as number[];
      assert.ok(pids.every(isAlive));
      await pool.stop();
      await allEnded(pids);
    });

    test("is killed while it computes", async () => {
      const pool = familyPool();
      await pool.start();
      const pids = (await pool.run(callOf("family", true))) as number[];
      pool.run(callOf("spin")).catch(() => {});
      await pool.stop(0);
      await allEnded(pids);
    });

    test("is replaced because its call is stuck", async () => {
      const pool = familyPool({ stuckGraceMs: 100 });
      await pool.start();
      const pids = (await pool.run(callOf("family", true))) as number[];
      await assert.rejects(pool.run({ ...callOf("spin"), finishBy: performance.now() }), /SIGKILL/);
      await allEnded(pids);
      await pool.stop(0);
    });

    // A worker that is killed from outside can't report the process groups that it has started.
    for (const [how, withDetached] of [
      ["exit", true],
      ["crash", true],
      ["leave", true],
      ["killed", false],
    ] as const) {
      test(`ends by itself (${how})`, async () => {
        const pool = familyPool();
        await pool.start();
        const pids = (await pool.run(callOf("family", withDetached))) as number[];
        await assert.rejects(pool.run(callOf(how)));
        await allEnded(pids);
        await pool.stop(0);
      });
    }

    for (const how of ["idle", "busy"]) {
      test(`is ${how}, and its own parent is killed`, async () => {
        const program = await firstLine("family-worker.ts", how, /^(\[.*\])$/);
        const pids = JSON.parse(program.text) as number[];
        assert.ok(pids.every(isAlive));
        program.kill();
        await allEnded(pids);
      });
    }
  },
);

describe(
  "child processes of a function end with its process, when it",
  { timeout: 180_000, skip: process.platform !== "linux" },
  () => {
    test("is no longer needed", async () => {
      await allEnded(await shortFamily());
    });

    for (const how of ["exits", "throws outside", "killed by a signal"]) {
      test(how, async () => {
        const run = family.spawn(how);
        let pids: number[] = [];
        for await (const { message } of run.logs) {
          if (message.startsWith("pids ")) pids = message.split(" ").slice(2).map(Number);
        }
        await assert.rejects(run.result);
        await allEnded(pids);
      });
    }

    for (const how of ["computes", "waits"]) {
      test(`${how}, and is cancelled`, async () => {
        const run = family.spawn(how);
        for await (const { message } of run.logs) {
          if (!message.startsWith("pids ")) continue;
          run.stream.cancel();
          await run.result.catch(() => {});
          await allEnded(message.split(" ").slice(2).map(Number));
          break;
        }
      });

      test(`${how}, and the program that called it is killed`, async () => {
        const program = await firstLine("functions/family.ts", how, /^pids \d+ (.*)$/);
        const pids = program.text.split(" ").map(Number);
        assert.ok(pids.every(isAlive));
        program.kill();
        await allEnded(pids);
      });
    }
  },
);
