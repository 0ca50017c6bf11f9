import { isIdle } from "./decide.ts";
import { fillByWeight, type Claimant } from "./fair-share.ts";
import { counted } from "./reason-text.ts";
import type { Decision, Runner } from "./snapshot.ts";

/** An app on the machine, with its own decision. */
export interface Claim extends Claimant {
  readonly decision: Decision;
  readonly minConcurrency: number;
  /** All its runners, draining ones and those of old revisions included: they take room. */
  readonly runners: readonly Runner[];
}

/** The bounds of an engine. */
export interface Machine {
  /** The room for runners, in the unit of {@link Claimant.size}: runners, GPUs or bytes. */
  readonly capacity: number;
  /** The most starts at a time. An app with waiting requests and no runner may always start one, if there is room. */
  readonly maxStarting: number;
  /** For people: why an app can't start a runner now. */
  readonly shortage: (claim: Claim) => string;
}

/**
 * Fits the decisions of all apps to one machine. A machine with room for all changes nothing. Otherwise apps with waiting
 * requests share it, max-min by weight; idle runners of others are stopped for them, busy ones never.
 * @returns the decision of each app by its name
 */
export function shareMachine(claims: readonly Claim[], machine: Machine): Map<string, Decision> {
  const shares = sharesOf(claims, machine.capacity);
  const wanted = claims.map(({ decision }, index) =>
    Math.max(0, Math.min(decision.start, (shares[index] ?? 0) - present(claims[index]))),
  );
  const starts = startsNow(claims, wanted, machine);
  return new Map(
    claims.map((claim, index): [string, Decision] => {
      const { decision } = claim;
      const start = starts[index] ?? 0;
      const stop = [...decision.stop, ...evicted(claim, shares[index] ?? 0)];
      return [
        claim.app,
        {
          ...decision,
          start,
          stop,
          reason: decision.reason + shortText(claim, start, wanted[index] ?? 0, machine),
        },
      ];
    }),
  );
}

/** The runners that each app may have, starting with the most urgent. */
function sharesOf(claims: readonly Claim[], capacity: number): number[] {
  const busy = claims.map(({ runners }) => runners.filter((runner) => !isIdle(runner)).length);
  const kept = claims.map(
    (claim) => present(claim) - claim.decision.stop.filter((stop) => isIdleOf(claim, stop.runner)).length,
  );
  const target = claims.map(({ decision }) => decision.target);
  const stages: ((index: number) => number)[] = [
    (index) => Math.min(kept[index] ?? 0, claims[index]?.minConcurrency ?? 0),
    (index) => (isWaiting(claims[index]) ? (target[index] ?? 0) : 0),
    (index) => kept[index] ?? 0,
    (index) => target[index] ?? 0,
  ];
  return stages.reduce(
    (shares, limit) =>
      fillByWeight(
        claims,
        shares,
        claims.map((_, index) => limit(index)),
        capacity,
      ),
    busy,
  );
}

/** Grants starts one after the other: first to apps with waiting requests that have no runner, then to those with few starts. */
function startsNow(claims: readonly Claim[], wanted: readonly number[], machine: Machine): number[] {
  let free = machine.capacity - claims.reduce((sum, claim) => sum + claim.size * claim.runners.length, 0);
  let budget = machine.maxStarting - claims.reduce((sum, { runners }) => sum + startingOf(runners), 0);
  const starts = claims.map(() => 0);
  const isStranded = (index: number): boolean =>
    isWaiting(claims[index]) && present(claims[index]) === 0 && starts[index] === 0;
  for (;;) {
    const possible = claims
      .map((claim, index) => ({ claim, index, stranded: isStranded(index) }))
      .filter(({ claim, index, stranded }) => {
        const isMissing = (starts[index] ?? 0) < (wanted[index] ?? 0);
        return isMissing && claim.size <= free && (budget > 0 || stranded);
      })
      .map((each) => ({ ...each, level: startLevel(each.claim, starts[each.index] ?? 0) }))
      .sort((a, b) => Number(b.stranded) - Number(a.stranded) || a.level - b.level);
    const next = possible[0];
    if (next === undefined) return starts;
    starts[next.index] = (starts[next.index] ?? 0) + 1;
    free -= next.claim.size;
    budget--;
  }
}

function startLevel({ runners, weight, decision }: Claim, starts: number): number {
  const isUrgent = decision.numbers.waiting > 0;
  return (isUrgent ? 0 : 1e9) + (startingOf(runners) + starts) / weight;
}

/** Idle runners beyond the share of their app, the longest idle first. */
function evicted({ runners, decision }: Claim, share: number): Decision["stop"] {
  const stopped = new Set(decision.stop.map(({ runner }) => runner));
  const left = runners.filter(({ id }) => !stopped.has(id));
  return left
    .filter(isIdle)
    .toSorted((a, b) => a.idleSince - b.idleSince)
    .slice(0, Math.max(0, left.length - share))
    .map(({ id }) => ({ runner: id, reason: "idle, and another app with waiting requests needs the room" }));
}

function shortText(claim: Claim, start: number, granted: number, machine: Machine): string {
  const { decision } = claim;
  if (start >= decision.start) return "";
  const cause =
    granted < decision.start || machine.maxStarting === Infinity
      ? machine.shortage(claim)
      : `the others wait for room, or for one of ${machine.maxStarting} starts at a time`;
  return `; ${start} of ${counted(decision.start, "start")} now: ${cause}`;
}

function isIdleOf({ runners }: Claim, id: string): boolean {
  return runners.some((runner) => runner.id === id && isIdle(runner));
}

function isWaiting(claim: Claim | undefined): boolean {
  return (claim?.decision.numbers.waiting ?? 0) > 0;
}

/** The runners that take room. */
function present(claim: Claim | undefined): number {
  return claim?.runners.length ?? 0;
}

function startingOf(runners: readonly Runner[]): number {
  return runners.filter(({ state }) => state === "starting").length;
}
