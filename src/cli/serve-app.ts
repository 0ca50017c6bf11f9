import { guardStandardStreams } from "../output/serving-streams.ts";
import { runServable } from "../servable/base-servable.ts";
import { createLogger } from "../server/logger.ts";
import type { ServeAddresses, ServeOptions } from "../server/lifecycle/serve.ts";
import { omitUndefined } from "../settings/defined-fields.ts";
import { loadApp, type LoadedApp } from "./module-loader.ts";
import { banner } from "./banner.ts";
import type { LoadOptions } from "./module-loader.ts";
import { serverOptions, type ServerFlags } from "./server-flags.ts";

/** Options of `servable run`. */
export interface RunCommandOptions extends ServerFlags {
  readonly watch?: boolean;
  readonly logFormat?: "pretty" | "json";
  readonly debug?: boolean;
}

/** Further options, for `--watch`. */
export interface ServeHooks
  extends LoadOptions, Pick<ServeOptions, "signal" | "cutSignal" | "handleSignals"> {
  onListening?: (addresses: ServeAddresses) => void;
  /** Print nothing once the app listens. */
  isSilent?: boolean;
}

/** Loads a class and serves it until it is stopped. Resolves to the process's exit code. */
export async function serveApp(
  file: string,
  options: RunCommandOptions,
  hooks: ServeHooks = {},
): Promise<number> {
  // Never undone: a failed write at the very end must not change the exit code.
  guardStandardStreams();
  const { logFormat: format, debug = false } = options;
  const logger = await createLogger(omitUndefined({ format, level: debug ? "debug" : undefined }));
  const loaded = await loadApp(file, hooks);
  const { exitCode } = await runServable(loaded.app, {
    logger,
    ...serverOptions(options),
    ...omitUndefined({ signal: hooks.signal, cutSignal: hooks.cutSignal }),
    handleErrors: true,
    handleSignals: hooks.handleSignals ?? true,
    onListening: (addresses) => {
      if (hooks.isSilent !== true) announce(loaded, addresses, options, logger);
      hooks.onListening?.(addresses);
    },
  });
  return exitCode;
}

function announce(
  loaded: LoadedApp,
  addresses: ServeAddresses,
  options: RunCommandOptions,
  logger: Awaited<ReturnType<typeof createLogger>>,
): void {
  const format = options.logFormat ?? (process.stdout.isTTY ? "pretty" : "json");
  if (process.stdout.isTTY && format === "pretty") {
    process.stdout.write(banner(loaded, addresses, options.watch === true));
    return;
  }
  const { url, metricsUrl, port, metricsPort } = addresses;
  const places = {
    url,
    docs: `${url}/docs`,
    health: `${url}/health`,
    metrics: metricsUrl,
    port,
    metricsPort,
  };
  logger.info({ app: loaded.name, ...places }, "listening");
}
