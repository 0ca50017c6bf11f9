import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SharedCall } from "../../../src/processes/single-flight.ts";

/** Work that ends when `finish` is called or its signal aborts, and the signals of all its starts. */
function createWork(): {
  readonly shared: SharedCall<string, string>;
  readonly begun: AbortSignal[];
  finish(result: string): void;
} {
  const begun: AbortSignal[] = [];
  let finish!: (result: string) => void;
  const shared = new SharedCall<string, string>((signal, log) => {
    begun.push(signal);
    log("begun");
    return new Promise((resolve, reject) => {
      finish = resolve;
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  });
  return { shared, begun, finish: (result) => finish(result) };
}

describe("work shared by several callers", () => {
  test("runs once, and each caller receives all its log lines and its result", async () => {
    const { shared, begun, finish } = createWork();
    const heard: string[] = [];
    const joined = [1, 2].map((name) => shared.join({ log: (line) => heard.push(`${name} ${line}`) }));
    await turn();
    finish("done");
    assert.deepEqual(await Promise.all(joined), ["done", "done"]);
    assert.equal(begun.length, 1);
    assert.deepEqual(heard, ["1 begun", "2 begun"]);
    assert.equal(shared.isClosed, true);
  });

  test("continues for the other callers when one aborts, and is aborted when the last one aborts", async () => {
    const { shared, begun } = createWork();
    const [first, last] = [new AbortController(), new AbortController()];
    const joined = [first, last].map(({ signal }) => shared.join({ signal }));
    await turn();
    const [why, whyToo] = [new Error("first"), new Error("last")];
    first.abort(why);
    await assert.rejects(joined[0] as Promise<string>, (error) => error === why);
    assert.equal(begun[0]?.aborted, false);
    last.abort(whyToo);
    await assert.rejects(joined[1] as Promise<string>, (error) => error === whyToo);
    assert.equal(begun[0]?.reason, whyToo);
  });

  test("is not started for a caller that aborted before the start", async () => {
    const { shared, begun } = createWork();
    const reason = new Error("changed my mind");
    await assert.rejects(shared.join({ signal: AbortSignal.abort(reason) }), (error) => error === reason);
    await shared.settled();
    assert.deepEqual(begun, []);
    assert.equal(shared.isClosed, true, "who comes next begins anew");
  });

  test("continues for a waiting caller when another one joins that has already aborted", async () => {
    const { shared, begun, finish } = createWork();
    const joined = shared.join({});
    await assert.rejects(shared.join({ signal: AbortSignal.abort() }));
    await turn();
    assert.equal(begun[0]?.aborted, false);
    finish("done");
    assert.equal(await joined, "done");
  });
});
