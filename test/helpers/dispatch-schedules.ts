import * as fc from "fast-check";
import type { JobPlan, RunPlan, Step, WorldSetup } from "./dispatch-world.ts";

/** The features that a schedule uses; the others have simple values. */
export interface Theme {
  readonly deadlines?: boolean;
  readonly shared?: boolean;
  readonly dying?: boolean;
  readonly narrow?: boolean;
}

/** Set-ups and schedules of one theme, or of all at once. */
export function schedules(theme: Theme): fc.Arbitrary<[WorldSetup, Step[]]> {
  return fc.tuple(setups(theme), fc.array(steps(theme), { minLength: 1, maxLength: 30 }));
}

function setups({ shared = false, dying = false, narrow = false }: Theme): fc.Arbitrary<WorldSetup> {
  const slots = fc.integer({ min: 1, max: 4 });
  return fc.record({
    limits: fc.record({
      maxSize: fc.constantFrom(1, 2, 3, 4, 8),
      maxCost: fc.constantFrom(Infinity, 4, 6),
    }),
    queue: fc.record({
      count: narrow ? fc.constantFrom(0, 1, 2, 5) : fc.constantFrom(20, 1000),
      bytes: narrow ? fc.constantFrom(0, 10, 30, Infinity) : fc.constant(Infinity),
    }),
    sides: fc.constantFrom<1 | 2>(...(shared ? ([2] as const) : ([1] as const))),
    own: shared ? fc.constantFrom(1, 2, Infinity) : slots,
    shared: shared || dying ? slots : fc.constant(undefined),
    retries: dying ? fc.boolean() : fc.constant(false),
    fixedMs: fc.constantFrom(0, 5, 20),
    perUnitMs: fc.constantFrom(1, 4),
    runs: fc.array(runs(dying), { minLength: 1, maxLength: 6 }),
  });
}

function runs(dying: boolean): fc.Arbitrary<RunPlan> {
  const outcomes: RunPlan["outcome"][] = ["answers", "answers", "answers", "throws", "items fail"];
  return fc.record({
    factor: fc.constantFrom(1, 1, 1, 1.25, 0.5, 5),
    outcome: fc.constantFrom(...outcomes, ...(dying ? (["dies", "dies"] as const) : [])),
    heedsSignal: fc.boolean(),
  });
}

function steps(theme: Theme): fc.Arbitrary<Step> {
  const submit = fc.array(jobs(theme), { minLength: 1, maxLength: 8 });
  const pass = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 80 }));
  const leave = { from: fc.constantFrom("waiting", "running"), which: fc.nat(20) } as const;
  return fc.oneof(
    { weight: 5, arbitrary: submit.map((each) => ({ do: "submit" as const, jobs: each })) },
    { weight: 5, arbitrary: pass.map((ms) => ({ do: "pass" as const, ms })) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("leave" as const), ...leave }) },
    {
      weight: theme.dying ? 2 : 0,
      arbitrary: fc.record({ do: fc.constant("resize" as const), capacity: fc.nat(4) }),
    },
  );
}

function jobs({ deadlines = false, narrow = false }: Theme): fc.Arbitrary<JobPlan> {
  const limit = fc.constantFrom(undefined, undefined, 0, 10, 40, 100, 300);
  return fc.record({
    side: fc.nat(1),
    cost: fc.constantFrom(1, 1, 1, 2, 3, 7, 0),
    group: fc.constantFrom(0, 0, 0, 1, 2),
    priority: fc.constantFrom("normal", "normal", "low"),
    bytes: narrow ? fc.nat(12) : fc.constant(0),
    startIn: deadlines ? limit : fc.constant(undefined),
    finishIn: deadlines ? limit : fc.constant(undefined),
    asksFirst: narrow ? fc.boolean() : fc.constant(false),
  });
}
