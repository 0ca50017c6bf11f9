import { flag, misfit, oneOf, positive, wholeNumber, type Check, type Checked } from "./check.ts";

const path: Check<string> = (value) =>
  typeof value === "string" && value.startsWith("/") ? value : misfit('a path, such as "/health"', value);

/** The settings of the health check by which a control plane probes a runner, one row each. */
export const HEALTH_CHECK = {
  path,
  /** Default "GET". */
  method: oneOf("GET", "POST"),
  /** Time after the start during which failures are ignored, in seconds. */
  startPeriodSeconds: positive,
  /** Maximum time of a probe, in seconds. */
  timeoutSeconds: positive,
  /** Number of consecutive failures after which a runner is replaced. */
  failureThreshold: wholeNumber(1),
  /** Whether to probe regularly; false: only while a runner starts. */
  callRegularly: flag,
} as const;

type Settings<T, Required extends keyof T> = { readonly [Name in Required]: Checked<T[Name]> } & {
  readonly [Name in Exclude<keyof T, Required>]?: Checked<T[Name]> | undefined;
};

/** The health check by which a control plane probes a runner. */
export type HealthCheckSettings = Settings<typeof HEALTH_CHECK, "path">;
