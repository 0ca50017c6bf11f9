import { Option, type Command } from "commander";
import { runAction } from "../action.ts";
import type { RunCommandOptions } from "../serve-app.ts";
import { addServerFlags } from "../server-flags.ts";

/** `servable run FILE[::Class]`: serves a class until it is stopped. */
export function addRunCommand(program: Command): void {
  const command = program
    .command("run")
    .summary("serve a class")
    .description("Serve a class of a TypeScript or JavaScript file until Ctrl-C.")
    .argument("<file[::class]>", "the file; with the class's name when it exports several")
    .option("-w, --watch", "restart when a file changes, without a gap")
    .addOption(
      new Option("--log-format <format>", "how log lines look (default: pretty on a terminal)").choices([
        "pretty",
        "json",
      ]),
    )
    .option("--debug", "show stacks, and log at level debug");
  addServerFlags(command)
    .addHelpText(
      "after",
      `
Examples:
  $ servable run app.ts
  $ servable run app.ts --watch
  $ servable run app.ts::TextToImage --port 3000 --host 0.0.0.0
  $ servable run app.ts --api-key-file keys.txt --cors-origin https://example.com
  $ servable run app.ts --https-key key.pem --https-certificate cert.pem`,
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
