import { Option, type Command } from "commander";
import type { RunnerInfo, RunnerState } from "../../platform/runners/runner-info.ts";
import { recentMoment } from "../option-values.ts";

/** What `--state` takes, and which states of a runner each stands for. */
const STATES: Readonly<Record<string, readonly RunnerState[]>> = {
  idle: ["IDLE"],
  running: ["RUNNING", "DRAINING"],
  pending: ["PENDING", "DOCKER_PULL"],
  setup: ["SETUP"],
  crash_backoff: ["CRASH_BACKOFF"],
  terminated: ["TERMINATING", "TERMINATED", "DEAD"],
};

/** Which runners are asked for. */
export interface RunnerFilter {
  /** Those too that have ended since. */
  readonly since?: Date;
  /** Names of states, as `--state` takes them; all when there is none. */
  readonly state?: readonly string[];
}

/** Adds the options that say which runners are asked for. */
export function withRunnerFilter(command: Command): Command {
  return command
    .option(
      "--since <time>",
      "those too that have ended since: 30m, 12h or a time, 24 hours ago at most",
      recentMoment,
    )
    .addOption(
      new Option("--state <state...>", "only those in such a state").choices(["all", ...Object.keys(STATES)]),
    );
}

/** The runners in one of the states; all when none is named. */
export function inStates(runners: readonly RunnerInfo[], names: readonly string[] = []): RunnerInfo[] {
  if (names.length === 0 || names.includes("all")) return [...runners];
  const states = new Set(names.flatMap((name) => STATES[name] ?? []));
  return runners.filter(({ state }) => states.has(state));
}
