import { heldLevel, type Eagerness, type HeldLevel } from "./hold.ts";
import { requests, runnersText, seconds } from "./reason-text.ts";
import type { Situation, Wish } from "./situation.ts";

/** A queue that the ready runners drain within this time starts no further runner. */
const QUICK_DRAIN_SECONDS = 0.5;
/** The time in which a longer queue is to be drained: in start times, and at least in seconds. */
const DRAIN_START_TIMES = 3;
const SHORTEST_DRAIN_SECONDS = 8;
/** A runner above target is stopped after this time of idleness, in start times: it may just be between two requests. */
const IDLE_START_TIMES = { thrifty: 0.25, balanced: 0.25, eager: 1 };

/**
 * The rule that learns. Each level k, "at least k runners are needed", is held for the time that would have been cheapest in
 * the past gaps of this level. Requests that wait start runners for the load, and for a long queue more.
 */
export function levelRule(situation: Situation, eagerness: Eagerness): Wish {
  const { snapshot, demand } = situation;
  const { keepAlive, scalingDelay } = snapshot.settings;
  const held = heldLevel(snapshot.history, snapshot.now, eagerness);
  // With a scalingDelay, only requests that have waited for it start runners; others keep those that are there.
  const isPatient = scalingDelay > 0 && demand.overdue === 0;
  const kept = Math.min(held?.level ?? 0, isPatient ? situation.ready : Infinity);
  const wanted = Math.max(kept, runnersForQueue(situation));
  return {
    wanted,
    because() {
      return demand.waiting > 0 ? waitText(situation) : heldText(situation, held);
    },
    idleSeconds: Math.max(
      IDLE_START_TIMES[eagerness] * situation.startSeconds,
      keepAlive === "auto" ? 0 : keepAlive,
    ),
    cancelsStarts: true,
  };
}

/** The runners that waiting requests ask for; 0 if none waits, or none has waited for `scalingDelay`. */
function runnersForQueue({
  demand,
  slots,
  ready,
  starting,
  startSeconds,
  serviceSeconds,
}: Situation): number {
  if (demand.overdue === 0) return 0;
  // A request has waited longer than a start takes, and none is under way: the runners are busy for longer than usual.
  const isStuck = starting.length === 0 && demand.oldestWait > startSeconds;
  const have = ready + starting.length;
  const work = demand.waiting * serviceSeconds;
  const forLoad = Math.ceil(demand.load / slots - 1e-9);
  if (ready > 0 && work / (ready * slots) < QUICK_DRAIN_SECONDS && !isStuck)
    return Math.max(1, Math.min(forLoad, ready));
  const drainSeconds = Math.max(SHORTEST_DRAIN_SECONDS, DRAIN_START_TIMES * startSeconds);
  const atOnce = Math.ceil((demand.running + demand.waiting) / slots);
  const forDrain = Math.min(atOnce, Math.ceil((demand.load + work / drainSeconds) / slots - 1e-9));
  return Math.max(1, forLoad, forDrain, isStuck ? have + 1 : 0);
}

function waitText({ snapshot, demand, ready, starting, startSeconds }: Situation): string {
  const { scalingDelay } = snapshot.settings;
  const waits = demand.waiting === 1 ? "waits" : "wait, the oldest";
  const since = startSeconds < 10 ? 1 : 0;
  const oldest = Math.max(0, ...starting.map(({ startedAt }) => snapshot.now - startedAt));
  const times =
    starting.length === 0 ? "" : ` (${oldest.toFixed(since)} s of ${startSeconds.toFixed(since)} s usual)`;
  const patience = demand.overdue === 0 ? `, less than scalingDelay of ${seconds(scalingDelay)}` : "";
  return `${requests(demand.waiting)} ${waits} ${seconds(demand.oldestWait)}${patience}, ${ready} ready, ${starting.length} starting${times}`;
}

function heldText({ demand }: Situation, held: HeldLevel | undefined): string {
  if (held === undefined) return "no request, and the time to keep a runner for the next one is over";
  const { level, unneededSeconds, holdSeconds } = held;
  return unneededSeconds < 1
    ? `a load of ${Number(demand.load.toFixed(1))} needs ${runnersText(level)}`
    : `${runnersText(level)} needed until ${seconds(unneededSeconds)} ago, kept ${seconds(holdSeconds)}`;
}
