import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AppException,
  FalServerlessError,
  fn,
  IsolatedFunction,
  UserFunctionException,
  type FunctionOptions,
} from "../../../src/index.ts";
import { RecordingHost, type Recorded } from "../../helpers/recording-host.ts";
import { assertRefused } from "../../helpers/thrown.ts";

const echo = (call: Recorded): unknown => call.args;

/** A function on a host of its own. */
function on(host: RecordingHost, options: Omit<FunctionOptions, "setupFunction" | "serve"> = {}) {
  return fn({ host, ...options } as { host: RecordingHost }, (...args: unknown[]): unknown => args);
}

describe("an isolated function", () => {
  test("is callable, and is a function", async () => {
    const f = on(new RecordingHost(echo));
    assert.ok(f instanceof IsolatedFunction);
    assert.equal(typeof f, "function");
    assert.equal(fn({}, function speak() {}).name, "speak");
    assert.deepEqual(await f(1, "two"), [1, "two"]);
    const [first] = await Promise.all([4].map((value) => f(value)));
    assert.deepEqual(first, [4]);
  });

  test("exposes its host, its options and its handler", () => {
    const host = new RecordingHost(echo, "keepAlive");
    const handler = (a: number): number => a;
    const f = fn({ host, requirements: ["a@1"], keepAlive: 3, reraise: false }, handler);
    assert.equal(f.host, host);
    assert.deepEqual(f.options.environment, { kind: "npm", requirements: ["a@1"] });
    assert.deepEqual(f.options.host, { keepAlive: 3 });
    assert.equal(f.rawFunction, handler);
    assert.equal(f.reraise, false);
  });

  test("passes the signal of submit and spawn to its host, not to the function", async () => {
    const host = new RecordingHost(echo);
    const f = on(host);
    const { signal } = new AbortController();
    assert.deepEqual(await f.submit(1, { signal }), [1]);
    assert.deepEqual(await f.spawn(2, { signal }).result, [2]);
    assert.equal(host.last.options.signal, signal);
  });

  test("treats a value that only resembles call options as an argument", async () => {
    const f = on(new RecordingHost(echo));
    const { signal } = new AbortController();
    for (const value of [{ signal: "green" }, { signal, more: 1 }, {}, null, undefined]) {
      assert.deepEqual(await f.submit(1, value), [1, value]);
    }
    assert.deepEqual(await f({ signal: 1 }), [{ signal: 1 }]);
  });

  test("is rejected without options or without a function", () => {
    const make = fn as unknown as (...args: unknown[]) => unknown;
    const message = "fn() takes options and a function: fn({ requirements: [] }, async (text: string) => …).";
    for (const args of [[], [{}], [() => 1], [null, () => 1], [{}, "f"]]) {
      assertRefused(() => make(...args), "FUNCTION_OPTION_INVALID", message);
    }
    for (const [options, refusal] of WRONG) {
      assertRefused(() => make(options, () => 1), "FUNCTION_OPTION_INVALID", refusal);
    }
  });

  test("throws the error that the function threw, or the host's error around it if reraise is false", async () => {
    const thrown = new RangeError("thrown");
    const host = new RecordingHost(() => {
      throw new UserFunctionException("f() threw: thrown", { cause: thrown });
    });
    for (const call of [
      (f: typeof shown) => f(),
      (f: typeof shown) => f.submit(),
      (f: typeof shown) => f.spawn().result,
    ]) {
      await assert.rejects(call(on(host)), (error) => error === thrown);
      await assert.rejects(call(on(host, { reraise: false })), (error) => {
        return error instanceof UserFunctionException && error.cause === thrown;
      });
    }
  });

  test("throws this package's errors unchanged, whether the function or the host threw them", async () => {
    const thrown = new AppException("teapot", 418);
    const host = new RecordingHost(() => {
      throw new UserFunctionException("f() threw: teapot", { cause: thrown });
    });
    await assert.rejects(on(host)(), (error) => error === thrown);
    const failed = new RecordingHost(() => {
      throw new FalServerlessError("FUNCTION_WORKER_DIED", "died");
    });
    await assert.rejects(on(failed, { reraise: false })(), (error) => {
      assert.ok(error instanceof FalServerlessError);
      assert.match(error.stack ?? "", /isolated-function\.test\.ts/, "the stack leads to the call");
      return true;
    });
  });
});

const shown = on(new RecordingHost());

/** Invalid options that only `fn()` and `on()` check, with the expected messages. */
const WRONG: readonly [options: object, message: string][] = [
  [{ host: {} }, "host must be a host, such as new LocalHost(); got {}."],
  [{ host: null }, "host must be a host, such as new LocalHost(); got null."],
  [{ module: 5 }, "module must be the module's import.meta.url; got 5."],
  [{ exportName: "" }, 'exportName must be a text, such as "speak"; got "".'],
  [
    { localModules: "my-package" },
    'localModules must be a list of texts, such as ["my-package"]; got "my-package".',
  ],
  [{ localModules: [3] }, 'localModules[0] must be a text, such as "my-package"; got 3.'],
  [{ reraise: "no" }, 'reraise must be true or false; got "no".'],
];

describe("a copy of a function on another host", () => {
  test("runs there, while the original function stays on its host", async () => {
    const [here, there] = [new RecordingHost(() => "here"), new RecordingHost(() => "there")];
    const f = on(here, { requirements: ["a@1"], nodeVersion: "22" });
    const copy = f.on(there);
    assert.equal(await copy(), "there");
    assert.equal(await f(), "here");
    assert.equal(copy.host, there);
    assert.deepEqual(copy.options.environment, f.options.environment);
    assert.deepEqual(there.last.target.entry, here.last.target.entry);
  });

  test("keeps the options that the host or a platform accepts, and drops the others", () => {
    const rich = new RecordingHost(echo, "keepAlive", "memoryLimitMb");
    const poor = new RecordingHost(echo, "keepAlive");
    const f = on(rich, { keepAlive: 5, memoryLimitMb: 100, machineType: "GPU-H100" });
    assert.deepEqual(f.on(poor).options.host, { keepAlive: 5, machineType: "GPU-H100" });
    assert.deepEqual(f.on({ host: poor, keepAlive: 1 }).options.host, {
      keepAlive: 1,
      machineType: "GPU-H100",
    });
    assert.deepEqual(f.options.host, { keepAlive: 5, memoryLimitMb: 100, machineType: "GPU-H100" });
  });

  test("stays on its host if only other options are given, and leaves the original function unchanged", () => {
    const host = new RecordingHost(echo, "keepAlive");
    const f = on(host, { keepAlive: 5, requirements: ["a@1"] });
    const copy = f.on({ requirements: ["b@2"], reraise: false });
    assert.equal(copy.host, host);
    assert.deepEqual(copy.options.environment.requirements, ["b@2"]);
    assert.equal(copy.reraise, false);
    assert.deepEqual(copy.options.host, { keepAlive: 5 });
    assert.deepEqual(f.options.environment.requirements, ["a@1"]);
    assert.equal(f.reraise, true);
    copy.options.addRequirements(["c@3"]);
    assert.deepEqual(f.options.environment.requirements, ["a@1"]);
  });

  test("drops npm's options if it becomes a container function", () => {
    const copy = on(new RecordingHost(), { lockfile: "./package-lock.json", nodeVersion: "22" }).on({
      image: "node:22",
    });
    assert.equal(copy.options.environment.kind, "container");
    assert.equal(copy.options.environment.image, "node:22");
    assert.equal(copy.options.environment.lockfile, undefined);
  });

  test("cannot have another setup, because the handler depends on it", () => {
    assertRefused(
      () => on(new RecordingHost(echo, "setupFunction")).on({ setupFunction: () => 1 }),
      "FUNCTION_OPTION_INVALID",
      /setup/,
    );
  });

  test("checks its options", () => {
    assertRefused(() => shown.on({ keepalive: 1 } as object), "FUNCTION_OPTION_INVALID", /keepAlive/);
    for (const [options, refusal] of WRONG) {
      assertRefused(() => shown.on(options), "FUNCTION_OPTION_INVALID", refusal);
    }
    for (const target of [undefined, null, "there"]) {
      assertRefused(
        () => shown.on(target as unknown as object),
        "FUNCTION_OPTION_INVALID",
        /^on\(\) takes a/,
      );
    }
  });
});

describe("runLocal() calls the function in this process", () => {
  test("on any host, without serializing values", async () => {
    const f = fn({ host: new RecordingHost() }, (callback: () => number) => callback());
    assert.equal(await f.runLocal(() => 7), 7);
  });

  test("with the result of its setup, which runs once, even for concurrent calls", async () => {
    let setups = 0;
    const f = fn(
      {
        host: new RecordingHost(echo, "setupFunction"),
        setupFunction: async () => {
          setups++;
          await Promise.resolve();
          return { setups };
        },
      },
      (setup, name: string) => `${name} ${setup.setups}`,
    );
    assert.deepEqual(await Promise.all([f.runLocal("a"), f.runLocal("b")]), ["a 1", "b 1"]);
    assert.equal(await f.runLocal("c"), "c 1");
    assert.equal(setups, 1);
  });

  test("and retries a setup that failed", async () => {
    let setups = 0;
    const f = fn(
      {
        host: new RecordingHost(echo, "setupFunction"),
        setupFunction: () => {
          if (setups++ === 0) throw new RangeError("not yet");
          return setups;
        },
      },
      (setup) => setup,
    );
    await assert.rejects(f.runLocal(), RangeError);
    assert.equal(await f.runLocal(), 2);
  });

  test("and throws the function's error unchanged", async () => {
    const thrown = new RangeError("thrown");
    const f = fn({ host: new RecordingHost(), reraise: false }, () => {
      throw thrown;
    });
    await assert.rejects(f.runLocal(), (error) => error === thrown);
  });
});
