import { DefinitionError } from "../errors.ts";
import { systemClock } from "../dispatch/clock.ts";
import type { ResolvedServerOptions, ServerOptions } from "./definition.ts";
import { jsonLogger } from "./logger.ts";

/** Checks a server's options and fills in their defaults. */
export function resolveServerOptions(options: ServerOptions = {}): ResolvedServerOptions {
  const { corsOrigins = "*" } = options;
  const numbers = {
    bodyLimitBytes: options.bodyLimitBytes ?? 50 * 1024 * 1024,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    maxFrameBytes: options.maxFrameBytes ?? 16 * 1024 * 1024,
    maxSessions: options.maxSessions ?? 10_000,
    websocketPingMs: options.websocketPingMs ?? 30_000,
  };
  for (const [name, value] of Object.entries(numbers)) assertPositive(name, value);
  const { maxConcurrency } = options;
  if (maxConcurrency !== undefined && !(Number.isInteger(maxConcurrency) && maxConcurrency > 0)) {
    const message = `maxConcurrency must be a whole number of at least 1, got ${String(maxConcurrency)}.`;
    throw new DefinitionError("SETTING_INVALID", message);
  }
  return {
    ...numbers,
    maxConcurrency,
    corsOrigins: corsOrigins === "*" ? "*" : new Set(corsOrigins),
    rootPath: normaliseRootPath(options.rootPath ?? process.env["FAL_APP_ROOT_PATH"] ?? ""),
    logger: options.logger ?? jsonLogger(),
    clock: options.clock ?? systemClock,
  };
}

function assertPositive(name: string, value: number): void {
  if (value > 0 && Number.isFinite(value)) return;
  throw new DefinitionError("SETTING_INVALID", `${name} must be a positive number, got ${String(value)}.`);
}

function normaliseRootPath(path: string): string {
  const trimmed = path.replaceAll(/^\/+|\/+$/g, "");
  return trimmed === "" ? "" : `/${trimmed}`;
}
