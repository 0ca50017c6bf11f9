import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LogEntry } from "../../src/log-entry.ts";
import { flood, print, printInSetup, printSlowly } from "../fixtures/functions/logs.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";
import { LoggedHost } from "../helpers/function-logs.ts";

useFunctionCache();

const logged = new LoggedHost();
const fn = print.on(logged.host);

/** Returns the output of a run, once its call has returned. */
async function printed(what: string): Promise<LogEntry[]> {
  const from = logged.entries.length;
  await fn(what);
  return logged.entries.slice(from);
}

describe("a function's output is logged before its call returns:", () => {
  test("all of it, in order", async () => {
    const lines = (await printed("order")).map(({ message }) => message);
    assert.deepEqual(
      lines,
      Array.from({ length: 1000 }, (_, count) => `line ${count}`),
    );
  });

  test("by the stream it was printed to, with its source and time", async () => {
    const before = Date.now();
    const entries = await printed("streams");
    const of = (level: string): string[] =>
      entries.filter((entry) => entry.level === level).map(({ message }) => message);
    assert.deepEqual(of("STDOUT"), ["out 1", "out 2"]);
    assert.deepEqual(of("STDERR"), ["err 1", "err 2"]);
    for (const { source, timestamp } of entries) {
      assert.equal(source, "USER");
      assert.ok(timestamp.getTime() >= before && timestamp.getTime() <= Date.now());
    }
  });

  const cases: [what: string, title: string, lines: string[]][] = [
    ["partial", "a line that comes in parts, and one without an end", ["one line", "and the rest"]],
    ["empty", "lines that are empty", ["", "", ""]],
    ["unicode", "characters whose bytes come one by one", ["a😀é"]],
    ["invalid", "bytes that are no UTF-8, with a mark in their place", ["a\ufffdb"]],
    ["child", "the output of a process that it starts", ["of a child", "error of a child"]],
    ["mark", "what looks like the machinery's own marks", ["\u0000servable:other:1", "before \u0000"]],
    ["replaced", "what is printed once its own stream is put back", ["kept"]],
    ["nothing", "nothing", []],
  ];
  for (const [what, title, expected] of cases) {
    test(title, async () => {
      const lines = (await printed(what)).map(({ message }) => message);
      assert.deepEqual([...lines].sort(), [...expected].sort());
    });
  }

  test("a line longer than a log entry may be, in pieces", async () => {
    const lines = (await printed("long")).map(({ message }) => message);
    assert.ok(lines.length > 1);
    assert.equal(lines.join(""), "x".repeat(200_000));
  });

  test("even if it throws, or its process exits", async () => {
    const from = logged.entries.length;
    await assert.rejects(fn("throws"), { message: "thrown" });
    assert.deepEqual(
      logged.entries.slice(from).map(({ message }) => message),
      ["before it throws"],
    );
    await assert.rejects(fn("exits"), { code: "FUNCTION_WORKER_DIED" });
    assert.equal(logged.entries.at(-1)?.message, "before it exits");
  });

  test("from the setup on", async () => {
    const from = logged.entries.length;
    await printInSetup.on(logged.host)();
    assert.deepEqual(
      logged.entries.slice(from).map(({ message }) => message),
      ["in the setup", "in the run"],
    );
  });

  test("unless it closes its output, which does not fail its call", async () => {
    await fn("ended");
    await fn("nothing");
  });
});

describe("the logs of a spawned run", () => {
  test("arrive line by line while it runs, and end with it", async () => {
    const { logs, result, stream } = printSlowly.spawn();
    const lines = logs[Symbol.asyncIterator]();
    const first = await lines.next();
    assert.equal((first.value as LogEntry).message, "first");
    stream.cancel(new Error("seen"));
    await assert.rejects(result, { message: "seen" });
    assert.deepEqual(await lines.next(), { value: undefined, done: true });
  });

  test("are complete, and contain no lines of other runs", async () => {
    const from = logged.entries.length;
    const runs = ["order", "streams", "order"].map((what) => print.spawn(what));
    const counts = await Promise.all(
      runs.map(async ({ logs }) => {
        const lines: string[] = [];
        for await (const { message } of logs) lines.push(message);
        return lines.length;
      }),
    );
    assert.deepEqual(counts, [1000, 4, 1000]);
    assert.equal(logged.entries.length, from, "the host's listener gets only lines of calls");
  });

  test("that nobody reads are kept up to the last 10,000 lines, and use no more memory than that", async () => {
    const before = heldBytes();
    const { logs, result } = flood.spawn(1_000_000);
    assert.equal(await result, 1_000_000);
    const grown = (heldBytes() - before) / 1e6;
    assert.ok(grown < 30, `${grown} MB more for 100 MB of lines`);
    let count = 0;
    for await (const { message } of logs) {
      assert.equal(message.length, 99);
      count++;
    }
    assert.equal(count, 10_000);
  });
});

/** Memory in use after a garbage collection: the size of the process includes garbage that is not collected yet. */
function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
