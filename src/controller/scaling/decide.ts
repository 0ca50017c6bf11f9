import { startsAllowed } from "./crash-back-off.ts";
import { documentedRule } from "./documented-rule.ts";
import { levelRule } from "./level-rule.ts";
import { counted, seconds } from "./reason-text.ts";
import { situationOf, type Situation, type Wish } from "./situation.ts";
import type { Decision, DecisionNumbers, Demand, Runner, ScalingSettings, Snapshot } from "./snapshot.ts";

/** Demand that is older than this is not trusted. Gateways report each second. */
const STALE_SECONDS = 5;
const UNKNOWN_DEMAND: Demand = { at: 0, running: 0, waiting: 0, overdue: 0, oldestWait: 0, load: 0 };

/** A decision without its words. */
export interface Plan {
  readonly target: number;
  readonly start: number;
  readonly stop: readonly Runner[];
  explain(): Decision;
}

/**
 * Decides how many runners an app should have, and which to stop. A pure function: the same snapshot gives the same decision.
 * Call it when a request has to wait, and each second after `learn`. The starts of a decision are part of the next snapshot,
 * so that calling it again starts nothing more.
 */
export function decide(snapshot: Snapshot): Decision {
  return plan(snapshot).explain();
}

/** The same for callers that need no reason, such as a simulation with millions of decisions. */
export function plan(snapshot: Snapshot): Plan {
  const { now, demand, settings } = snapshot;
  if (demand === undefined || now - demand.at > STALE_SECONDS) {
    const situation = situationOf(snapshot, demand ?? UNKNOWN_DEMAND);
    return planOf(situation, frozen(situation), 0);
  }
  const situation = situationOf(snapshot, demand);
  const isDocumented = settings.scaling === "documented";
  const wish = isDocumented ? documentedRule(situation) : levelRule(situation, settings.scaling);
  return planOf(situation, wish, bufferOf(wish.wanted, settings));
}

/** Without news of the requests nothing changes, except that `minConcurrency` holds: silence does not mean zero. */
function frozen({ snapshot: { now, demand }, ready, starting }: Situation): Wish {
  const news =
    demand === undefined
      ? "the gateways have not reported requests yet"
      : `the last news of requests is ${seconds(now - demand.at)} old`;
  return {
    wanted: ready + starting.length,
    because() {
      return `${news}, so that nothing but minConcurrency starts runners, and none is stopped`;
    },
    idleSeconds: Infinity,
    cancelsStarts: false,
  };
}

/** @param buffer runners beyond the wish */
function planOf(situation: Situation, wish: Wish, buffer: number): Plan {
  const { snapshot, ready, starting } = situation;
  const { minConcurrency, maxConcurrency } = snapshot.settings;
  const target = Math.min(maxConcurrency, Math.max(minConcurrency, wish.wanted + buffer));
  const missing = Math.max(0, target - ready - starting.length);
  const start = Math.min(missing, startsAllowed(snapshot.history.crashes, snapshot.now, starting.length));
  const stop = stopsAbove(target, situation, wish);
  return {
    target,
    start,
    stop,
    explain() {
      return {
        target,
        start,
        stop: stop.map((runner) => ({ runner: runner.id, reason: stopText(runner, target, situation) })),
        reason: [
          `${target} wanted: ${wish.because()}`,
          ...boundsTexts(wish.wanted, buffer, target, snapshot),
          ...(start < missing ? [backOffText(snapshot)] : []),
        ].join("; "),
        numbers: numbersOf(situation, wish.wanted),
      };
    },
  };
}

function bufferOf(wanted: number, { concurrencyBuffer, concurrencyBufferPerc }: ScalingSettings): number {
  return Math.max(concurrencyBuffer, Math.ceil((concurrencyBufferPerc / 100) * wanted - 1e-9));
}

/** Idle runners, the longest idle first; then starts, the newest first. */
function stopsAbove(target: number, { snapshot, demand, ready, starting }: Situation, wish: Wish): Runner[] {
  const excess = ready + starting.length - target;
  if (excess <= 0) return [];
  const idle = snapshot.runners
    .filter((runner) => isIdle(runner) && snapshot.now - runner.idleSince >= wish.idleSeconds)
    .toSorted((a, b) => a.idleSince - b.idleSince)
    .slice(0, excess);
  const isCancelling = wish.cancelsStarts && demand.waiting === 0;
  const starts = isCancelling ? starting.toSorted((a, b) => b.startedAt - a.startedAt) : [];
  return [...idle, ...starts.slice(0, excess - idle.length)];
}

/** Whether a runner may be stopped at once. */
export function isIdle({ state, requests }: Pick<Runner, "state" | "requests">): boolean {
  return state === "ready" && requests === 0;
}

function stopText(runner: Runner, target: number, { snapshot: { now }, ready }: Situation): string {
  return runner.state === "starting"
    ? `no request waits for its start, begun ${seconds(now - runner.startedAt)} ago; ${target} wanted`
    : `idle for ${seconds(now - runner.idleSince)}; ${ready} ready, ${target} wanted`;
}

/** The effects of buffer and bounds on the wish of a rule. */
function boundsTexts(wanted: number, buffer: number, target: number, { settings }: Snapshot): string[] {
  const { concurrencyBuffer, concurrencyBufferPerc, minConcurrency, maxConcurrency } = settings;
  const isByCount = buffer <= concurrencyBuffer;
  const cause = isByCount ? "concurrencyBuffer" : `concurrencyBufferPerc of ${concurrencyBufferPerc}`;
  const more = buffer === 0 ? [] : [`${buffer} more by ${cause}`];
  if (wanted + buffer > target) {
    return [...more, `maxConcurrency is ${maxConcurrency}, ${wanted + buffer} would be needed`];
  }
  return wanted + buffer < target ? [...more, `minConcurrency is ${minConcurrency}`] : more;
}

function backOffText({ now, history: { crashes } }: Snapshot): string {
  const wait = (crashes.until ?? now) - now;
  const next =
    wait > 0 ? `the next start is in ${seconds(wait)}` : "one start at a time until a runner is ready";
  return `back-off after ${counted(crashes.waves, "crash", "crashes")}: ${next}`;
}

function numbersOf(situation: Situation, wanted: number): DecisionNumbers {
  const { demand, ready, starting, slots, startSeconds, serviceSeconds } = situation;
  const { running, waiting, load } = demand;
  return {
    ready,
    starting: starting.length,
    running,
    waiting,
    load,
    slots,
    startSeconds,
    serviceSeconds,
    wanted,
  };
}
