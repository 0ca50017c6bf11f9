import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import {
  FalServerlessError,
  RequestCancelledException,
  UserFunctionException,
} from "../../../../src/errors.ts";
import type { Run } from "../../../../src/hosts/local/function-worker.ts";
import { WorkerGroup } from "../../../../src/hosts/local/worker-group.ts";
import { FakeChannel } from "../../../helpers/fake-workers.ts";

const KEEP_ALIVE_MS = 5000;
const CLOSED = new Error("closed");
const place = { module: "file:///app.ts", line: 1, column: 1 };

/** A run and its outcome. */
interface Tracked {
  readonly name: number;
  readonly run: Run;
  outcome: { readonly value: unknown } | { readonly error: unknown } | undefined;
  endings: number;
}

/** A group of simulated workers, with the invariants that always hold. */
class World {
  readonly channels: FakeChannel[] = [];
  readonly runs: Tracked[] = [];
  readonly group: WorkerGroup;
  readonly #maxWorkers: number;
  failedStarts = 0;
  /** The number of close() calls that have not resolved yet. */
  closings = 0;
  /** Whether the group has reported that it has workers. */
  hasWorkers = false;

  constructor(maxWorkers: number, startupTimeoutMs?: number) {
    this.#maxWorkers = maxWorkers;
    this.group = new WorkerGroup({
      maxWorkers,
      keepAliveMs: KEEP_ALIVE_MS,
      onStartFailed: () => this.failedStarts++,
      onFirstWorker: () => (this.hasWorkers = true),
      onLastWorkerEnded: () => (this.hasWorkers = false),
      worker: {
        start: (listener) => {
          const channel = new FakeChannel(listener);
          this.channels.push(channel);
          return channel;
        },
        functionName: "f()",
        moduleUrl: place.module,
        entry: { place },
        startupTimeoutMs,
        memoryLimitMb: undefined,
      },
    });
  }

  get alive(): FakeChannel[] {
    return this.channels.filter(({ isAlive }) => isAlive);
  }

  get unsettled(): Tracked[] {
    return this.runs.filter(({ outcome }) => outcome === undefined);
  }

  /** Runs that no worker has taken. */
  get waiting(): Tracked[] {
    const taken = new Set(this.alive.map(({ current }) => current?.name));
    return this.unsettled.filter(({ name }) => !taken.has(name));
  }

  start(timeoutMs?: number): Tracked {
    const name = this.runs.length;
    const settle = (outcome: Tracked["outcome"]): void => {
      tracked.endings++;
      tracked.outcome = outcome;
    };
    const run: Run = {
      work: { args: [name] },
      timeoutMs,
      onLog() {},
      onListening() {},
      resolve: (value) => settle({ value }),
      reject: (error) => settle({ error }),
    };
    const tracked: Tracked = { name, run, outcome: undefined, endings: 0 };
    this.runs.push(tracked);
    this.group.run(run);
    return tracked;
  }

  /** Closes the group, and for even indexes starts a run before its workers have ended. */
  close(index: number): void {
    const before = this.unsettled;
    this.closings++;
    void this.group.close(CLOSED).then(() => this.closings--);
    for (const { outcome } of before) assert.deepEqual(outcome, { error: CLOSED });
    if (index % 2 === 0) this.start();
  }

  /** Lets pending events happen: killed or stopped processes end. */
  async settle(): Promise<void> {
    for (let count = 0; count < 3; count++) {
      await turn();
      for (const channel of this.alive) {
        if (channel.isKilled) channel.end(null, "SIGKILL");
        else if (channel.isStopping && channel.current === undefined) channel.end(0, null);
      }
    }
    await turn();
  }

  check(): void {
    const { alive, waiting, runs } = this;
    assert.ok(alive.length <= this.#maxWorkers, `${alive.length} workers`);
    for (const { endings, name } of runs) assert.ok(endings <= 1, `run ${name} has ended ${endings} times`);
    for (const { name, outcome } of runs) {
      if (outcome === undefined) continue;
      if ("value" in outcome) assert.equal(outcome.value, name, "the result of another run");
      else if (outcome.error instanceof UserFunctionException && outcome.error.cause !== "no setup") {
        assert.equal(outcome.error.cause, name, "the failure of another run");
      }
    }
    const idle = alive.filter((channel) => channel.state === "ready" && channel.current === undefined);
    if (waiting.length > 0) {
      assert.equal(idle.length, 0, "a worker has nothing to do while something waits");
      assert.ok(alive.length > 0, "something waits, and nobody comes for it");
    }
    for (const channel of alive) {
      const its = runs[Number(channel.current?.name)];
      const isNeeded = its !== undefined && its.outcome === undefined;
      assert.equal(
        channel.isHeld,
        isNeeded,
        "who has a run that is waited for keeps this process, and nobody else",
      );
    }
    assert.equal(this.hasWorkers, alive.length > 0);
  }

  /** Lets all runs finish and all workers end. */
  async finish(): Promise<void> {
    const isBusy = (): boolean =>
      this.alive.some((channel) => channel.state === "starting" || channel.current !== undefined);
    for (let count = 0; this.unsettled.length > 0 || isBusy(); count++) {
      assert.ok(count < 200, "a run never ends");
      for (const channel of this.alive) {
        channel.becomeReady();
        channel.finish(true);
      }
      await this.settle();
      this.check();
    }
    mock.timers.tick(KEEP_ALIVE_MS);
    await this.settle();
    mock.timers.tick(KEEP_ALIVE_MS);
    await this.settle();
    assert.equal(this.alive.length, 0, "a worker is kept for ever");
    assert.equal(this.closings, 0, "a closing never ends");
    this.check();
  }
}

const action = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ kind: "run" as const, index: 0 }) },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...["cancel", "ready", "ready", "finish", "finish", "throw", "die", "fail", "time", "close"],
      ),
      index: fc.nat({ max: 30 }),
    }),
  },
);

function act(world: World, kind: string, index: number): void {
  const channels = world.alive;
  const channel = channels[index % Math.max(1, channels.length)];
  if (kind === "run") world.start(index % 3 === 0 ? 3000 : undefined);
  else if (kind === "time") mock.timers.tick(index * 100);
  else if (kind === "cancel") {
    const tracked = world.runs[index % Math.max(1, world.runs.length)];
    if (tracked !== undefined) world.group.cancel(tracked.run);
  } else if (kind === "ready") channel?.becomeReady();
  else if (kind === "finish") channel?.finish(true);
  else if (kind === "throw") channel?.finish(false);
  else if (kind === "die") channel?.end(null, "SIGKILL");
  else if (kind === "close") world.close(index);
  else channel?.failToStart();
}

/** Runs `body` with mocked timers. */
async function withTimers(body: () => Promise<void>): Promise<void> {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  try {
    await body();
  } finally {
    mock.timers.reset();
  }
}

test("whatever happens in whatever order, each run ends once, by its own worker, and none waits forever", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(action, { maxLength: 40 }),
      (maxWorkers, actions) =>
        withTimers(async () => {
          const world = new World(maxWorkers);
          for (const { kind, index } of actions) {
            act(world, kind, index);
            await world.settle();
            world.check();
          }
          await world.finish();
        }),
    ),
    { numRuns: 150 },
  );
});

describe("a group of workers", () => {
  test("starts as many workers as needed, up to its limit, and assigns runs in the order of arrival", () =>
    withTimers(async () => {
      const world = new World(2);
      assert.equal(world.channels.length, 0);
      const runs = [world.start(), world.start(), world.start()];
      assert.equal(world.channels.length, 2);
      world.channels[1]?.becomeReady();
      assert.equal(world.channels[1]?.current?.name, 0);
      world.channels[0]?.becomeReady();
      assert.equal(world.channels[0]?.current?.name, 1);
      world.channels[0]?.finish(true);
      await world.settle();
      assert.equal(world.channels[0]?.current?.name, 2);
      assert.deepEqual(
        runs.map(({ outcome }) => outcome),
        [undefined, { value: 1 }, undefined],
      );
      await world.finish();
    }));

  test("starts one worker for each waiting run, except for runs that already have one starting", () =>
    withTimers(async () => {
      const world = new World(4);
      for (const count of [1, 2, 3]) {
        world.start();
        assert.equal(world.channels.length, count);
      }
      await world.finish();
    }));

  test("keeps a worker that is used again, however long it was idle before", () =>
    withTimers(async () => {
      const world = new World(1);
      world.start();
      world.channels[0]?.becomeReady();
      world.channels[0]?.finish(true);
      await world.settle();
      mock.timers.tick(KEEP_ALIVE_MS - 1);
      world.start();
      mock.timers.tick(KEEP_ALIVE_MS);
      assert.equal(world.channels[0]?.isStopping, false);
      await world.finish();
    }));

  test("leaves waiting runs to the running workers if another worker fails to start", () =>
    withTimers(async () => {
      const world = new World(2);
      const runs = [world.start(), world.start()];
      world.channels[0]?.becomeReady();
      world.channels[1]?.failToStart();
      await world.settle();
      assert.equal(world.failedStarts, 1);
      assert.equal(world.channels.length, 2, "the next one would fail in the same way");
      assert.equal(runs[1]?.outcome, undefined);
      world.channels[0]?.finish(true);
      await world.settle();
      assert.equal(world.channels[0]?.current?.name, 1);
      await world.finish();
    }));

  test("rejects a cancelled run with the first reason, and cancels its worker once", () =>
    withTimers(async () => {
      const world = new World(1);
      const tracked = world.start();
      world.channels[0]?.becomeReady();
      const reason = new Error("first");
      world.group.cancel(tracked.run, reason);
      mock.timers.tick(900);
      world.group.cancel(tracked.run, new Error("second"));
      assert.deepEqual(tracked.outcome, { error: reason });
      mock.timers.tick(100);
      assert.equal(world.channels[0]?.isKilled, true, "the second does not give it more time");
      await world.settle();
      await world.finish();
    }));

  test("does not take the answer to an earlier run for the answer to a later one", () =>
    withTimers(async () => {
      const world = new World(1);
      world.start();
      const [channel] = world.channels;
      channel?.becomeReady();
      const { id = 0 } = channel?.current ?? {};
      channel?.finish(true);
      await world.settle();
      const second = world.start();
      channel?.answer(id, "late");
      mock.timers.tick(2000);
      await world.settle();
      assert.equal(second.outcome, undefined);
      await world.finish();
    }));

  test("answers a run whose worker ends before its output has arrived, and assigns that worker no further runs", () =>
    withTimers(async () => {
      const world = new World(1);
      const [first, second] = [world.start(), world.start()];
      world.channels[0]?.becomeReady();
      world.channels[0]?.finish(true, false);
      await world.settle();
      assert.equal(first?.outcome, undefined, "its output may be on its way");
      world.channels[0]?.end(0, null);
      await world.settle();
      assert.deepEqual(first?.outcome, { value: 0 });
      assert.equal(second?.outcome, undefined);
      await world.finish();
      assert.deepEqual(second?.outcome, { value: 1 });
    }));

  test("stops waiting for output after a second", () =>
    withTimers(async () => {
      const world = new World(1);
      const tracked = world.start();
      world.channels[0]?.becomeReady();
      world.channels[0]?.finish(true, false);
      await world.settle();
      mock.timers.tick(999);
      assert.equal(tracked.outcome, undefined);
      mock.timers.tick(1);
      assert.deepEqual(tracked.outcome, { value: 0 });
      await world.finish();
    }));

  test("assigns a run to the most recently busy worker, so that the others can end", () =>
    withTimers(async () => {
      const world = new World(2);
      world.start();
      world.start();
      for (const channel of world.channels) channel.becomeReady();
      for (const channel of world.channels) channel.finish(true);
      await world.settle();
      mock.timers.tick(KEEP_ALIVE_MS - 1);
      world.start();
      assert.equal(world.channels[1]?.current?.name, 2);
      mock.timers.tick(1);
      await world.settle();
      assert.deepEqual(
        world.channels.map(({ isAlive }) => isAlive),
        [false, true],
      );
      await world.finish();
    }));

  test("rejects all waiting runs if the only worker fails to start, and tries again for the next run", () =>
    withTimers(async () => {
      const world = new World(1);
      const runs = [world.start(), world.start()];
      world.channels[0]?.failToStart();
      await world.settle();
      for (const { outcome } of runs) {
        assert.ok(outcome !== undefined && "error" in outcome);
        assert.ok(outcome.error instanceof UserFunctionException);
        assert.equal(outcome.error.cause, "no setup");
      }
      assert.equal(world.failedStarts, 1);
      const next = world.start();
      await world.finish();
      assert.deepEqual(next.outcome, { value: 2 });
    }));

  test("rejects the run whose worker died, and only that one", () =>
    withTimers(async () => {
      const world = new World(2);
      const [first, second, third] = [world.start(), world.start(), world.start()];
      for (const channel of world.channels) channel.becomeReady();
      world.channels[0]?.end(null, "SIGSEGV");
      await world.settle();
      assert.ok(first?.outcome !== undefined && "error" in first.outcome);
      assert.ok(first.outcome.error instanceof FalServerlessError);
      assert.equal(first.outcome.error.code, "FUNCTION_WORKER_DIED");
      assert.equal(second?.outcome, undefined);
      assert.equal(third?.outcome, undefined);
      await world.finish();
      assert.deepEqual(third?.outcome, { value: 2 });
    }));

  test("kills a worker whose cancelled run continues for a second, no sooner, and keeps a worker whose run stops", () =>
    withTimers(async () => {
      const world = new World(2);
      const [stops, goesOn] = [world.start(), world.start()];
      for (const channel of world.channels) channel.becomeReady();
      for (const { run } of [stops, goesOn]) world.group.cancel(run);
      for (const { outcome } of [stops, goesOn]) {
        assert.ok(
          outcome !== undefined && "error" in outcome && outcome.error instanceof RequestCancelledException,
        );
      }
      world.channels[0]?.finish(true);
      await world.settle();
      mock.timers.tick(999);
      assert.deepEqual(
        world.channels.map(({ isKilled, isAborted }) => [isKilled, isAborted]),
        [
          [false, true],
          [false, true],
        ],
      );
      mock.timers.tick(1);
      assert.deepEqual(
        world.channels.map(({ isKilled }) => isKilled),
        [false, true],
      );
      await world.settle();
      await world.finish();
    }));

  test("kills a worker that does not end within a second after it was stopped", () =>
    withTimers(async () => {
      const world = new World(1);
      world.start();
      const [stuck] = world.channels;
      stuck?.becomeReady();
      stuck?.finish(true);
      await world.settle();
      mock.timers.tick(KEEP_ALIVE_MS);
      assert.equal(stuck?.isStopping, true);
      const next = world.start();
      mock.timers.tick(1000);
      assert.equal(stuck.isKilled, true);
      await world.finish();
      assert.deepEqual(next.outcome, { value: 1 });
    }));

  test("that is closed rejects all runs with the reason, and resolves when all workers have ended", () =>
    withTimers(async () => {
      const world = new World(2);
      const runs = [world.start(), world.start(), world.start()];
      world.channels[0]?.becomeReady();
      const reason = new Error("closed");
      let isClosed = false;
      const closed = world.group.close(reason).then(() => (isClosed = true));
      for (const { outcome } of runs) assert.deepEqual(outcome, { error: reason });
      await turn();
      assert.equal(isClosed, false);
      await world.settle();
      await closed;
      assert.equal(world.alive.length, 0);
      assert.equal(world.hasWorkers, false);
    }));

  test("that is closed starts a new worker for a run that arrives before the old workers have ended", () =>
    withTimers(async () => {
      for (const isReady of [true, false]) {
        const world = new World(1);
        world.start();
        if (isReady) world.channels[0]?.becomeReady();
        const closed = world.group.close(CLOSED);
        const next = world.start();
        await world.settle();
        await closed;
        assert.equal(next.outcome, undefined, "it is not what was closed");
        assert.equal(world.failedStarts, 0);
        await world.finish();
        assert.deepEqual(next.outcome, { value: 1 });
      }
    }));

  test("that is closed twice concurrently resolves both calls when all workers have ended", () =>
    withTimers(async () => {
      const world = new World(1);
      world.start();
      let closed = 0;
      const closings = [1, 2].map(() => world.group.close(CLOSED).then(() => closed++));
      await turn();
      assert.equal(closed, 0);
      await world.settle();
      assert.equal(closed, 2);
      await Promise.all(closings);
    }));
});
