import { flag, misfit, oneOf, wholeNumber, type Check, type Checked } from "./check.ts";

const path: Check<string> = (value) =>
  typeof value === "string" && value.startsWith("/") ? value : misfit('a path, such as "/health"', value);

const positive: Check<number> = (value) =>
  typeof value === "number" && value > 0 && Number.isFinite(value)
    ? value
    : misfit("a positive number", value);

/** How a control plane asks a runner whether it is well, one row per setting. */
export const HEALTH_CHECK = {
  path,
  /** Default "GET". */
  method: oneOf("GET", "POST"),
  /** Time after the start in which failures are ignored, in seconds. */
  startPeriodSeconds: positive,
  /** Maximum time of an answer, in seconds. */
  timeoutSeconds: positive,
  /** Failures in a row after which a runner is replaced. */
  failureThreshold: wholeNumber(1),
  /** Ask all the time, not only while a runner starts. */
  callRegularly: flag,
} as const;

type Settings<T, Required extends keyof T> = { readonly [Name in Required]: Checked<T[Name]> } & {
  readonly [Name in Exclude<keyof T, Required>]?: Checked<T[Name]> | undefined;
};

/** How a control plane asks a runner whether it is well. */
export type HealthCheckSettings = Settings<typeof HEALTH_CHECK, "path">;
