import { requests, seconds } from "./reason-text.ts";
import type { Situation, Wish } from "./situation.ts";

/** fal's default for apps, in seconds. */
const DEFAULT_KEEP_ALIVE = 60;

/** The rule of fal's documentation: a runner for each `maxMultiplexing` requests, kept for `keepAlive` after its last one. */
export function documentedRule({ snapshot, demand, slots }: Situation): Wish {
  const { keepAlive } = snapshot.settings;
  const present = demand.running + demand.overdue;
  const idleSeconds = keepAlive === "auto" ? DEFAULT_KEEP_ALIVE : keepAlive;
  return {
    wanted: Math.ceil(present / slots),
    because() {
      return present === 0
        ? `no request; idle runners are kept ${seconds(idleSeconds)}`
        : `${requests(present)} run or wait, ${slots} on a runner`;
    },
    idleSeconds,
    cancelsStarts: false,
  };
}
