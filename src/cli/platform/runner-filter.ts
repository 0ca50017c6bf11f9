import { Option, type Command } from "commander";
import type { RunnerInfo, RunnerState } from "../../platform/runners/runner-info.ts";
import { recentMoment } from "../option-values.ts";

/** Values of `--state`, with the states of a runner that each includes. */
const STATES: Readonly<Record<string, readonly RunnerState[]>> = {
  idle: ["IDLE"],
  running: ["RUNNING", "DRAINING"],
  pending: ["PENDING", "DOCKER_PULL"],
  setup: ["SETUP"],
  crash_backoff: ["CRASH_BACKOFF"],
  terminated: ["TERMINATING", "TERMINATED", "DEAD"],
};

/** Options that filter runners. */
export interface RunnerFilter {
  /** Include runners that have ended since then. */
  readonly since?: Date;
  /** Values of `--state`. Default: all. */
  readonly state?: readonly string[];
}

/** Adds the options that filter runners. */
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

/** The runners in one of the states; all of them by default. */
export function inStates(runners: readonly RunnerInfo[], names: readonly string[] = []): RunnerInfo[] {
  if (names.length === 0 || names.includes("all")) return [...runners];
  const states = new Set(names.flatMap((name) => STATES[name] ?? []));
  return runners.filter(({ state }) => states.has(state));
}
