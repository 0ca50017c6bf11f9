import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as OpenTelemetryApi from "@opentelemetry/api";

export type OpenTelemetry = typeof OpenTelemetryApi;

/** Where every copy of `@opentelemetry/api` 1.x keeps what an SDK has registered. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** Whether an SDK is registered in this process, so that spans are recorded. */
export function hasSdk(): boolean {
  const registered = (globalThis as { [REGISTERED]?: { trace?: unknown } })[REGISTERED];
  return registered?.trace !== undefined;
}

/**
 * Loads the app's copy of `@opentelemetry/api`, else the one next to this package. Copies share what is registered, but
 * one that is newer than the SDK's own ignores it.
 * @param appUrl `file:` URL of a module of the app. Default: the working directory
 * @returns undefined if the package can't be found
 */
export function loadOpenTelemetry(appUrl: string | undefined): OpenTelemetry | undefined {
  const folder = pathToFileURL(join(process.cwd(), "package.json")).href;
  for (const from of [appUrl ?? folder, folder, import.meta.url]) {
    try {
      return createRequire(from)("@opentelemetry/api") as OpenTelemetry;
    } catch {
      // not installed there
    }
  }
  return undefined;
}
