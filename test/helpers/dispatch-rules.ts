import assert from "node:assert/strict";
import { OverloadException, QueueTimeoutException, RequestTimeoutException } from "../../src/errors.ts";
import {
  Died,
  freeSlots,
  isWaiting,
  type DispatchWorld,
  type Entry,
  type JobPlan,
  type RunRecord,
  type Side,
} from "./dispatch-world.ts";

/** A job is refused if and only if there is no room or no time for it. */
export function assertRoom(
  side: Side,
  waiting: readonly Entry[],
  plan: JobPlan,
  code: string | undefined,
): void {
  const { queue, limits } = side.setup;
  const room = freeSlots(side) * limits.maxSize;
  // Without batches, each job that arrives in one moment gets an executor; otherwise batches are formed from all of them.
  const startsAtOnce = limits.maxSize === 1 ? waiting.length < room : waiting.length === 0 && room > 0;
  const bytes = waiting.reduce((sum, entry) => sum + entry.plan.bytes, 0);
  const isFull = waiting.length >= queue.count + room || bytes + plan.bytes > queue.bytes;
  if (startsAtOnce) assert.equal(code, undefined, "refused beside a free slot");
  else if (isFull) assert.equal(code, "QUEUE_FULL", "more wait than may");
  else if (plan.finishIn === undefined) assert.equal(code, undefined, "refused without a deadline");
  else assert.ok(code === undefined || code === "OVERLOADED", "refused as if the queue were full");
}

/** The jobs of a batch are compatible, and they are next in the order of the queue. */
export function assertBatch(side: Side, batch: readonly Entry[], world: DispatchWorld): void {
  const { limits, retries } = side.setup;
  const [first] = batch;
  assert.ok(first !== undefined, "an empty batch");
  for (const entry of batch) {
    assert.ok(entry.job?.settled === false, "a job runs that was answered before");
    assert.ok(isWaiting(entry), "a job runs twice");
    assert.ok(entry.runs.length === 0 || (retries && batch.length === 1), "a second chance in company");
    if (!entry.job.retried) assert.ok(world.clock.now() < entry.job.startBy, "started too late");
    assert.equal(entry.plan.group, first.plan.group, "two groups in a batch");
  }
  assert.equal(new Set(batch).size, batch.length, "a job twice in a batch");
  const cost = costOf(batch);
  assert.ok(batch.length <= limits.maxSize, "too many in a batch");
  assert.ok(cost <= limits.maxCost || batch.length === 1, "a batch that costs too much");
  for (const slots of side.slots) assert.ok(slots.used <= slots.capacity, "more leases than slots");
  const running = world.runs.filter((run) => !run.ended);
  const shared = side.slots[1]?.capacity ?? Infinity;
  assert.ok(running.length < shared, "more runs than slots");
  assert.ok(running.filter((run) => run.side === side).length < side.own.capacity, "more runs than slots");
  assertTurn(side, batch, cost);
  for (const other of world.sides) if (other !== side) assertFair(side, other, batch, world);
}

/** Of two dispatchers that share slots, the one with the older first job goes first. */
function assertFair(side: Side, other: Side, batch: readonly Entry[], world: DispatchWorld): void {
  const now = world.clock.now();
  noteHold(other, world);
  if (other.own.free === 0 || now < other.holdEnd) return;
  const oldest = (entries: readonly Entry[]): number =>
    Math.min(...entries.map(({ arrivedAt }) => arrivedAt).filter((at) => at < now));
  // Slots that become free in one moment may go to one dispatcher, and the first job may have been dropped since.
  const justStarted = world.runs.filter((run) => run.side === side && run.startedAt === now);
  const own = [
    ...batch,
    ...side.entries.filter((entry) => isWaiting(entry) || hasJustGone(entry)),
    ...justStarted.flatMap((run) => run.entries),
  ];
  assert.ok(
    oldest(other.entries.filter(isWaiting)) >= oldest(own),
    "another dispatcher's job has waited longer",
  );
}

/** Notes a hold, which may follow the end of a run. */
function noteHold(side: Side, world: DispatchWorld): void {
  const ended = world.runs.filter((run) => run.side === side && run.ended).length;
  if (ended === side.ended) return;
  side.ended = ended;
  side.holdEnd = world.clock.now() + side.dispatcher.model.fixed / 2;
}

function assertTurn(side: Side, batch: readonly Entry[], cost: number): void {
  const inBatch = new Set(batch);
  const rest = side.entries.filter((entry) => isWaiting(entry) && !inBatch.has(entry));
  for (const entry of batch) {
    assert.ok(
      batch.every(
        (other) => position(other) <= position(entry) || batch.indexOf(other) > batch.indexOf(entry),
      ),
      "a batch out of order",
    );
    for (const other of rest) {
      const isBefore = position(other) < position(entry);
      assert.ok(!(isBefore && other.plan.group === entry.plan.group), "overtaken within a group");
    }
  }
  // A job of the same group that was next may have been dropped in favour of this batch.
  const letDown = side.entries.filter(
    (entry) => hasJustGone(entry) && entry.plan.group === batch[0]?.plan.group,
  );
  const firstPosition = Math.min(...[...batch, ...letDown].map(position));
  assert.ok(
    rest.every((entry) => position(entry) > firstPosition),
    "who was first has to wait",
  );
  // Without deadlines there is no reason for a smaller batch.
  const [first] = batch;
  if (first?.job?.retried || side.entries.some(({ plan }) => plan.finishIn !== undefined)) return;
  const { limits } = side.setup;
  const next = rest
    .filter(({ plan, job }) => plan.group === first?.plan.group && !job?.retried)
    .sort((one, other) => position(one) - position(other))[0];
  if (next === undefined || batch.length === limits.maxSize) return;
  assert.ok(cost + next.plan.cost > limits.maxCost, "room is left for one who waits");
}

/** Whether the job left the queue without a run in this moment, so that its caller has no result yet. */
function hasJustGone({ job, runs, result }: Entry): boolean {
  return job?.settled === true && result === undefined && runs.every(({ ended }) => ended);
}

/** The position of a job in the queue: retries first, low priority last. */
function position({ job, plan, order, diedAs }: Entry): number {
  return job?.retried ? diedAs - 1e6 : order + (plan.priority === "low" ? 1e6 : 0);
}

function costOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { plan }) => sum + plan.cost, 0);
}

/** The result of a job is the expected one. */
export function assertResult(entry: Entry, result: NonNullable<Entry["result"]>): void {
  const { job, arrivedAt, plan, runs, caller } = entry;
  const { error, at } = result;
  const { finishIn = Infinity, startIn = Infinity } = plan;
  if (error instanceof OverloadException) {
    assert.equal(runs.length, job?.retried ? 1 : 0, "refused after it ran");
    assert.ok(error.retryAfterMs >= 0 && error.retryAfterMs < Infinity, `try again in ${error.retryAfterMs}`);
    if (error.code === "OVERLOADED") assert.ok(finishIn < Infinity, "shed without a deadline");
  } else if (error instanceof RequestTimeoutException) {
    const limit = error instanceof QueueTimeoutException ? Math.min(finishIn, startIn) : finishIn;
    assert.equal(error, entry.timedOut);
    assert.ok(at >= arrivedAt + limit, "timed out too early");
    const waited = runs.length === (job?.retried ? 1 : 0);
    assert.equal(error instanceof QueueTimeoutException, waited, "the wrong kind of timeout");
  } else if (entry.left) {
    assert.equal(error, caller.signal.reason);
  } else {
    assert.ok(at <= arrivedAt + finishIn, "answered after its time");
    assert.equal(error, entry.given?.error, "the error of another job");
    assert.equal(result.value, entry.given?.value, "the result of another job");
    if (error instanceof Died && side(entry).retries) assert.equal(runs.length, 2, "not retried");
  }
}

function side({ side: { setup } }: Entry): Side["setup"] {
  return setup;
}

/** At a moment without pending events: jobs that can run are running, late jobs are answered, signals have the right state. */
export function assertQuiet(world: DispatchWorld): void {
  const now = world.clock.now();
  for (const side of world.sides) {
    const waiting = side.entries.filter(isWaiting);
    noteHold(side, world);
    const isFree = freeSlots(side) > 0;
    assert.ok(!isFree || waiting.length === 0 || now < side.holdEnd, "a job waits although a slot is free");
    side.idle = { at: now, waiting: new Set(isFree ? waiting : []) };
    assert.equal(side.metrics.depth, waiting.length, "the depth of the queue");
    for (const entry of side.entries) {
      if (entry.job?.settled !== false) continue;
      const due = isWaiting(entry) && !entry.job.retried ? entry.job.lastStart : entry.job.finishBy;
      assert.ok(now < due, "a job is past its deadline and has not timed out");
    }
  }
  for (const { ended, entries, handle } of world.runs) {
    if (ended) continue;
    const isGone = entries.every(({ job }) => job?.settled);
    assert.equal(
      handle.signal.aborted,
      isGone,
      isGone ? "not aborted although no caller waits" : "aborted although a caller waits",
    );
  }
}

/** At the end: every job has one result, and the counters are correct. */
export function assertAccounts(
  { entries, metrics, turnedAway, slots, dispatcher }: Side,
  runs: readonly RunRecord[],
): void {
  const errors = entries.map(({ result }) => result?.error);
  const count = (is: (entry: Entry, error: unknown) => boolean): number =>
    entries.filter((entry, index) => is(entry, errors[index])).length;
  assert.ok(
    entries.every(({ result }) => result !== undefined),
    "somebody has no answer",
  );
  assert.ok(slots.every(({ used }) => used === 0) && metrics.depth === 0);
  assert.equal(dispatcher.oldestArrival, undefined);
  const sum = (counts: Iterable<number>): number => [...counts].reduce((one, other) => one + other, 0);
  const refused = count((_, error) => error instanceof OverloadException);
  assert.equal(sum(metrics.refusals.values()), refused + turnedAway, "refusals");
  const gone = count(
    ({ result, caller }) => result?.error !== undefined && result.error === caller.signal.reason,
  );
  const timedOut = count(({ timedOut }) => timedOut !== undefined);
  assert.equal(sum(Object.values(metrics.timeouts)), timedOut, "timeouts");
  assert.equal(sum(Object.values(metrics.cancelled)), gone - timedOut, "cancelled");
  assert.equal(metrics.late, metrics.cancelled.running + metrics.timeouts.run, "late");
  assert.equal(
    metrics.retried,
    count(({ job }) => job?.retried === true),
    "retried",
  );
  const own = runs.filter(({ side }) => side.dispatcher === dispatcher);
  assert.equal(metrics.runs.count, own.length);
  assert.equal(metrics.batchSizes.count, own.length);
  assert.equal(sum(metrics.reasons.values()), own.length, "reasons");
  assert.equal(metrics.batchSizes.sum, metrics.waits.count);
}
