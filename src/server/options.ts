import { hostsFromEnvironment, resolveHosts, resolveOrigins } from "./access/access-options.ts";
import { DefinitionError } from "../errors.ts";
import { systemClock } from "../dispatch/clock.ts";
import { BYTES_PER_VALUE } from "../json-scan.ts";
import { DEEPEST } from "../routes/input-limits.ts";
import type { ResolvedServerOptions, ServerOptions } from "./definition.ts";
import { jsonLogger } from "./logger.ts";
import { defaultMaxBytesInFlight } from "./bodies/memory-budget.ts";

/** Of what callers send, unless a server or an endpoint says otherwise. */
const DEFAULT_BODY_LIMIT_BYTES = 50 * 1024 * 1024;

/** Checks a server's options and fills in their defaults; `stuckGraceMs` is the class's own. */
export function resolveServerOptions(
  options: ServerOptions = {},
  stuckGraceMs: number = 10_000,
): ResolvedServerOptions {
  const numbers = {
    bodyLimitBytes: options.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    maxFrameBytes: options.maxFrameBytes ?? 16 * 1024 * 1024,
    maxSessions: options.maxSessions ?? 10_000,
    websocketPingMs: options.websocketPingMs ?? 30_000,
    stuckGraceMs: options.stuckGraceMs ?? stuckGraceMs,
    sendTimeoutMs: options.sendTimeoutMs ?? 30_000,
  };
  for (const [name, value] of Object.entries(numbers)) assertPositive(name, value);
  const { maxConcurrency, maxBytesInFlight, maxDepth = 256, maxValues = 1_000_000 } = options;
  if (maxConcurrency !== undefined) assertWhole("maxConcurrency", maxConcurrency);
  if (maxBytesInFlight !== undefined) assertWhole("maxBytesInFlight", maxBytesInFlight);
  assertWhole("maxDepth", maxDepth, DEEPEST);
  assertWhole("maxValues", maxValues);
  return {
    ...numbers,
    maxConcurrency,
    values: { maxDepth, maxValues },
    isBudgetGiven: maxBytesInFlight !== undefined,
    maxBytesInFlight:
      maxBytesInFlight ??
      Math.max(
        defaultMaxBytesInFlight(),
        options.maxFrameBytes ?? 0,
        (options.bodyLimitBytes ?? 0) + (options.maxValues ?? 0) * BYTES_PER_VALUE,
      ),
    corsOrigins: resolveOrigins(options.corsOrigins),
    allowedHosts: resolveHosts(options.allowedHosts ?? hostsFromEnvironment()),
    rootPath: normaliseRootPath(options.rootPath ?? process.env["FAL_APP_ROOT_PATH"] ?? ""),
    logger: options.logger ?? jsonLogger(),
    clock: options.clock ?? systemClock,
  };
}

function assertWhole(name: string, value: number, maximum = Infinity): void {
  if (Number.isInteger(value) && value > 0 && value <= maximum) return;
  const range = maximum === Infinity ? "of at least 1" : `from 1 to ${maximum}`;
  const message = `${name} must be a whole number ${range}, got ${String(value)}.`;
  throw new DefinitionError("SETTING_INVALID", message);
}

function assertPositive(name: string, value: number): void {
  if (value > 0 && Number.isFinite(value)) return;
  throw new DefinitionError("SETTING_INVALID", `${name} must be a positive number, got ${String(value)}.`);
}

function normaliseRootPath(path: string): string {
  const trimmed = path.replaceAll(/^\/+|\/+$/g, "");
  return trimmed === "" ? "" : `/${trimmed}`;
}
