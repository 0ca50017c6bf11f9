import { guardStandardStreams } from "../output/serving-streams.ts";
import { prefixOf, runServables } from "../servable/serve.ts";
import type { App } from "../servable/app.ts";
import { createLogger } from "../server/logger.ts";
import type { ServeAddresses, ServeOptions } from "../server/lifecycle/serve.ts";
import { omitUndefined } from "../settings/defined-fields.ts";
import { announceReady, takeAnnouncement } from "../processes/announcement.ts";
import { loadApps, type LoadedPlacedApp } from "./module-loader.ts";
import { banner, bannerOfSeveral, pagesOf } from "./banner.ts";
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

/** Loads one class or several and serves them until they are stopped. Resolves to the process's exit code. */
export async function serveApp(
  files: readonly string[],
  options: RunCommandOptions,
  hooks: ServeHooks = {},
): Promise<number> {
  // Never undone: a failed write at the very end must not change the exit code.
  guardStandardStreams();
  const { logFormat: format, debug = false } = options;
  const logger = await createLogger(omitUndefined({ format, level: debug ? "debug" : undefined }));
  const announcement = takeAnnouncement();
  const loaded = await loadApps(files, hooks);
  const { exitCode } = await runServables(loaded, {
    logger,
    ...serverOptions(options),
    ...omitUndefined({ signal: hooks.signal, cutSignal: hooks.cutSignal }),
    handleErrors: true,
    handleSignals: hooks.handleSignals ?? true,
    onListening: (addresses) => {
      if (hooks.isSilent !== true) announce(loaded, addresses, options, logger);
      if (announcement !== undefined && addresses.port !== undefined) {
        void announceReady(announcement, addresses.port);
      }
      hooks.onListening?.(addresses);
    },
  });
  return exitCode;
}

function announce(
  loaded: readonly LoadedPlacedApp[],
  addresses: ServeAddresses,
  options: RunCommandOptions,
  logger: Awaited<ReturnType<typeof createLogger>>,
): void {
  const [first, ...others] = loaded;
  if (first === undefined) return;
  const isOne = others.length === 0 && first.prefix === undefined;
  const placed = loaded.map((each) => ({
    name: each.name,
    app: each.app,
    prefix: prefixOf(each),
    hasDocs: options.docs && ((each.app.constructor as typeof App).docs ?? true) === true,
  }));
  const hasDocs = placed[0]?.hasDocs ?? true;
  const format = options.logFormat ?? (process.stdout.isTTY ? "pretty" : "json");
  if (process.stdout.isTTY && format === "pretty") {
    const isWatching = options.watch === true;
    process.stdout.write(
      isOne
        ? banner({ ...first, hasDocs }, addresses, isWatching)
        : bannerOfSeveral(placed, addresses, isWatching),
    );
    return;
  }
  const { url, metricsUrl, port, metricsPort } = addresses;
  if (isOne) {
    const places = { url, ...pagesOf(addresses, { hasDocs }), metrics: metricsUrl, port, metricsPort };
    logger.info({ app: first.name, ...places }, "listening");
    return;
  }
  const apps = placed.map((each) => ({
    app: each.name,
    ...(port === undefined ? { prefix: each.prefix } : { url: url + each.prefix }),
    ...pagesOf(addresses, each),
  }));
  const { health } = pagesOf(addresses);
  logger.info({ apps, url, health, metrics: metricsUrl, port, metricsPort }, "listening");
}
