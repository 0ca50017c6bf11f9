import { EMPTY_HISTORY } from "../../src/controller/scaling/history.ts";
import { RuleScaler } from "../../src/controller/scaling/simulation/rule-scaler.ts";
import type { ScalingSettings } from "../../src/controller/scaling/snapshot.ts";
import { Hpa, type HpaOptions } from "./rivals/hpa.ts";
import { InFlight, type InFlightOptions } from "./rivals/in-flight.ts";
import { Knative, type KnativeOptions } from "./rivals/knative.ts";
import { RayServe, type RayServeOptions } from "./rivals/ray-serve.ts";
import { knownHistory, type ScalerFactory } from "./study.ts";

/** A rule with its tunings. */
export interface Rival {
  readonly name: string;
  /** A CSS colour of the plot. */
  readonly color: string;
  /** The first is the rule with its defaults. */
  readonly tunings: readonly ScalerFactory[];
}

/**
 * A factory of the platform's rule. The bound on runners is left out, so that rules are compared and not bounds.
 * @param beginning whether start and service time are known at the beginning
 */
export function servable(
  settings: Partial<ScalingSettings>,
  beginning: "known" | "unknown" = "known",
): ScalerFactory {
  return (conditions) =>
    new RuleScaler(
      { ...settings, maxConcurrency: Infinity, maxMultiplexing: conditions.slots },
      beginning === "known" ? knownHistory(conditions) : EMPTY_HISTORY,
    );
}

/** The rules of others. */
export const RIVALS: readonly Rival[] = [
  {
    name: "fal's documented rule",
    color: "#16a34a",
    tunings: [
      ...[60, 10, 300, 2].map((keepAlive) => ({ keepAlive })),
      ...[1, 2].map((concurrencyBuffer) => ({ keepAlive: 10, concurrencyBuffer })),
      { keepAlive: 10, concurrencyBufferPerc: 50 },
      { keepAlive: 10, scalingDelay: 1 },
      { keepAlive: 60, scalingDelay: 5 },
    ].map((settings) => servable({ scaling: "documented", ...settings })),
  },
  {
    name: "Knative KPA",
    color: "#d97706",
    tunings: [
      {},
      ...[0.5, 1].map((utilization): KnativeOptions => ({ utilization })),
      ...[30, 120].flatMap((stableSeconds) =>
        [0.5, 0.7, 1].map((utilization): KnativeOptions => ({ utilization, stableSeconds })),
      ),
      ...[0.7, 1].map((utilization): KnativeOptions => ({ utilization, panicThreshold: 10 })),
      { utilization: 1, panicThreshold: 10, stableSeconds: 15, graceSeconds: 0 },
    ].map(
      (options): ScalerFactory =>
        ({ slots }) =>
          new Knative(slots, options),
    ),
  },
  {
    name: "Ray Serve",
    color: "#9333ea",
    tunings: [
      {},
      { targetShare: 1 },
      { targetShare: 1, upscaleDelaySeconds: 1, downscaleDelaySeconds: 60, lookBackSeconds: 10 },
      { targetShare: 1, upscaleDelaySeconds: 1, downscaleDelaySeconds: 10, lookBackSeconds: 2 },
      { targetShare: 0.7, upscaleDelaySeconds: 5, downscaleDelaySeconds: 60, lookBackSeconds: 10 },
      { targetShare: 0.7, upscaleDelaySeconds: 5, downscaleDelaySeconds: 300 },
    ].map(
      (options: RayServeOptions): ScalerFactory =>
        ({ slots }) =>
          new RayServe(slots, options),
    ),
  },
  {
    name: "Kubernetes HPA",
    color: "#dc2626",
    tunings: [
      {},
      { utilization: 1 },
      { downSeconds: 60 },
      { utilization: 1, downSeconds: 60 },
      { utilization: 1, downSeconds: 15 },
      { utilization: 0.5, downSeconds: 60 },
    ].map(
      (options: HpaOptions): ScalerFactory =>
        ({ slots }) =>
          new Hpa(slots, options),
    ),
  },
  {
    name: "in flight ÷ slots",
    color: "#64748b",
    tunings: [0, 10, 60]
      .flatMap((keepSeconds) =>
        [1, 0.7].map((utilization): InFlightOptions => ({ keepSeconds, utilization })),
      )
      .map(
        (options): ScalerFactory =>
          ({ slots }) =>
            new InFlight(slots, options),
      ),
  },
];
