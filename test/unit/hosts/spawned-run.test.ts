import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { logEntry, type LogEntry } from "../../../src/log-entry.ts";
import { LogQueue } from "../../../src/hosts/spawned-run.ts";

function push(queue: LogQueue, ...messages: readonly string[]): void {
  for (const message of messages) queue.push(logEntry(message, "USER", "STDOUT"));
}

async function read(queue: AsyncIterable<LogEntry>): Promise<string[]> {
  const messages: string[] = [];
  for await (const { message } of queue) messages.push(message);
  return messages;
}

describe("a queue of lines", () => {
  test("gives a late reader all lines, and ends with the last one", async () => {
    const queue = new LogQueue();
    push(queue, "a", "b");
    queue.end();
    assert.deepEqual(await read(queue), ["a", "b"]);
    assert.deepEqual(await read(queue), [], "each line is read once");
  });

  test("gives a waiting reader each line as it arrives", async () => {
    const queue = new LogQueue();
    const lines = queue[Symbol.asyncIterator]();
    const [first, second, third] = [lines.next(), lines.next(), lines.next()];
    push(queue, "a", "b");
    assert.equal(((await first).value as LogEntry).message, "a");
    assert.equal(((await second).value as LogEntry).message, "b");
    queue.end();
    assert.deepEqual(await third, { value: undefined, done: true });
    assert.deepEqual(await lines.next(), { value: undefined, done: true });
  });

  test("divides the lines among several readers, none of which waits forever", async () => {
    const queue = new LogQueue();
    const readers = [read(queue), read(queue)];
    push(queue, "a", "b", "c");
    queue.end();
    assert.deepEqual((await Promise.all(readers)).flat().sort(), ["a", "b", "c"]);
  });

  test("continues for the next reader after one stops", async () => {
    const queue = new LogQueue();
    push(queue, "a", "b");
    for await (const { message } of queue) {
      assert.equal(message, "a");
      break;
    }
    queue.end();
    assert.deepEqual(await read(queue), ["b"]);
  });

  test("keeps the last 10,000 lines if they are not read", async () => {
    const queue = new LogQueue();
    for (let count = 0; count < 25_000; count++) push(queue, String(count));
    queue.end();
    const kept = await read(queue);
    assert.equal(kept.length, 10_000);
    assert.equal(kept[0], "15000");
    assert.equal(kept.at(-1), "24999");
  });
});
