import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { pino, type Logger } from "pino";
import { answerFor } from "../../src/answers.ts";
import { systemClock, type Clock } from "../../src/dispatch/clock.ts";
import {
  AppException,
  FieldException,
  RequestTimeoutException,
  StartupError,
  WorkerDiedException,
} from "../../src/errors.ts";
import { WorkerPool, type WorkerPoolOptions } from "../../src/workers/pool.ts";
import { NOT_BEGUN } from "../../src/workers/running-call.ts";
import { batchOf, callOf, poolOptions } from "../fixtures/worker-calls.ts";
import { ended, isAlive } from "../helpers/processes.ts";
import { REPOSITORY, temporaryFolder } from "../helpers/second-copy.ts";
import { compile } from "../helpers/typescript.ts";

const pools: WorkerPool[] = [];
after(() => Promise.all(pools.map((pool) => pool.stop(0))));

function createPool(options: Partial<WorkerPoolOptions> = {}): WorkerPool {
  const pool = new WorkerPool({ ...poolOptions(), ...options });
  pools.push(pool);
  return pool;
}

async function startPool(options: Partial<WorkerPoolOptions> = {}): Promise<WorkerPool> {
  const pool = createPool(options);
  await pool.start();
  return pool;
}

/** Resolves once a number of workers are ready. */
function readiness(pool: WorkerPool, wanted: number): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (pool.ready === wanted) resolve();
    };
    pool.onReadyChange(check);
    check();
  });
}

/** The machine's clock, with timers that keep this process alive while no worker does. */
const wakefulClock: Clock = {
  ...systemClock,
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** A logger whose lines can be read and awaited. */
function recordingLogger(): {
  log: Logger;
  lines: Record<string, unknown>[];
  said(text: string): Promise<void>;
} {
  const lines: Record<string, unknown>[] = [];
  const waiting: (() => void)[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      for (const check of waiting) check();
      done();
    },
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (lines.some(({ msg }) => msg === text)) resolve();
      };
      waiting.push(check);
      check();
    });
  return { log: pino({ level: "info", base: null, timestamp: false }, stream), lines, said };
}

/**
 * A class without an import, in TypeScript that has to be transpiled and an ES module without "type" in
 * package.json.
 */
const TYPESCRIPT_APP = `
enum Kind { Module = "module" }
const kind = await Promise.resolve(Kind.Module);
class Base {
  static [Symbol.for("servable.BaseServable")] = true;
}
export class Plain extends Base {
  [Symbol.for("servable.describe")]() {
    const route = { path: "/kind", methodName: "kind", isWebsocket: false };
    return { routes: new Map([[route, () => kind]]), lifespan: async function* () { yield; } };
  }
}
`;

const COMPILED_PARENT = `
import type {} from "../../src/workers/entry.ts";
import type {} from "../../src/typescript/module-format.ts";
import { systemClock } from "../../src/dispatch/clock.ts";
import { WorkerPool } from "../../src/workers/pool.ts";
import { pino } from "pino";

const moduleUrl = String(process.argv[2]);
const log = pino({ level: "silent" });
const pool = new WorkerPool({ moduleUrl, className: "Plain", count: 1, clock: systemClock, log });
await pool.start();
const { signal } = new AbortController();
console.log(await pool.run({ route: "POST /kind", inputs: undefined, batched: false, contexts: [], signal }));
await pool.stop();
`;

describe("a compiled pool, run by plain Node", () => {
  test("loads a TypeScript module into its workers, even if only its syntax shows that it is an ES module", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "package.json"), "{}");
    writeFileSync(join(folder, "plain.ts"), TYPESCRIPT_APP);
    const files = { "parent.mts": COMPILED_PARENT };
    const printed = compile(folder, files, { noEmit: false, rootDir: REPOSITORY, outDir: "out" });
    assert.equal(printed, "");
    const [, cache = "", name = ""] = /([^/\\]+)[/\\]([^/\\]+)$/.exec(folder) ?? [];
    writeFileSync(join(folder, "out", "package.json"), '{"type":"module"}');
    const args = [
      join(folder, "out", cache, name, "parent.mjs"),
      pathToFileURL(join(folder, "plain.ts")).href,
    ];
    const env = { ...process.env, NODE_OPTIONS: "" };
    assert.equal(execFileSync(process.execPath, args, { encoding: "utf8", env }), "module\n");
  });
});

describe("calls", () => {
  test("each of a thousand calls through three workers gets its own result", async () => {
    const pool = await startPool({ count: 3 });
    assert.equal(pool.size, 3);
    assert.equal(pool.ready, 3);
    const pids = new Set<number>();
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let input = next++; input < 1000; input = next++) {
        const result = (await pool.run(callOf("double", input))) as { doubled: number; pid: number };
        assert.equal(result.doubled, input * 2);
        pids.add(result.pid);
      }
    };
    await Promise.all([worker(), worker(), worker()]);
    assert.equal(pids.size, 3);
    assert.ok(!pids.has(process.pid));
    await pool.stop();
    for (const pid of pids) assert.ok(!isAlive(pid));
  });

  test("setup has completed before the first call", async () => {
    const pool = await startPool();
    const { isSetUp } = (await pool.run(callOf("double", 1))) as { isSetUp: boolean };
    assert.equal(isSetUp, true);
    await pool.stop();
  });

  test("bytes, dates, maps and undefined arrive unchanged", async () => {
    const pool = await startPool();
    const input = {
      bytes: new Uint8Array([1, 2]),
      at: new Date(0),
      map: new Map([[1, { two: 2n }]]),
      none: undefined,
    };
    assert.deepEqual(await pool.run(callOf("echo", input)), input);
    await pool.stop();
  });

  test("a busy pool refuses a call immediately, and accepts the next one after the first has ended", async () => {
    const pool = await startPool();
    const first = pool.run(callOf("slowly", 30));
    await assert.rejects(
      pool.run(callOf("pid")),
      /No worker of WorkerApp is free for POST \/pid: 1 of 1 ready, all busy/,
    );
    assert.equal(await first, 30);
    assert.equal(typeof (await pool.run(callOf("pid"))), "number");
    await pool.stop();
    await assert.rejects(pool.run(callOf("pid")), /stopped/);
  });

  test("a batch receives its inputs and contexts, and an item's error fails only that item", async () => {
    const { log, lines } = recordingLogger();
    const pool = await startPool({ log });
    const call = batchOf("batch", [1, -1, 2]);
    const [first, second, third] = (await pool.run(call)) as unknown[];
    assert.deepEqual(first, { input: 1, requestId: call.contexts[0]?.requestId });
    assert.ok(second instanceof AppException);
    assert.deepEqual(answerFor(second), { status: 400, body: { detail: "negative" }, unexpected: false });
    assert.deepEqual(third, { input: 2, requestId: call.contexts[2]?.requestId });
    assert.equal(call.contexts[2]?.answerHeaders.get("x-index"), "2");
    assert.equal(call.contexts[1]?.answerHeaders.size, 0);
    assert.deepEqual(lines, [{ level: 30, size: 3, msg: "batch" }]);
    await pool.stop();
  });

  test("a result that can't be serialized is an error that names the handler; in a batch, for that item only", async () => {
    const pool = await startPool();
    await assert.rejects(
      pool.run(callOf("unsendable")),
      /WorkerApp\.unsendable\(\) returned what can't be sent from its worker: callback is a function\./,
    );
    const [good, bad] = (await pool.run(batchOf("batch", [1, 0]))) as unknown[];
    assert.equal((good as { input: number }).input, 1);
    assert.match(
      (bad as Error).message,
      /WorkerApp\.batch\(\) returned what can't be sent .*: it is a function\./,
    );
    await pool.stop();
  });

  test("an input that can't be serialized is refused, and the worker stays free", async () => {
    const pool = await startPool();
    await assert.rejects(
      pool.run(callOf("echo", () => 1)),
      /The input of POST \/echo can't be sent to a worker/,
    );
    assert.equal(await pool.run(callOf("echo", 1)), 1);
    await pool.stop();
  });

  test("messages that a handler itself sends to its parent are not taken for results", async () => {
    const { log, lines } = recordingLogger();
    const pool = await startPool({ log });
    assert.equal(typeof (await pool.run(callOf("ownWords"))), "number");
    assert.equal(pool.ready, 1);
    const first = pool.run(callOf("slowly", 10));
    await assert.rejects(pool.run(callOf("pid")), /No worker of WorkerApp is free/);
    assert.equal(await first, 10);
    assert.deepEqual(lines, []);
    await pool.stop();
  });

  test("a route that the class does not have is named in the error", async () => {
    const pool = await startPool();
    await assert.rejects(pool.run(callOf("nowhere")), /WorkerApp has no route POST \/nowhere/);
    await pool.stop();
  });
});

describe("several calls for one worker", () => {
  test("run one after the other, and each gets its own result or error", async () => {
    const pool = await startPool();
    const calls = [callOf("double", 1), callOf("fail", "app"), callOf("echo", () => 1), callOf("double", 2)];
    const [first, second, third, fourth] = await Promise.allSettled(pool.runAll(calls));
    assert.equal((first as PromiseFulfilledResult<{ doubled: number }>).value.doubled, 2);
    assert.ok((second as PromiseRejectedResult).reason instanceof AppException);
    assert.match(String((third as PromiseRejectedResult).reason), /The input of POST \/echo can't be sent/);
    assert.equal((fourth as PromiseFulfilledResult<{ doubled: number }>).value.doubled, 4);
    assert.equal(await pool.run(callOf("echo", 1)), 1, "the worker is free again");
    await pool.stop();
  });

  test("those behind a call that waits are returned unbegun, and the worker is free after that call", async () => {
    const pool = await startPool();
    const answers = pool.runAll([callOf("slowly", 50), callOf("pid"), callOf("echo", new Map())]);
    const [first, ...others] = await Promise.allSettled(answers);
    assert.equal((first as PromiseFulfilledResult<number>).value, 50);
    for (const other of others) assert.equal((other as PromiseRejectedResult).reason, NOT_BEGUN);
    assert.equal(await pool.run(callOf("echo", 1)), 1);
    await pool.stop();
  });

  test("if the worker is killed, only the running one fails; the others are returned unbegun", async () => {
    const pool = await startPool();
    const pid = (await pool.run(callOf("pid"))) as number;
    const [before, running, behind] = pool.runAll([callOf("pid"), callOf("spin"), callOf("pid")]);
    assert.equal(await before, pid, "its answer does not wait for the others");
    process.kill(pid, "SIGKILL");
    await assert.rejects(running as Promise<unknown>, WorkerDiedException);
    await assert.rejects(behind as Promise<unknown>, (error) => error === NOT_BEGUN);
    await pool.stop();
  });

  test("one whose request is aborted before it begins starts aborted", async () => {
    const pool = await startPool();
    const call = callOf("untilAborted");
    const answers = pool.runAll([callOf("echo", 1), call]);
    call.contexts[0]?.controller.abort(new Error("gone"));
    assert.deepEqual(await Promise.all(answers), [1, { name: "Error", message: "gone" }]);
    await pool.stop();
  });
});

describe("errors", () => {
  test("errors of this package keep class, code, fields, cause and stack", async () => {
    const pool = await startPool();
    const refusal = await pool.run(callOf("fail", "app")).catch((error: unknown) => error);
    assert.ok(refusal instanceof AppException);
    assert.equal(refusal.code, "APP_EXCEPTION");
    assert.equal((refusal as unknown as { hint: string }).hint, "try less");
    assert.ok(refusal.cause instanceof RangeError);
    assert.match(String(refusal.stack), /worker-app\.ts/);
    assert.deepEqual(answerFor(refusal), { status: 418, body: { detail: "too much" }, unexpected: false });
    const field = await pool.run(callOf("fail", "field")).catch((error: unknown) => error);
    const here = new FieldException("size", "too large", { type: "size.limit", billableUnits: 2 });
    assert.ok(field instanceof FieldException);
    assert.deepEqual(answerFor(field), answerFor(here));
    await pool.stop();
  });

  test("any thrown value reaches the caller, and the worker is kept", async () => {
    const pool = await startPool();
    const thrownBy = (kind: string): Promise<unknown> =>
      pool.run(callOf("fail", kind)).then(
        () => assert.fail("nothing was thrown"),
        (error: unknown) => error,
      );
    const native = (await thrownBy("native")) as Error;
    assert.ok(native instanceof TypeError);
    assert.equal(native.cause, "a text");
    assert.equal(await thrownBy("text"), "just a text");
    assert.equal(await thrownBy("nothing"), undefined);
    assert.deepEqual(await thrownBy("object"), { detail: "an object" });
    assert.match(((await thrownBy("function")) as Error).message, /threw no error but function/);
    assert.equal(((await thrownBy("system")) as NodeJS.ErrnoException).code, "ENOENT");
    assert.ok((await thrownBy("hostile")) instanceof Error);
    assert.equal(((await thrownBy("circle")) as Error).message, "a circle");
    assert.equal(await pool.run(callOf("echo", "still here")), "still here");
    assert.equal(pool.ready, 1);
    await pool.stop();
  });
});

describe("contexts", () => {
  test("a handler reads its request, and its changes are sent back", async () => {
    const pool = await startPool();
    const call = callOf("headers");
    const [context] = call.contexts;
    const seen = await pool.run(call);
    assert.deepEqual(seen, {
      requestId: context?.requestId,
      endpoint: "user/app/path",
      lifecyclePreference: { expiration: 1 },
      query: { size: "2", tag: ["a", "b"] },
    });
    assert.equal(context?.headers["x-fal-cdn-token"], "renewed");
    assert.equal(context?.answerHeaders.get("x-model"), "tiny");
    await pool.stop();
  });

  test("headers of a failed handler are sent back; a header that can't be sent is the handler's error", async () => {
    const pool = await startPool();
    const failing = callOf("headersAndFail");
    await assert.rejects(pool.run(failing), { message: "no" });
    assert.equal(failing.contexts[0]?.answerHeaders.get("x-model"), "tiny");
    await assert.rejects(pool.run(callOf("badHeader")), /setHeader\("x-model"\) is refused: its value/);
    await pool.stop();
  });

  test("currentRequest() and currentApp() work across awaits", async () => {
    const pool = await startPool();
    assert.deepEqual(await pool.run(callOf("current")), { isRequest: true, isApp: true });
    await pool.stop();
  });

  test("log lines arrive with their level, request and fields; those below the level are not sent", async () => {
    const { log, lines } = recordingLogger();
    const pool = await startPool({ log });
    const call = callOf("log");
    await pool.run(call);
    const requestId = call.contexts[0]?.requestId;
    const [first, second, ...others] = lines;
    assert.deepEqual(first, { level: 30, requestId, step: 1, msg: "first of 2" });
    const { err, ...rest } = second as { err: { message: string; stack: string } };
    assert.deepEqual(rest, { level: 40, requestId, part: "inner", msg: "second" });
    assert.equal(err.message, "odd");
    assert.match(err.stack, /worker-app\.ts/);
    assert.deepEqual(others, []);
    log.level = "debug";
    await pool.run(callOf("log"));
    assert.ok(lines.some(({ msg }) => msg === "below the level"));
    await pool.stop();
  });

  test("aborting a request aborts its handler, with its reason", async () => {
    const { log, said } = recordingLogger();
    const pool = await startPool({ log });
    const call = callOf("untilAborted");
    const result = pool.run(call);
    await said("waiting");
    call.contexts[0]?.controller.abort(new RequestTimeoutException(50));
    assert.deepEqual(await result, {
      name: "RequestTimeoutException",
      message: "The request took longer than 50 ms.",
    });
    await pool.stop();
  });

  test("a request that was aborted before its call starts aborted", async () => {
    const pool = await startPool();
    const call = callOf("untilAborted");
    call.contexts[0]?.controller.abort(new Error("gone"));
    assert.deepEqual(await pool.run(call), { name: "Error", message: "gone" });
    await pool.stop();
  });

  test("in a batch each request has its own signal, and the whole batch has one", async () => {
    const { log, said } = recordingLogger();
    const pool = await startPool({ log });
    const call = batchOf("batchUntilAborted", ["a", "b", "c"]);
    const result = pool.run(call);
    await said("waiting");
    call.contexts[1]?.controller.abort(new Error("b left"));
    call.controller.abort(new Error("all over"));
    assert.deepEqual(await result, ["all over, none", "all over, b left", "all over, none"]);
    await pool.stop();
  });
});

describe("workers that end", () => {
  const ends: readonly (readonly [string, string, unknown[], RegExp])[] = [
    ["kill -9", "hang", [], /killed by SIGKILL/],
    ["process.exit()", "exit", [7], /exit code 7/],
    ["process.exit(0)", "exit", [0], /exit code 0/],
    ["an error that nobody catches", "crash", [], /exit code 1/],
    ["process.disconnect()", "leave", [], /exit code 1|SIGKILL/],
    ["a message that is none", "garbage", [], /exit code 1|SIGKILL/],
  ];
  for (const [title, handler, inputs, words] of ends) {
    test(`${title} during a call fails only that call, and another worker replaces it`, async () => {
      const { log, lines } = recordingLogger();
      const pool = await startPool({ count: 2, devices: ["0", "1"], log });
      const seen: number[] = [];
      pool.onReadyChange((ready) => seen.push(ready));
      const pid = (await pool.run(callOf("pid"))) as number;
      const failing = pool.run(callOf(handler, ...inputs));
      const other = pool.run(callOf("slowly", 50));
      if (title === "kill -9") process.kill(pid, "SIGKILL");
      const error = await failing.catch((thrown: unknown) => thrown);
      assert.ok(error instanceof WorkerDiedException, String(error));
      assert.equal(error.code, "WORKER_DIED");
      assert.match(error.message, words);
      assert.equal(pool.ready, 1, "readiness falls with the worker");
      assert.equal(await other, 50);
      await readiness(pool, 2);
      assert.deepEqual(seen, [1, 2]);
      const names = ["environment", "environment"] as const;
      const devices = await Promise.all(names.map((name) => pool.run(callOf(name, "CUDA_VISIBLE_DEVICES"))));
      assert.deepEqual(devices.sort(), ["0", "1"]);
      assert.equal(lines.filter(({ level }) => level === 50).length, 1);
      await pool.stop();
      assert.ok(!isAlive(pid));
    });
  }

  test("an idle worker that is killed is replaced too", async () => {
    const pool = await startPool();
    const pid = (await pool.run(callOf("pid"))) as number;
    process.kill(pid, "SIGKILL");
    await readiness(pool, 0);
    await assert.rejects(pool.run(callOf("pid")), /0 of 1 ready/);
    await readiness(pool, 1);
    assert.notEqual(await pool.run(callOf("pid")), pid);
    await pool.stop();
  });

  test("a replacement worker whose setup fails is retried with growing delays", async () => {
    const { log, said } = recordingLogger();
    const pool = await startPool({ log, clock: wakefulClock });
    process.env["WORKER_SETUP"] = "throw";
    try {
      process.kill((await pool.run(callOf("pid"))) as number, "SIGKILL");
      await said("a worker of WorkerApp ended; another is started");
      await said("a worker of WorkerApp could not be set up again; another is started in 100 ms");
      await said("a worker of WorkerApp could not be set up again; another is started in 200 ms");
    } finally {
      delete process.env["WORKER_SETUP"];
    }
    await readiness(pool, 1);
    assert.equal(await pool.run(callOf("echo", "back")), "back");
    await pool.stop();
  });

  test("Ctrl-C and SIGTERM to a worker have no effect", async () => {
    const pool = await startPool();
    const pid = (await pool.run(callOf("pid"))) as number;
    const running = pool.run(callOf("slowly", 100));
    process.kill(pid, "SIGINT");
    process.kill(pid, "SIGTERM");
    assert.equal(await running, 100);
    assert.equal(await pool.run(callOf("pid")), pid);
    await pool.stop();
  });

  test("no worker outlives a parent that is killed, whether idle or busy forever", async () => {
    const file = fileURLToPath(new URL("../fixtures/worker-parent.ts", import.meta.url));
    const args = ["--conditions=servable-source", "--import", "tsx", file];
    const parent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const [chunk] = (await once(parent.stdout, "data")) as [Buffer];
    const pids = JSON.parse(chunk.toString()) as number[];
    assert.equal(new Set(pids).size, 2);
    assert.ok(pids.every(isAlive));
    parent.kill("SIGKILL");
    await Promise.all(pids.map((pid) => ended(pid)));
  });
});

describe("start and stop", () => {
  test("a setup that throws fails the start with its own error, and leaves no process", async () => {
    const pool = createPool({ count: 2 });
    process.env["WORKER_SETUP"] = "throw";
    const error = await pool.start().catch((thrown: unknown) => thrown);
    delete process.env["WORKER_SETUP"];
    assert.ok(error instanceof RangeError);
    assert.equal(error.message, "no weights here");
    assert.match(String(error.stack), /WorkerApp\.setup .*worker-app\.ts/);
    assert.equal(pool.ready, 0);
  });

  test("a process that ends during setup fails the start", async () => {
    const pool = createPool();
    process.env["WORKER_SETUP"] = "exit";
    const error = await pool.start().catch((thrown: unknown) => thrown);
    delete process.env["WORKER_SETUP"];
    assert.ok(error instanceof StartupError);
    assert.match(error.message, /A worker of WorkerApp ended before it was set up \(exit code 9\)/);
  });

  test("a class that its module does not export is an error that says what to do", async () => {
    const pool = createPool({ className: "HiddenApp" });
    await assert.rejects(pool.start(), {
      name: "DefinitionError",
      message: /worker-app\.ts does not export HiddenApp; export the class so that workers can load it/,
    });
  });

  test("a stop lets the running call complete and runs teardown; a worker that does not end is killed", async () => {
    const graceMs = 5000;
    let graceIsOver = (): void => assert.fail("the stop gives no time");
    const clock: Clock = {
      ...systemClock,
      after(ms, callback) {
        if (ms !== graceMs) return systemClock.after(ms, callback);
        graceIsOver = callback;
        return () => {};
      },
    };
    const pool = await startPool({ count: 2, clock });
    const pid = (await pool.run(callOf("pid"))) as number;
    const spinning = pool.run(callOf("spin"));
    const slow = pool.run(callOf("slowly", 100));
    const stopped = pool.stop(graceMs);
    assert.equal(await slow, 100);
    graceIsOver();
    await assert.rejects(spinning, /killed by SIGKILL/);
    await stopped;
    assert.equal(pool.ready, 0);
    assert.ok(!isAlive(pid));
  });

  test("a second stop without a grace period ends the first one early", async () => {
    const pool = await startPool();
    const hanging = pool.run(callOf("hang"));
    const stopped = pool.stop();
    await Promise.all([assert.rejects(hanging, WorkerDiedException), pool.stop(0), stopped]);
  });

  test("a stop during the start ends both", async () => {
    const pool = createPool({ count: 2 });
    const started = pool.start();
    const stopped = pool.stop();
    await assert.rejects(started, /stopped before they were set up/);
    await stopped;
  });

  test("an overridden lifespan runs, with a server stub that accepts every call", async () => {
    const { log, lines } = recordingLogger();
    const pool = await startPool({ className: "LivingApp", log });
    assert.equal(await pool.run(callOf("state")), "alive");
    assert.deepEqual(lines, [{ level: 30, msg: "a lifespan begins" }]);
    await pool.stop();
  });

  test("devices are assigned in rotation, in the configured variable", async () => {
    const pool = await startPool({ count: 3, devices: ["a", "b"], deviceVariable: "MY_DEVICE" });
    const calls = [1, 2, 3].map(() => pool.run(callOf("environment", "MY_DEVICE")));
    assert.deepEqual((await Promise.all(calls)).sort(), ["a", "a", "b"]);
    await pool.stop();
  });
});
