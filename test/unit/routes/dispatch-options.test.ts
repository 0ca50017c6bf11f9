import assert from "node:assert/strict";
import { test } from "node:test";
import { shown } from "../../../src/settings/check.ts";
import { Type } from "typebox";
import { DEFAULT_QUEUE, resolveDispatchOptions } from "../../../src/routes/dispatch-options.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { realtime } from "../../../src/routes/realtime.ts";
import { methodContext } from "../../helpers/decorators.ts";
import { assertRefused } from "../../helpers/thrown.ts";

const input = Type.Object({ prompt: Type.String() });

/** Decorates a method with options that the compiler would reject. */
function decorate(options: object): void {
  const decorator = endpoint("/", options as never) as (method: unknown, context: unknown) => void;
  decorator(() => [], methodContext());
}

function assertOptionRefused(options: object, message: string): void {
  assertRefused(
    () => decorate({ input, ...options }),
    "ROUTE_OPTION_INVALID",
    `@endpoint on run(): ${message}`,
  );
}

test("a batch requires maxSize; the error lists the other options", () => {
  assertOptionRefused({ batch: {} }, "batch.maxSize must be a whole number of at least 1, got undefined.");
  for (const maxSize of [0, -1, 1.5, NaN, Infinity, "8"]) {
    assertOptionRefused(
      { batch: { maxSize } },
      `batch.maxSize must be a whole number of at least 1, got ${shown(maxSize)}.`,
    );
  }
  assertOptionRefused(
    { batch: 8 },
    "batch must be an object with maxSize, maxCost, cost, groupBy, isolateErrors, got 8.",
  );
  assertOptionRefused(
    { batch: null },
    "batch must be an object with maxSize, maxCost, cost, groupBy, isolateErrors, got null.",
  );
});

test("maxCost is a positive number, and requires a cost function", () => {
  const cost = (): number => 1;
  for (const maxCost of [0, -5, NaN, "100"]) {
    assertOptionRefused(
      { batch: { maxSize: 8, maxCost, cost } },
      `batch.maxCost must be a positive number, got ${maxCost}.`,
    );
  }
  assertOptionRefused(
    { batch: { maxSize: 8, maxCost: 100 } },
    "batch.maxCost needs batch.cost, which returns the cost of an input.",
  );
  assertOptionRefused(
    { batch: { maxSize: 8, cost: 5 } },
    "batch.cost must be a function of an input, got 5.",
  );
});

test("groupBy is a function, isolateErrors true or false", () => {
  assertOptionRefused(
    { batch: { maxSize: 8, groupBy: "model" } },
    "batch.groupBy must be a function of an input, got model.",
  );
  assertOptionRefused(
    { batch: { maxSize: 8, isolateErrors: "yes" } },
    'batch.isolateErrors must be true or false, got "yes".',
  );
});

test("unknown options are rejected by name, with the most similar option", () => {
  assertOptionRefused(
    { batch: { maxSize: 8, maxsize: 8 } },
    'unknown option "batch.maxsize"; did you mean "maxSize"?',
  );
  assertOptionRefused({ maxQueue: { size: 8 } }, 'unknown option "maxQueue.size"; known: count, bytes.');
  assertOptionRefused(
    { workers: { count: 1, device: ["0"] } },
    'unknown option "workers.device"; did you mean "devices"?',
  );
  assertRefused(
    () => decorate({ input, maxConcurency: 2 }),
    "ROUTE_OPTION_INVALID",
    /did you mean "maxConcurrency"/,
  );
});

test("maxConcurrency is a whole number of at least one, maxQueue of at least zero", () => {
  for (const maxConcurrency of [0, 2.5, "2"]) {
    assertOptionRefused(
      { maxConcurrency },
      `maxConcurrency must be a whole number of at least 1, got ${shown(maxConcurrency)}.`,
    );
  }
  assertOptionRefused({ maxQueue: -1 }, "maxQueue must be a whole number of at least 0, got -1.");
  assertOptionRefused({ maxQueue: "8" }, "maxQueue must be an object with count, bytes, got 8.");
  assertOptionRefused(
    { maxQueue: { count: 0.5 } },
    "maxQueue.count must be a whole number of at least 0, got 0.5.",
  );
  assertOptionRefused(
    { maxQueue: { bytes: -1 } },
    "maxQueue.bytes must be a whole number of at least 0, got -1.",
  );
});

test("overloadStatus is one of two values, idempotent true or false", () => {
  assertOptionRefused({ overloadStatus: 500 }, "overloadStatus must be 429 or 503, got 500.");
  assertOptionRefused({ idempotent: 1 }, "idempotent must be true or false, got 1.");
});

test("workers are a number of workers, or devices, with valid variables and modules", () => {
  assertOptionRefused({ workers: 0 }, "workers must be a whole number of at least 1, got 0.");
  assertOptionRefused({ workers: {} }, "workers needs a count, or devices.");
  assertOptionRefused({ workers: { devices: [] } }, "workers needs a count, or devices.");
  assertOptionRefused(
    { workers: { count: 1.5 } },
    "workers.count must be a whole number of at least 1, got 1.5.",
  );
  for (const devices of [[0, 1], "0,1"]) {
    assertOptionRefused(
      { workers: { devices } },
      'workers.devices must be a list of texts, such as ["0", "1"].',
    );
  }
  assertOptionRefused(
    { workers: { count: 1, deviceVariable: "MY-GPU" } },
    "workers.deviceVariable must be the name of a variable, got MY-GPU.",
  );
  assertOptionRefused(
    { workers: { count: 1, module: "./app.ts" } },
    "workers.module must be a file: URL; write import.meta.url.",
  );
  assertOptionRefused(
    { workers: "two" },
    "workers must be an object with count, devices, deviceVariable, module, got two.",
  );
});

test("a batch requires an input schema; streams do not support batches", () => {
  assertOptionRefused(
    { input: undefined, batch: { maxSize: 8 } },
    "batch needs an `input` schema: it is inputs that form a batch.",
  );
  assertOptionRefused(
    { stream: true, batch: { maxSize: 8 } },
    "a stream has one caller; drop `batch` or `stream`.",
  );
  assertOptionRefused(
    { stream: "optional", batch: { maxSize: 8 } },
    "a stream has one caller; drop `batch` or `stream`.",
  );
});

test("the defaults: no concurrency limit, a queue of 1,000 and 256 MiB, no repeated runs", () => {
  assert.deepEqual(resolveDispatchOptions("x", {}), {
    batch: undefined,
    maxConcurrency: undefined,
    maxQueue: { count: 1_000, bytes: 256 * 1024 * 1024 },
    overloadStatus: undefined,
    workers: undefined,
    idempotent: false,
  });
});

test("a queue may be limited by count, by bytes or by both; with 0 no call waits", () => {
  const queueOf = (maxQueue: number | { count?: number; bytes?: number }): object =>
    resolveDispatchOptions("x", { maxQueue }).maxQueue;
  assert.deepEqual(queueOf(0), { ...DEFAULT_QUEUE, count: 0 });
  assert.deepEqual(queueOf({ count: 5 }), { ...DEFAULT_QUEUE, count: 5 });
  assert.deepEqual(queueOf({ bytes: 5 }), { ...DEFAULT_QUEUE, bytes: 5 });
  assert.deepEqual(queueOf({ count: 1, bytes: 2 }), { count: 1, bytes: 2 });
});

test("by default there are as many workers as devices; a count overrides that", () => {
  const workersOf = (workers: Parameters<typeof resolveDispatchOptions>[1]["workers"] & object): object =>
    resolveDispatchOptions("x", { workers }).workers ?? {};
  const usual = { deviceVariable: "CUDA_VISIBLE_DEVICES", module: undefined };
  assert.deepEqual(resolveDispatchOptions("x", { workers: 3 }).workers, { ...usual, count: 3, devices: [] });
  assert.deepEqual(workersOf({ devices: ["0", "1"] }), { ...usual, count: 2, devices: ["0", "1"] });
  assert.deepEqual(workersOf({ count: 4, devices: ["0"], deviceVariable: "HIP_VISIBLE_DEVICES" }), {
    ...{ count: 4, devices: ["0"], deviceVariable: "HIP_VISIBLE_DEVICES", module: undefined },
  });
});

test("shared batches of realtime sessions must be unary, of two or more, without a canBatch of their own", () => {
  const open = (options: object): void => {
    const decorator = realtime("/", options as never) as (method: unknown, context: unknown) => void;
    decorator(() => [], methodContext());
  };
  const refused = (options: object, message: string): void =>
    assertRefused(() => open(options), "ROUTE_OPTION_INVALID", `@realtime on run(): ${message}`);
  refused({ batch: "all" }, 'batch must be "session" or "shared", got "all".');
  refused({ batch: { maxSize: 8 } }, 'batch must be "session" or "shared", got {"maxSize":8}.');
  const rule = 'batch: "shared" is for unary sessions with a maxBatchSize above 1 and no canBatch.';
  refused({ batch: "shared" }, rule);
  refused({ batch: "shared", maxBatchSize: 1 }, rule);
  refused({ batch: "shared", mode: "bidi" }, rule);
  refused({ batch: "shared", maxBatchSize: 4, canBatch: () => true }, rule);
  open({ batch: "shared", maxBatchSize: 4 });
});
