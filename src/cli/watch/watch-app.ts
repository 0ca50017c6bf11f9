import cluster from "node:cluster";
import { dirname } from "node:path";
import { guardStandardStreams } from "../../output/serving-streams.ts";
import { assertFree } from "../../server/connections/listen.ts";
import { resolveServeOptions } from "../../server/lifecycle/serve.ts";
import { createLogger } from "../../server/logger.ts";
import { StopSignals } from "../../server/lifecycle/stop-signals.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";
import type { RunCommandOptions } from "../serve-app.ts";
import { parsePlacedTarget } from "../placed-target.ts";
import { serverOptions } from "../server-flags.ts";
import { parseSourceTarget } from "../source-target.ts";
import { shortPath } from "../user-frame.ts";
import { REPLACES, Supervisor } from "./supervisor.ts";
import { WatchedFiles } from "./watched-files.ts";

/**
 * Serves one app or several, and restarts them when one of their files changes. Resolves to the exit code once it is stopped.
 * @throws UsageError for a missing file, StartupError for a port in use
 */
export async function watchApp(texts: readonly string[], options: RunCommandOptions): Promise<number> {
  guardStandardStreams();
  const folders = texts.map((text) => dirname(parseSourceTarget(parsePlacedTarget(text).target).file));
  // Generations share the address, so none of them would notice before setup() that another program uses it.
  await assertFree(resolveServeOptions({}, serverOptions(options)).address);
  const logger = await createLogger(omitUndefined({ format: options.logFormat }));
  const supervisor = new Supervisor({
    logger,
    fork: (replaces) => cluster.fork(replaces ? { [REPLACES]: "1" } : {}),
    onImport: (path) => files.add(path),
  });
  const files = new WatchedFiles(folders, (paths) => {
    const [first = "a file", ...others] = paths.map(shortPath);
    logger.info(`restarting: ${first} changed${others.length === 0 ? "" : `, and ${others.length} more`}`);
    supervisor.start();
  });
  const signals = new StopSignals({ handlesSignals: true, onThird: () => supervisor.kill() }, logger);
  void signals.requested.then(() => supervisor.stop());
  void signals.forced.then(() => supervisor.cut());
  await files.ready();
  supervisor.start();
  const exitCode = await supervisor.ended;
  signals.dispose();
  await files.close();
  return exitCode;
}
