import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { FalServerlessError, RequestTimeoutException } from "../../src/errors.ts";
import * as functions from "../fixtures/functions/processes.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";
import { LoggedHost } from "../helpers/function-logs.ts";
import { ended, isAlive } from "../helpers/processes.ts";

useFunctionCache();

/** Makes a test that waits forever fail. */
const LIMIT = { timeout: 90_000 };

/** Checks the code and the message of a rejection. */
async function rejects(promise: Promise<unknown>, code: string, message: RegExp | string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof FalServerlessError, String(error));
    assert.equal(error.code, code, error.message);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

describe("a worker that dies during a run rejects the call, and the next call works:", LIMIT, () => {
  const { host, entries } = new LoggedHost();
  const end = functions.end.on(host);
  const deaths: [how: string, message: string][] = [
    ["exit 0", "The process of end() ended (exit code 0). The function called process.exit()."],
    ["exit 3", "The process of end() ended (exit code 3)."],
    ["segfault", "The process of end() ended (killed by SIGSEGV). A native package crashed."],
    ["bus", "The process of end() ended (killed by SIGBUS). A native package crashed."],
    [
      "uncaught",
      "The process of end() ended (exit code 1). If it did not call process.exit(1), nothing caught an error, which is in the logs.",
    ],
    [
      "unhandled",
      "The process of end() ended (exit code 1). If it did not call process.exit(1), nothing caught an error, which is in the logs.",
    ],
  ];
  for (const [how, message] of deaths) {
    test(`by ${how}`, async () => {
      await rejects(end(how), "FUNCTION_WORKER_DIED", message);
      assert.equal(await end("nothing"), undefined);
    });
  }

  test("its last output is in its logs", () => {
    assert.ok(entries.some(({ message, level }) => level === "STDERR" && message === "Error: in an event"));
    assert.ok(entries.some(({ message }) => message === "Error: nobody listens"));
  });

  test("by closing its channel", async () => {
    await rejects(end("disconnect"), "FUNCTION_WORKER_DIED", /ended \(exit code \d\)/);
    assert.equal(await end("nothing"), undefined);
  });

  test("but not by sending messages of its own, which are ignored", async () => {
    const [first, second] = await Promise.all([end("own words"), end("own words")]);
    assert.equal(typeof first, "number");
    assert.equal(second, first, "the worker goes on");
    assert.equal(await end("nothing"), undefined);
  });

  test("by kill -9, and the calls that waited for it run in the next worker", async () => {
    const logged = new LoggedHost();
    const its = functions.end.on(logged.host);
    const killed = its("wait");
    const next = [its("nothing"), its("nothing")];
    process.kill(await logged.pid(), "SIGKILL");
    await rejects(
      killed,
      "FUNCTION_WORKER_DIED",
      "The process of end() ended (killed by SIGKILL). If nobody killed it, the machine may have run out of memory.",
    );
    assert.deepEqual(await Promise.all(next), [undefined, undefined]);
  });

  test("by kill -9 between two calls", async () => {
    const first = await functions.pid();
    process.kill(first, "SIGKILL");
    await ended(first);
    const second = await functions.pid().catch((error: unknown) => error);
    // The exit may not have been noticed yet when the second call was sent.
    if (typeof second !== "number") await rejects(Promise.reject(second), "FUNCTION_WORKER_DIED", /SIGKILL/);
    const third = await functions.pid();
    assert.notEqual(third, first);
  });
});

describe(
  "a function that exceeds its memoryLimitMb is ended with its worker, and the error says so:",
  LIMIT,
  () => {
    test("objects on the heap", async () => {
      await rejects(
        functions.fill.on(new LoggedHost().host)("heap"),
        "FUNCTION_WORKER_DIED",
        /^The process of fill\(\) ended: it (?:ran out of memory, with a|had \d+ MB of memory, more than its) memoryLimitMb of 200\.$/,
      );
    });

    test("buffers outside the heap; and the next call works", async () => {
      const logged = new LoggedHost();
      const fill = functions.fill.on(logged.host);
      await rejects(
        fill("buffers"),
        "FUNCTION_WORKER_DIED",
        /^The process of fill\(\) ended: it had \d+ MB of memory, more than its memoryLimitMb of 200\.$/,
      );
      assert.equal(await fill("nothing"), 0);
      assert.deepEqual(logged.entries, [], "the mark of the guard is no line of the function's");
    });
  },
);

describe("a function that exceeds", LIMIT, () => {
  test("its requestTimeout is aborted, and its caller gets an error", async () => {
    const first = await functions.limited("return");
    await assert.rejects(functions.limited("listen"), (error) => {
      assert.ok(error instanceof RequestTimeoutException);
      assert.equal(error.message, "limited() ran longer than its requestTimeout of 0.5 s.");
      return true;
    });
    assert.equal(await functions.limited("return"), first, "the worker goes on");
  });

  test("its requestTimeout and does not stop is killed with its worker", async () => {
    const first = await functions.limited("return");
    await assert.rejects(functions.limited("compute"), RequestTimeoutException);
    assert.notEqual(await functions.limited("return"), first);
    await ended(first);
  });

  test("its startupTimeout during setup is killed; with a larger one the setup succeeds", async () => {
    const logged = new LoggedHost();
    const slowStart = functions.slowStart.on(logged.host);
    const failed = slowStart();
    await rejects(
      failed,
      "STARTUP_TIMEOUT",
      "slowStart() was not set up within its startupTimeout of 0.5 s: its module and setupFunction take longer.",
    );
    // On a busy machine it may be killed before it prints its pid.
    const said = logged.entries.map(({ message }) => /^pid (\d+)$/.exec(message)?.[1]);
    for (const pid of said) if (pid !== undefined) await ended(Number(pid));
    functions.allowStart();
    assert.equal(typeof (await slowStart.on({ startupTimeout: 60 })()), "number");
  });
});

describe("workers", LIMIT, () => {
  test("are at most maxConcurrency; of 1,000 calls through 4, each gets its own result", async () => {
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, value) => functions.work(value)));
    assert.deepEqual(
      answers.map(({ value }) => value),
      Array.from({ length: 1000 }, (_, value) => value),
    );
    const pids = new Set(answers.map(({ pid }) => pid));
    assert.equal(pids.size, 4);
    assert.ok(!pids.has(process.pid));
  });

  test("are set up once; the setup's result need not be serializable, and is the first argument of every call", async () => {
    const { withSetup } = functions;
    assert.deepEqual(await Promise.all(["a", "b", "c"].map((name) => withSetup(name))), [
      "a 1, setups: 1",
      "b 2, setups: 1",
      "c 3, setups: 1",
    ]);
  });

  test("with keepAlive 0 end with their run", async () => {
    const first = await functions.shortLived();
    await ended(first);
    assert.notEqual(await functions.shortLived(), first);
  });

  test("are reused within their keepAlive, and end after it", async () => {
    const first = await functions.brief();
    assert.equal(await functions.brief(), first);
    assert.ok(isAlive(first));
    await ended(first);
  });

  test("run functions that call functions, each in a process of its own", async () => {
    const found = await functions.outer(1);
    assert.equal(found.inner.value, 2);
    assert.equal(new Set([found.outer, found.inner.pid, process.pid]).size, 3);
  });
});

describe("of this process's variables a worker has", LIMIT, () => {
  before(() => {
    process.env["A_SECRET"] = "secret";
    process.env["LISTED_VARIABLE"] = "listed";
    process.env["AWS_SECRET_ACCESS_KEY"] = "secret";
    process.env["NODE_OPTIONS_LIKE"] = "secret";
  });
  const safe = new Set([
    ...["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"],
    ...["SSL_CERT_DIR", "XDG_CACHE_HOME", "SERVABLE_CACHE_DIR"],
  ]);

  test("a few that every program needs, and no secrets", async () => {
    const found = await functions.unlisted();
    assert.deepEqual(
      Object.keys(found).filter((name) => !safe.has(name)),
      [],
    );
    assert.equal(found["PATH"], process.env["PATH"]);
  });

  test("listed ones, if they are set", async () => {
    const found = await functions.listed();
    assert.equal(found["LISTED_VARIABLE"], "listed");
    assert.deepEqual(
      Object.keys(found).filter((name) => !safe.has(name)),
      ["LISTED_VARIABLE"],
    );
  });

  test("only the safe ones if it is given values, and the values take precedence", async () => {
    const found = await functions.recorded();
    assert.equal(found["GIVEN"], "value");
    assert.equal(found["PATH"], "/usr/bin");
    assert.deepEqual(
      Object.keys(found).filter((name) => !safe.has(name)),
      ["GIVEN"],
    );
  });

  test("no others that its own child processes would inherit", async () => {
    const found = (await functions.childSees()) as Record<string, string>;
    assert.deepEqual(
      Object.keys(found).filter((name) => !safe.has(name)),
      [],
    );
  });
});
