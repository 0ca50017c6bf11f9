import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RequestCancelledException } from "../../src/errors.ts";
import { hasSignal, slowStart, wait } from "../fixtures/functions/processes.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";
import { LoggedHost } from "../helpers/function-logs.ts";
import { NpmRegistry } from "../helpers/npm-registry.ts";
import { ended, isAlive } from "../helpers/processes.ts";

useFunctionCache();

/** Makes a test that waits forever fail. */
const LIMIT = { timeout: 90_000 };

/** A way to cancel a call: starts it, and returns its result and a function that cancels it. */
type Way = (
  fn: typeof wait,
  how: "listen" | "ignore" | "compute",
) => {
  readonly result: Promise<unknown>;
  cancel(reason?: unknown): void;
};
const WAYS: Readonly<Record<string, Way>> = {
  "the signal of submit()": (fn, how) => {
    const controller = new AbortController();
    const result = fn.submit(how, { signal: controller.signal });
    return { result, cancel: (reason = new RequestCancelledException("gone")) => controller.abort(reason) };
  },
  "submit().cancel()": (fn, how) => {
    const submission = fn.submit(how);
    return { result: submission, cancel: (reason) => submission.cancel(reason) };
  },
  "spawn().stream.cancel()": (fn, how) => {
    const { result, stream } = fn.spawn(how);
    return { result, cancel: (reason) => stream.cancel(reason) };
  },
  "the signal of spawn()": (fn, how) => {
    const controller = new AbortController();
    const { result } = fn.spawn(how, { signal: controller.signal });
    return { result, cancel: (reason = new RequestCancelledException("gone")) => controller.abort(reason) };
  },
};

/** Waits for the pid of a run, in its own logs or those of its host. */
async function pidOf(spawned: { readonly logs: AsyncIterable<{ message: string }> }): Promise<number> {
  for await (const { message } of spawned.logs) {
    const found = /^pid (\d+)$/.exec(message);
    if (found !== null) return Number(found[1]);
  }
  return assert.fail("it did not say its pid");
}

describe("a run that is cancelled by", LIMIT, () => {
  for (const [name, start] of Object.entries(WAYS)) {
    test(`${name} rejects immediately with the reason`, async () => {
      const { result, cancel } = start(wait, "listen");
      const reason = new Error("changed my mind");
      cancel(reason);
      await assert.rejects(result, reason);
    });
  }

  for (const name of ["the signal of submit()", "submit().cancel()"]) {
    test(`${name} aborts its handler's signal, the handler stops, and the worker is kept`, async () => {
      const logged = new LoggedHost();
      const fn = wait.on(logged.host);
      const { result, cancel } = (WAYS[name] as Way)(fn as typeof wait, "listen");
      const pid = await logged.pid();
      cancel();
      await assert.rejects(result, RequestCancelledException);
      const [said] = await logged.said(/^aborted: .*/);
      assert.match(said, /^aborted: RequestCancelledException: /);
      assert.equal(await fn("return"), pid);
    });
  }

  test("spawn().stream.cancel() rejects with a default reason, and a run that computes forever is killed", async () => {
    const spawned = wait.spawn("compute");
    const pid = await pidOf(spawned);
    spawned.stream.cancel();
    await assert.rejects(spawned.result, (error) => {
      assert.ok(error instanceof RequestCancelledException);
      assert.equal(error.message, "The run was cancelled.");
      return true;
    });
    assert.ok(isAlive(pid), "it has a second to stop, and the caller does not wait for it");
    assert.notEqual(await wait("return"), pid);
    await ended(pid);
  });

  test("any value as the reason rejects with that value, and its handler receives it", async () => {
    const logged = new LoggedHost();
    const fn = wait.on(logged.host);
    const submission = fn.submit("listen");
    await logged.pid();
    submission.cancel("a text");
    await assert.rejects(submission, (error) => error === "a text");
    await logged.said(/^aborted: a text$/);
    assert.equal(typeof (await fn("return")), "number");
  });
});

describe("a handler that does not stop", LIMIT, () => {
  for (const how of ["ignore", "compute"] as const) {
    test(`is killed with its worker after a second (${how}), and the next call gets another worker`, async () => {
      const logged = new LoggedHost();
      const fn = wait.on(logged.host);
      const submission = fn.submit(how);
      const pid = await logged.pid();
      const start = performance.now();
      submission.cancel();
      await assert.rejects(submission, RequestCancelledException);
      const next = fn("return");
      await ended(pid);
      const took = performance.now() - start;
      assert.ok(took > 900, `it had ${took} ms`);
      assert.notEqual(await next, pid);
    });
  }
});

describe("a call that waits", LIMIT, () => {
  test("for a worker is cancelled immediately and never run, and the calls behind it are run", async () => {
    const logged = new LoggedHost();
    const fn = wait.on(logged.host);
    const running = fn.submit("listen");
    const pid = await logged.pid();
    const waiting = fn.submit("compute");
    const last = fn.submit("return");
    waiting.cancel();
    await assert.rejects(waiting, RequestCancelledException);
    running.cancel();
    await assert.rejects(running, RequestCancelledException);
    assert.equal(await last, pid, "the worker computes nothing");
  });

  test("for its worker's setup is cancelled immediately", async () => {
    const logged = new LoggedHost();
    const submission = slowStart.on({ host: logged.host, startupTimeout: 60 }).submit();
    const pid = await logged.pid();
    submission.cancel();
    await assert.rejects(submission, RequestCancelledException);
    await logged.host.close();
    await ended(pid);
  });

  test("for its environment to be installed is cancelled, nothing of it is left, and the next call works", async () => {
    await using registry = await NpmRegistry.start({ slow: { "1.0.0": { files: { "index.js": "" } } } });
    const before = { ...process.env };
    Object.assign(process.env, registry.environment);
    try {
      registry.break(/tgz$/, "stall");
      const fn = hasSignal.on({ requirements: ["slow@1.0.0"] });
      const submission = fn.submit();
      await registry.asked(/tgz$/);
      submission.cancel();
      await assert.rejects(submission, RequestCancelledException);
      registry.mend();
      assert.equal(await fn(), false);
      assert.equal(registry.downloads("slow"), 2);
    } finally {
      for (const name of Object.keys(registry.environment)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });

  test("and was cancelled before it was made starts nothing", async () => {
    const logged = new LoggedHost();
    const signal = AbortSignal.abort(new Error("from the start"));
    await assert.rejects(wait.on(logged.host).submit("compute", { signal }), { message: "from the start" });
    assert.deepEqual(logged.entries, []);
  });
});

test("a call whose worker is warm is cancelled immediately", LIMIT, async () => {
  const logged = new LoggedHost();
  const fn = wait.on(logged.host);
  const pid = await fn("return");
  const from = logged.entries.length;
  const submission = fn.submit("compute");
  submission.cancel();
  await assert.rejects(submission, RequestCancelledException);
  assert.equal(await fn("return"), pid);
  assert.deepEqual(
    logged.entries.slice(from).map(({ message }) => message),
    [`pid ${pid}`],
    "it was never run",
  );
});

test("cancelling after the end changes nothing", LIMIT, async () => {
  const submission = wait.submit("return");
  const pid = await submission;
  submission.cancel();
  const spawned = wait.spawn("return");
  assert.equal(await spawned.result, pid);
  spawned.stream.cancel();
  assert.equal(await spawned.result, pid);
  assert.equal(await wait("return"), pid);
});

test("a signal keeps no listeners of calls that have ended", LIMIT, async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    count++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    count--;
    removeEventListener.apply(signal, args);
  };
  await Promise.all(Array.from({ length: 20 }, () => hasSignal.submit({ signal })));
  assert.equal(count, 0);
});

test(
  "a handler that was not cancelled has a signal that is not aborted, in a worker and locally",
  LIMIT,
  async () => {
    assert.equal(await hasSignal(), false);
    assert.equal(await hasSignal.runLocal(), false);
  },
);
