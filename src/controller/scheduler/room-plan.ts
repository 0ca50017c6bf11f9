import { isIdle } from "../scaling/decide.ts";
import { shareMachine, type Claim } from "../scaling/machine.ts";
import type { Decision, Runner } from "../scaling/snapshot.ts";
import type { Need } from "../state/machine-types.ts";
import type { LiveRunner } from "./live-runner.ts";
import type { MachineRoom } from "./machine-room.ts";

/** An app with its decision. */
export interface RoomClaim {
  readonly app: string;
  readonly decision: Decision;
  readonly need: Need;
  readonly minConcurrency: number;
  /** Its runners that have room, whatever their revision. */
  readonly runners: readonly Runner[];
}

/** Room that is kept for runners that wait for it. */
export interface KeptRoom {
  readonly memoryBytes: number;
  readonly gpus: number;
}

/**
 * Fits the decisions of all apps to the machine: first to its memory, then to its devices.
 * @param kept room that is not free for them
 * @returns the decision of each app by its name. One with fewer starts says why in its reason
 */
export function shareRoom(
  claims: readonly RoomClaim[],
  room: MachineRoom,
  kept: KeptRoom,
): ReadonlyMap<string, Decision> {
  const decisions = new Map(claims.map(({ app, decision }) => [app, decision]));
  const share = (sizeOf: (need: Need) => number, free: number): void => {
    // Apps that need none of it are not concerned.
    const concerned = claims.filter(({ need }) => sizeOf(need) > 0);
    const cut = concerned.map((claim): Claim => {
      const decision = decisions.get(claim.app) as Decision;
      // A start that lacks something else takes nothing away from others.
      const target = Math.min(decision.target, claim.runners.length + decision.start);
      return { ...claim, weight: 1, size: sizeOf(claim.need), decision: { ...decision, target } };
    });
    const used = cut.reduce((sum, { size, runners }) => sum + size * runners.length, 0);
    const needOf = new Map(concerned.map(({ app, need }) => [app, need]));
    const shared = shareMachine(cut, {
      capacity: free + used,
      maxStarting: Infinity,
      shortage: ({ app }) => room.shortage(needOf.get(app) as Need) ?? "apps share the machine by weight",
    });
    for (const { app, decision } of claims) {
      const next = shared.get(app);
      if (next !== undefined) decisions.set(app, { ...next, target: decision.target });
    }
  };
  share(({ memoryBytes = 0 }) => memoryBytes, room.freeMemoryBytes - kept.memoryBytes);
  share(({ gpus }) => gpus, room.freeGpus - kept.gpus);
  return decisions;
}

/** An app as one that may have to make room. */
export interface RoomOwner {
  readonly minConcurrency: number;
  readonly runners: readonly LiveRunner[];
}

/**
 * The runners that end for one that waits for room: idle ones first, those that it replaces before others, then those busy
 * ones that it replaces. Empty if that would not suffice, or if enough runners are ending already.
 */
export function victimsFor(
  waiting: LiveRunner,
  need: Need,
  owners: readonly RoomOwner[],
  room: MachineRoom,
): readonly LiveRunner[] {
  const all = owners.flatMap(({ runners }) => runners).filter(({ id }) => room.has(id));
  const gone = new Set(all.filter(({ state }) => state === "draining").map(({ id }) => id));
  const isReplaced = ({ revision, replacement }: LiveRunner): boolean =>
    isSameApp(revision, waiting.revision) && (revision.id !== waiting.revision.id || replacement !== "no");
  const ready = all.filter(({ state }) => state === "ready");
  const idle = ready.filter(isIdleRunner);
  const own = idle.filter(isReplaced);
  const surplus = owners.flatMap(({ minConcurrency, runners }) =>
    idle
      .filter((runner) => runners.includes(runner) && !isReplaced(runner))
      .toSorted((a, b) => a.idleSince - b.idleSince)
      .slice(0, Math.max(0, runners.filter(({ state }) => state === "ready").length - minConcurrency)),
  );
  const busy = ready
    .filter((runner) => isReplaced(runner) && !isIdleRunner(runner))
    .toSorted((a, b) => a.leases.size - b.leases.size);
  const victims: LiveRunner[] = [];
  for (const next of [...own, ...surplus, ...busy]) {
    if (room.shortage(need, gone) === undefined) return victims;
    victims.push(next);
    gone.add(next.id);
  }
  return room.shortage(need, gone) === undefined ? victims : [];
}

function isIdleRunner({ state, leases }: LiveRunner): boolean {
  return isIdle({ state: state === "ended" ? "draining" : state, requests: leases.size });
}

function isSameApp(a: LiveRunner["revision"], b: LiveRunner["revision"]): boolean {
  return a.app === b.app && a.environment === b.environment;
}
