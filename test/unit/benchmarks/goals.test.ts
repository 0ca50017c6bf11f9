import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chooseGoals,
  faultsOf,
  missesOf,
  reachedExceptions,
  type Goal,
} from "../../../benchmarks/lib/goals.ts";
import { atLeast, atMost, information, type Row } from "../../../benchmarks/lib/row.ts";

const GOAL: Goal = {
  name: "speed",
  share: 0.75,
  seconds: 10,
  known: { slow: "the system's part alone takes it" },
};
const fast = (figure: number): Row => atLeast("fast", figure, "ratio", 0.8);
const slow = (figure: number): Row => atMost("slow", figure, "ms", 3);

for (const [what, row, isMiss] of [
  ["0.75 of a lower bound", atLeast("a", 0.75, "ratio", 1), false],
  ["less than 0.75 of a lower bound", atLeast("a", 0.749, "ratio", 1), true],
  ["an upper bound / 0.75", atMost("a", 4, "ms", 3), false],
  ["more than an upper bound / 0.75", atMost("a", 4.001, "ms", 3), true],
  ["a figure without a target", information("a", 0, "ms"), false],
] as const) {
  test(`${what} ${isMiss ? "is a miss" : "is sufficient"}`, () => {
    assert.equal(missesOf(GOAL, [row]).length, isMiss ? 1 : 0);
  });
}

test("without a share, the benchmark's own verdict counts, whatever the form of its target", () => {
  const row = { name: "a", figure: 3, unit: "s", target: "≤ 2 or 50 batches" };
  const goal: Goal = { name: "speed", seconds: 10 };
  assert.equal(missesOf(goal, [{ ...row, ok: true }]).length, 0);
  assert.equal(missesOf(goal, [{ ...row, ok: false }]).length, 1);
  assert.throws(() => missesOf(GOAL, [{ ...row, ok: true }]), /not a bound/);
});

test("rows that other work decides about are not held", () => {
  const goal: Goal = { name: "speed", share: 0.75, seconds: 10, unheld: /^late/ };
  assert.deepEqual(missesOf(goal, [atMost("late answers", 1, "ratio", 0.01)]), []);
  assert.equal(missesOf(goal, [atMost("answers", 1, "ratio", 0.01)]).length, 1);
});

test("a row fails only if it misses in both runs", () => {
  const all = { name: "speed", share: 0.75, seconds: 10 };
  const other = atLeast("other", 0.1, "ratio", 0.8);
  const better = atLeast("other", 0.8, "ratio", 0.8);
  assert.deepEqual(faultsOf(all, [[fast(0.8)]]), []);
  assert.deepEqual(faultsOf(all, [[fast(0.1)], [fast(0.8)]]), []);
  assert.deepEqual(
    faultsOf(all, [
      [fast(0.1), better],
      [fast(0.8), other],
    ]),
    [],
  );
  assert.deepEqual(
    faultsOf(all, [
      [fast(0.1), other],
      [fast(0.2), better],
    ]),
    ['bench:speed: "fast" is below 0.75 of its target'],
  );
});

test("a benchmark that fails in one run is judged by the other, and one that fails in both has failed", () => {
  const all = { name: "speed", share: 0.75, seconds: 10 };
  assert.deepEqual(faultsOf(all, [undefined, [fast(0.8)]]), []);
  assert.equal(faultsOf(all, [undefined, [fast(0.1)]]).length, 1);
  assert.equal(faultsOf(all, [[fast(0.1)], undefined]).length, 1);
  assert.deepEqual(faultsOf(all, [undefined, undefined]), ["bench:speed could not be measured"]);
});

test("a known miss has its reason and does not fail; once it is reached, that is reported", () => {
  const rows = [fast(0.8), slow(10)];
  assert.deepEqual(missesOf(GOAL, rows), [{ name: "slow", reason: "the system's part alone takes it" }]);
  assert.deepEqual(faultsOf(GOAL, [rows]), []);
  assert.deepEqual(reachedExceptions(GOAL, rows), []);
  assert.deepEqual(reachedExceptions(GOAL, [fast(0.8), slow(3)]), ["slow"]);
});

test("an exception for a row that does not exist is a fault", () => {
  assert.match(faultsOf(GOAL, [[fast(0.8)]]).join(), /has no row "slow"/);
});

test("a target that is not a bound is refused", () => {
  assert.throws(() => missesOf(GOAL, [{ ...fast(1), target: "about 3" }]), /not a bound: about 3/);
});

const goals: readonly Goal[] = [50, 50, 50, 200, 10].map((seconds, index) => ({
  ...{ name: `turn ${index}`, share: 0.75, seconds },
}));

test("each benchmark has its turn, and no more run than fit into the budget", () => {
  const counts = new Map<string, number>();
  for (let start = 0; start < 5; start++) {
    const turns = chooseGoals(goals, start.toString(16).padStart(8, "0"), 120);
    const seconds = turns.reduce((sum, goal) => sum + goal.seconds, 0);
    assert.ok(turns.length === 1 || seconds <= 120, `${seconds} s`);
    for (const { name } of turns) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), ["turn 0", "turn 1", "turn 2", "turn 3", "turn 4"]);
});

test("the same commit has the same benchmarks, and another one may have others", () => {
  const of = (commit: string): string =>
    chooseGoals(goals, commit, 120)
      .map(({ name }) => name)
      .join();
  assert.equal(of("00000001abc"), of("00000001def"));
  assert.notEqual(of("00000001"), of("00000002"));
});
