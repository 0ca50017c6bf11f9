import { Simulation, type Outcome, type Shape } from "./simulation.ts";

/** The outcome of a load, after a warm-up. */
export interface LoadFigures {
  /** Requests answered in time, as a share of those sent. */
  readonly share: number;
  /** Requests answered in time, per millisecond. */
  readonly goodput: number;
  /** Responses with 504, as a share of the accepted requests. */
  readonly late: number;
  /** Refusals later than 5 ms after arrival, as a share of all refusals. */
  readonly lateRefusals: number;
  /** The median latency of the requests answered in time, in milliseconds. */
  readonly medianMs: number;
}

/** Sends at a rate per millisecond for `durationMs`, and returns the outcome. */
export async function openLoad(
  shape: Shape,
  rate: number,
  durationMs: number,
  options: ConstructorParameters<typeof Simulation>[1] = {},
): Promise<LoadFigures> {
  const simulation = new Simulation(shape, options);
  const warmUpMs = 20 * shape.limitMs;
  await simulation.openLoop(rate, warmUpMs + durationMs);
  await simulation.runUntil(simulation.clock.now() + 10 * shape.limitMs);
  const all = simulation.outcomes.filter(({ sentAt }) => sentAt >= warmUpMs);
  const inTime = all.filter((outcome) => isGood(outcome, shape));
  const refused = all.filter(({ kind }) => kind === "refused");
  const late = all.filter((outcome) => outcome.kind !== "refused" && !isGood(outcome, shape));
  return {
    share: inTime.length / all.length,
    goodput: inTime.length / durationMs,
    late: late.length / Math.max(1, all.length - refused.length),
    lateRefusals: refused.filter(({ ms }) => ms > 5).length / Math.max(1, refused.length),
    medianMs: inTime.map(({ ms }) => ms).sort((a, b) => a - b)[inTime.length >> 1] ?? Infinity,
  };
}

/** Answered, and in time. */
export function isGood({ kind, ms }: Outcome, shape: Shape): boolean {
  return kind === "answered" && ms <= shape.limitMs + 1e-6;
}
