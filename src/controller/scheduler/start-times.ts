import type { LiveRunner } from "./live-runner.ts";

/** How long each phase of a runner's start has taken, in seconds. */
export interface StartTimes {
  /** Until the engine has its files and packages. */
  readonly prepare: number;
  /** Until its process runs. */
  readonly launch: number;
  /** Until it takes connections: its imports and `setup()`. */
  readonly setup: number;
  /** Until its health check has succeeded. */
  readonly check: number;
}

/** The phases of the start of a runner that is ready; undefined for one that an earlier platform has started. */
export function startTimes({ startedAt, phases, readyAt }: LiveRunner): StartTimes | undefined {
  const { preparedAt, launchedAt, announcedAt } = phases;
  if (preparedAt === undefined || announcedAt === undefined || readyAt === undefined) return undefined;
  // A runner may announce itself before its start is recorded.
  const launched = Math.min(launchedAt ?? announcedAt, announcedAt);
  return {
    prepare: preparedAt - startedAt,
    launch: launched - preparedAt,
    setup: announcedAt - launched,
    check: readyAt - announcedAt,
  };
}
