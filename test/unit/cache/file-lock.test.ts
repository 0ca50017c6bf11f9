import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FileLock } from "../../../src/cache/file-lock.ts";
import { createMark, stateOf } from "../../../src/cache/process-mark.ts";
import { createCacheFolder } from "../../helpers/environments.ts";

const NO_PID = 2 ** 22 + 1;
const QUICK = { pollMs: 4, heartbeatMs: 10, silentMs: 60 };

describe("a lock", () => {
  test("is held by one process at a time, and free again when released", () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    const first = FileLock.tryAcquire(path);
    assert.ok(first !== undefined && first.isHeld());
    assert.equal(FileLock.tryAcquire(path), undefined);
    assert.ok(FileLock.isLive(path));
    first.release();
    assert.ok(!FileLock.isLive(path));
    using second = FileLock.tryAcquire(path);
    assert.ok(second?.isHeld());
    assert.deepEqual(readdirSync(folder.path), ["lock"]);
  });

  test("of a dead process is taken over immediately", async () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    writeFileSync(path, JSON.stringify({ ...createMark(), pid: NO_PID }));
    {
      using taken = FileLock.tryAcquire(path);
      assert.ok(taken?.isHeld());
    }
    writeFileSync(path, JSON.stringify({ ...createMark(), pid: NO_PID }));
    let hasWaited = false;
    using waited = await FileLock.acquire<FileLock>(path, { onWait: () => (hasWaited = true) });
    assert.ok(waited.isHeld());
    assert.ok(!hasWaited);
    assert.deepEqual(readdirSync(folder.path), ["lock"]);
  });

  test("of a process whose pid was reused is taken over", (t) => {
    if (process.platform !== "linux") return t.diagnostic("only Linux tells when a process began");
    assert.equal(stateOf({ ...createMark(), start: "1" }), "dead");
    assert.equal(stateOf(createMark()), "alive");
  });

  test("of a dead process is taken over even if the previous process that took it over died while doing so", () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    const dead = { ...createMark(), pid: NO_PID };
    const thief = { ...createMark(), pid: NO_PID };
    writeFileSync(path, JSON.stringify(dead));
    writeFileSync(`${path}-after-${dead.token}`, JSON.stringify(thief));
    using taken = FileLock.tryAcquire(path);
    assert.ok(taken?.isHeld());
    assert.deepEqual(readdirSync(folder.path), ["lock"]);
  });

  test("of another machine is respected while it is refreshed, and taken over when it is stale", async () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    writeFileSync(path, JSON.stringify({ ...createMark(), place: "another machine" }));
    assert.equal(FileLock.tryAcquire(path), undefined);
    const started = performance.now();
    using taken = await FileLock.acquire<FileLock>(path, { times: QUICK });
    assert.ok(taken.isHeld());
    assert.ok(performance.now() - started >= QUICK.silentMs);
  });

  test("with a damaged file is taken over when it is stale", async () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    writeFileSync(path, "");
    using taken = await FileLock.acquire<FileLock>(path, { times: QUICK });
    assert.ok(taken.isHeld());
  });

  test("is refreshed by its holder, so that it never becomes stale", { timeout: 60_000 }, async (t) => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    using held = FileLock.tryAcquire(path, QUICK);
    // For the waiting process, almost the whole time limit passes with each refresh, and no time without.
    let now = 0;
    t.mock.method(performance, "now", () => now);
    let signs = 0;
    let seen = statSync(path).mtimeMs;
    const other = await FileLock.acquire(path, {
      times: QUICK,
      instead: () => {
        const { mtimeMs } = statSync(path);
        if (mtimeMs === seen) return undefined;
        seen = mtimeMs;
        now += QUICK.silentMs - 1;
        return ++signs > 4 ? "gave up" : undefined;
      },
    });
    assert.equal(other, "gave up");
    assert.ok(held?.isHeld());
  });

  test("that was taken over is not held any more, and releasing it has no effect", () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    const lost = FileLock.tryAcquire(path);
    const text = JSON.stringify(createMark());
    writeFileSync(path, text);
    assert.ok(lost !== undefined && !lost.isHeld());
    lost.release();
    assert.equal(readFileSync(path, "utf8"), text);
  });

  test("is no longer waited for after the signal aborts, and its holder is reported once", async () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    using held = FileLock.tryAcquire(path);
    assert.ok(held !== undefined);
    const controller = new AbortController();
    const holders: number[] = [];
    let rounds = 0;
    const waiting = FileLock.acquire(path, {
      signal: controller.signal,
      // On a busy machine the holder may not refresh the lock for a while.
      times: { ...QUICK, silentMs: 60_000 },
      onWait: ({ pid }) => holders.push(pid),
      instead: () => {
        if (++rounds === 5) controller.abort(new Error("enough"));
        return undefined;
      },
    });
    await assert.rejects(waiting, /enough/);
    assert.deepEqual(holders, [process.pid]);
  });

  test("is held by one process at a time, even if half of the processes die while they hold it", async () => {
    using folder = createCacheFolder();
    const path = join(folder.path, "lock");
    const fixture = fileURLToPath(new URL("../../fixtures/lock-contender.ts", import.meta.url));
    const contenders = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ["--import", import.meta.resolve("tsx"), fixture, path, "60"], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    const outputs = contenders.map(async (child) => {
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      await once(child, "close");
      return output;
    });
    for (const child of contenders) child.stdin.end();
    assert.deepEqual(await Promise.all(outputs), ["done\n", "done\n", "done\n", "done\n"]);
  });
});
