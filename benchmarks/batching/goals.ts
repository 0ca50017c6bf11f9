import { progress } from "../lib/benchmark.ts";
import { atLeast, atMost, information, type Row } from "../lib/row.ts";
import { median } from "../lib/statistics.ts";
import { PROMPT_MS } from "./analysis.ts";
import { servableRate, sharedQueueRate, sheddingGoodput } from "./bounds.ts";
import type { Harness } from "./harness.ts";
import { Measurements, type Plan, type OpenOutcome, type Recovery, type Subject } from "./measurements.ts";
import { measureBeyondProcessor, measureRefusalCost } from "./overload.ts";
import { firstThatHolds, highestRate } from "./search.ts";
import { S1, S2, S4, SHAPES, type Shape } from "./shape.ts";

const SATURATION = 0.97;
/** The required rate as a share of λ*, on S1 and for four executors. Lucky schedules allow more; no schedule needs less. */
const CAPACITY = 0.85;
/** The required rate as a share of λ*, where the deadline is longer in relation to the batches. */
const EASIER_CAPACITY = 0.9;
const OVERLOAD = 0.95;
const OVERLOADS = [1.5, 3];
const CLOSED_LOOP = 0.92;
const CLIENTS = [8, 16, 48];
const CLIENTS_WITH_DEADLINE = [8, 48];
/** The most requests that are refused after a wait, as a share of all. */
const LATE_REFUSALS = 0.02;
/** Loads without much overload, at which refusals must be few, or prompt. */
const LOADS = [0.5, 1];
const LOW_LOAD_MS = 25.7;
const RECOVERY = { seconds: 2, batches: 50 };
const NOISE = 0.15;
const NOISY_OVERLOAD = 0.85;
const EXECUTORS = 4;
/** The attempts for a measurement that misses its target. */
const MOST_ATTEMPTS = 3;
/**
 * The latency of a batcher without any rule, which never waits, at low load on a machine fit for judging: 26.0 to
 * 26.4 ms were measured on two idle cores. Any more is the time of processes and sockets, not of batching.
 */
const FIT_MS = 27;
/** The share of the ideal that it reaches with 8 clients in closed loop: alternating batches of 1 and 7 give 0.58; measured: 0.573. */
const FIT_SHARE = 0.56;

/** The required share of accepted requests answered in time, and of refusals sent at once: the 99th percentile. */
const IN_TIME = 0.99;

/** The rows with a target: those of the batcher itself. */
export class Goals {
  readonly #harness: Harness;
  readonly #measure: Measurements;
  readonly #tolerance: number;
  #chances: number;
  #unjudged = 0;
  #isMachineSlow = false;

  constructor(harness: Harness, plan: Plan) {
    this.#harness = harness;
    this.#measure = new Measurements(harness, plan);
    this.#tolerance = plan.tolerance;
    this.#chances = plan.chances;
  }

  /** The number of rows that were measured but not judged, because the machine was busy with other programs. */
  get unjudged(): number {
    return this.#unjudged;
  }

  /** @param quick fewer loads and shapes; every goal still has a row. */
  async measure(quick: boolean): Promise<Row[]> {
    const rows: Row[] = [];
    const add = async (measure: () => Promise<Row[]>): Promise<void> => {
      rows.push(...(await this.#judge(measure)));
    };
    for (const shape of SHAPES) await add(() => this.#saturation(shape));
    for (const shape of SHAPES) await add(() => this.#capacity(ours(shape), quick));
    for (const shape of SHAPES) {
      for (const load of OVERLOADS) {
        // Triple load on S2 is 10,800 requests per second, more than small machines can send and refuse.
        if (!quick || shape === S1 || load === (shape === S2 ? 1.5 : 3))
          await add(() => this.#overload(shape, load));
      }
    }
    for (const load of LOADS) await add(() => this.#refusals(load));
    for (const clients of CLIENTS) await add(() => this.#closedLoop(clients));
    for (const clients of CLIENTS_WITH_DEADLINE) await add(() => this.#closedLoop(clients, true));
    await add(() => measureRefusalCost(this.#harness, quick));
    await add(() => measureBeyondProcessor(this.#harness, quick));
    await add(() => this.#lowLoad(quick ? 120 : 600));
    for (const shape of quick ? [S4] : [S1, S4]) await add(() => this.#costChange(shape));
    await add(() => this.#noise());
    await add(() => this.#capacity({ ...ours(S1), executors: EXECUTORS }, quick));
    return rows;
  }

  /** Repeats a measurement that misses its target: one slow moment of the machine is a percent of a short run. */
  async #judge(measure: () => Promise<Row[]>): Promise<Row[]> {
    let best: { readonly rows: Row[]; readonly missed: number; readonly isNoisy: boolean } | undefined;
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const noisyRuns = this.#harness.noisyRuns;
      const rows = await measure();
      const missed = rows.filter((row) => !row.ok).length;
      if (missed === 0) return rows;
      if (best === undefined || missed < best.missed) {
        best = { rows, missed, isNoisy: this.#harness.noisyRuns > noisyRuns };
      }
      if (this.#isMachineSlow || this.#chances-- <= 0) break;
      progress("  a target is missed; once more");
    }
    if (best === undefined || this.#tolerance === 1) return best?.rows ?? [];
    this.#isMachineSlow ||= !best.isNoisy && (await this.#takesLong());
    if (!best.isNoisy && !this.#isMachineSlow) return best.rows;
    this.#unjudged += best.missed;
    return best.rows.map((row) =>
      row.ok ? row : information(`${row.name} (machine busy or slow, not judged)`, row.figure, row.unit),
    );
  }

  /** Whether the machine is too slow to judge a miss; measured only after a miss. */
  async #takesLong(): Promise<boolean> {
    const greedy: Subject = { rule: "greedy", shape: S1 };
    const share = await this.#measure.closedLoop(greedy, 8);
    const ms = await this.#measure.lowLoad(greedy, 60, FIT_MS);
    progress(
      `  without a rule: ${ms.toFixed(1)} ms at low load (${FIT_MS}), ${share.toFixed(2)} of closed loop (${FIT_SHARE})`,
    );
    return ms > FIT_MS || share < FIT_SHARE;
  }

  async #saturation(shape: Shape): Promise<Row[]> {
    progress(`${shape.name}: saturation`);
    const share = await this.#measure.saturation(ours(shape));
    const name = `${shape.name}: saturation, ${4 * shape.maxSize} clients / ceiling`;
    return [atLeast(name, share, "ratio", SATURATION, this.#tolerance)];
  }

  async #capacity(subject: Subject, quick: boolean): Promise<Row[]> {
    const { shape, executors = 1 } = subject;
    const bound = sharedQueueRate(shape, executors);
    const target = Math.round((shape === S1 ? CAPACITY : EASIER_CAPACITY) * bound);
    const who = executors === 1 ? shape.name : `${shape.name}, ${executors} executors`;
    const holds = async (rate: number): Promise<boolean> => {
      const held = await this.#measure.holds(subject, rate);
      progress(`${who}: ${Math.round(rate)}/s ${held ? "holds" : "is too much"}`);
      return held;
    };
    const rate = quick
      ? await firstThatHolds(
          [1, 0.9].map((share) => share * target),
          holds,
        )
      : await highestRate({ from: 0.7 * bound, to: bound, steps: 4, holds });
    const name = `${who}: highest rate with 99 % within ${shape.deadlineMs} ms`;
    return [atLeast(name, rate, "requests/s", target, this.#tolerance)];
  }

  async #overload(shape: Shape, load: number): Promise<Row[]> {
    const rate = load * servableRate(shape);
    progress(`${shape.name}: overload, ${Math.round(rate)}/s`);
    const outcomes = await this.#measure.openLoop(ours(shape), rate);
    const middle = (of: (outcome: OpenOutcome) => number): number => median(outcomes.map(of));
    const name = `${shape.name} at ${load} λ*`;
    const goodput = middle((outcome) => outcome.goodput);
    const target = Math.round(OVERLOAD * sheddingGoodput(shape, rate));
    return [
      atLeast(`${name}: goodput`, goodput, "requests/s", target, this.#tolerance),
      atLeast(
        `${name}: accepted and answered within ${shape.deadlineMs} ms`,
        middle(
          ({ requests, rejected, goodShare }) => (goodShare * requests) / Math.max(1, requests - rejected),
        ),
        "ratio",
        IN_TIME,
        this.#tolerance,
      ),
      atLeast(
        `${name}: refused within ${PROMPT_MS} ms`,
        1 - middle((outcome) => outcome.lateRejectionShare),
        "ratio",
        IN_TIME,
        this.#tolerance,
      ),
      this.#lateRefusals(name, outcomes),
      atLeast(
        `${name}: rejections with Retry-After`,
        middle((outcome) => outcome.retryAfterShare),
        "ratio",
        1,
      ),
      information(
        `${name}: p99 of the accepted`,
        middle((outcome) => outcome.acceptedP99Ms),
        "ms",
      ),
      information(
        `${name}: p99 of rejections`,
        middle((outcome) => outcome.rejectedP99Ms),
        "ms",
      ),
      information(
        `${name}: processor time of the server`,
        middle((outcome) => outcome.serverLoad),
        "processors",
      ),
      information(
        `${name}: answered late or with 504`,
        middle(({ late, timedOut, failed, requests }) => (late + timedOut + failed) / requests),
        "ratio",
      ),
    ];
  }

  /** Refusals on S1 without much overload: none at half of the capacity; at all of it, few after a wait. */
  async #refusals(load: number): Promise<Row[]> {
    const rate = load * servableRate(S1);
    progress(`S1: refusals, ${Math.round(rate)}/s`);
    const outcomes = await this.#measure.openLoop(ours(S1), rate);
    if (load > 0.5) return [this.#lateRefusals(`S1 at ${load} λ*`, outcomes)];
    const refused = median(outcomes.map(({ rejected, requests }) => rejected / requests));
    return [atMost(`S1 at ${load} λ*: refused`, refused, "ratio", 0)];
  }

  #lateRefusals(name: string, outcomes: readonly OpenOutcome[]): Row {
    const share = median(
      outcomes.map(
        ({ lateRejectionShare, rejected, requests }) => (lateRejectionShare * rejected) / requests,
      ),
    );
    const what = `${name}: refused later than ${PROMPT_MS} ms, of all`;
    return atMost(what, share, "ratio", LATE_REFUSALS, this.#tolerance);
  }

  async #closedLoop(clients: number, hasDeadline = false): Promise<Row[]> {
    const what = `S1: closed loop${hasDeadline ? " with a deadline" : ""}, ${clients} clients`;
    progress(what);
    const share = await this.#measure.closedLoop(ours(S1), clients, hasDeadline);
    const name = `${what} / ideal`;
    return [atLeast(name, share, "ratio", CLOSED_LOOP, this.#tolerance)];
  }

  async #lowLoad(requests: number): Promise<Row[]> {
    progress("S1: low load");
    const ms = await this.#measure.lowLoad(ours(S1), requests, LOW_LOAD_MS / this.#tolerance);
    return [atMost("S1 at 0.05 λ*: p50", ms, "ms", LOW_LOAD_MS, this.#tolerance)];
  }

  async #costChange(shape: Shape): Promise<Row[]> {
    progress(`${shape.name}: costs change`);
    const [up, down] = await this.#measure.costChange(ours(shape), 0.9 * servableRate(shape));
    return [
      ...this.#recovery(`${shape.name}: goodput is back after costs ×3`, up),
      ...this.#recovery(`${shape.name}: goodput is back after costs ÷3`, down),
    ];
  }

  /** Recovery in time by either measure is sufficient. */
  #recovery(name: string, { seconds, batches }: Recovery): Row[] {
    const ok = seconds <= RECOVERY.seconds / this.#tolerance || batches <= RECOVERY.batches / this.#tolerance;
    return [
      {
        ...information(name, seconds, "s"),
        target: `≤ ${RECOVERY.seconds} or ${RECOVERY.batches} batches`,
        ok,
      },
      information(`${name}: batches until then`, batches, "batches"),
    ];
  }

  async #noise(): Promise<Row[]> {
    progress("S1: noise");
    const rate = 3 * servableRate(S1);
    const outcomes = await this.#measure.openLoop({ ...ours(S1), noise: NOISE }, rate);
    const goodput = median(outcomes.map((outcome) => outcome.goodput));
    const target = Math.round(NOISY_OVERLOAD * sheddingGoodput(S1, rate));
    return [atLeast("S1 at 3 λ*, costs ± 15 %: goodput", goodput, "requests/s", target, this.#tolerance)];
  }
}

function ours(shape: Shape): Subject {
  return { rule: "ours", shape };
}
