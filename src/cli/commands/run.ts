import { Option, type Command } from "commander";
import { runAction } from "../action.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { requestCount, port } from "../option-values.ts";
import type { RunCommandOptions } from "../serve-app.ts";

/** `servable run FILE[::Class]`: serves a class until it is stopped. */
export function addRunCommand(program: Command): void {
  program
    .command("run")
    .summary("serve a class")
    .description("Serve a class of a TypeScript or JavaScript file until Ctrl-C.")
    .argument("<file[::class]>", "the file; with the class's name when it exports several")
    .option(
      "-p, --port <port>",
      `where to listen, 0 for any free port (default: $PORT, else ${SETTINGS.exposedPort.default})`,
      port,
    )
    .option("--host <address>", "on which address (default: $HOST, else 127.0.0.1)")
    .option(
      "--metrics-port <port>",
      `${SETTINGS.metricsPort.doc} (default: $METRICS_PORT, else ${SETTINGS.metricsPort.default})`,
      port,
    )
    .option("--metrics-host <address>", "on which address (default: $METRICS_HOST, else 127.0.0.1)")
    .option("--no-metrics", "serve no metrics")
    .option(
      "--allowed-host <name>",
      "a host that a proxy or tunnel sends, .NAME for all below it; may be repeated (default: $SERVABLE_ALLOWED_HOSTS)",
      (name: string, names: readonly string[] = []) => [...names, name],
    )
    .option("--api-key-file <path>", "admit only callers that send one of the keys in this file")
    .option("-w, --watch", "restart when a file changes, without a gap")
    .option("--limit-max-requests <n>", "stop after this number of requests", requestCount)
    .addOption(
      new Option("--log-format <format>", "how log lines look (default: pretty on a terminal)").choices([
        "pretty",
        "json",
      ]),
    )
    .option("--debug", "show stacks, and log at level debug")
    .addHelpText(
      "after",
      `
Examples:
  $ servable run app.ts
  $ servable run app.ts --watch
  $ servable run app.ts::TextToImage --port 3000 --host 0.0.0.0`,
    )
    .action((file: string, options: RunCommandOptions) => runAction(options, () => run(file, options)));
}

async function run(file: string, options: RunCommandOptions): Promise<number> {
  if (options.watch === true) {
    const { default: cluster } = await import("node:cluster");
    if (cluster.isPrimary) {
      const { watchApp } = await import("../watch/watch-app.ts");
      return watchApp(file, options);
    }
    const { serveGeneration } = await import("../watch/generation.ts");
    return serveGeneration(file, options);
  }
  const { serveApp } = await import("../serve-app.ts");
  return serveApp(file, options);
}
