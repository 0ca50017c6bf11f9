import type { Shape } from "./shape.ts";

/** The compared rules: this package's, and those of others. */
export const RULES = ["ours", "window-pulled", "window-early", "greedy", "greedy-shedding"] as const;
export type RuleName = (typeof RULES)[number];

/** The configuration of a server of the benchmark: the only argument of its program, as JSON. */
export interface Configuration {
  readonly rule: RuleName;
  readonly shape: Shape;
  readonly executors: number;
  /** Whether the server knows the deadline. If not, it answers every request, however late. */
  readonly hasDeadline: boolean;
  /** Deviation of the noise on the executors' costs, as a share. */
  readonly noise: number;
}

/** Reads the program's argument. */
export function readConfiguration(): Configuration {
  return JSON.parse(process.argv[2] ?? "{}") as Configuration;
}
