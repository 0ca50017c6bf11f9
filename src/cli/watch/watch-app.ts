import cluster from "node:cluster";
import { dirname } from "node:path";
import { guardStandardStreams } from "../../output/serving-streams.ts";
import { assertPortFree } from "../../server/connections/listen.ts";
import { createLogger } from "../../server/logger.ts";
import { StopSignals } from "../../server/lifecycle/stop-signals.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";
import { SETTINGS } from "../../settings/settings.ts";
import type { RunCommandOptions } from "../serve-app.ts";
import { parseSourceTarget } from "../source-target.ts";
import { shortPath } from "../user-frame.ts";
import { REPLACES, Supervisor } from "./supervisor.ts";
import { WatchedFiles } from "./watched-files.ts";

/**
 * Serves an app and restarts it when one of its files changes. Resolves to the exit code once it is stopped.
 * @throws UsageError for a missing file, StartupError for a port in use
 */
export async function watchApp(text: string, options: RunCommandOptions): Promise<number> {
  guardStandardStreams();
  const { file } = parseSourceTarget(text);
  const host = options.host ?? process.env["HOST"] ?? "127.0.0.1";
  const port = options.port ?? Number(process.env["PORT"] || SETTINGS.exposedPort.default);
  // Generations share the port, so none of them would notice before setup() that another program uses it.
  if (Number.isInteger(port) && port <= 65_535) await assertPortFree(host, port);
  const logger = await createLogger(omitUndefined({ format: options.logFormat }));
  const supervisor = new Supervisor({
    logger,
    fork: (replaces) => cluster.fork(replaces ? { [REPLACES]: "1" } : {}),
    onImport: (path) => files.add(path),
  });
  const files = new WatchedFiles(dirname(file), (paths) => {
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
