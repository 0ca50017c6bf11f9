import { Option, type Command } from "commander";
import { runAction } from "../action.ts";
import type { RunCommandOptions } from "../serve-app.ts";
import { addServerFlags } from "../server-flags.ts";

/** `servable run [/prefix=]FILE[::Class]…`: serves one class or several until they are stopped. */
export function addRunCommand(program: Command): void {
  const command = program
    .command("run")
    .summary("serve a class, or several")
    .description(
      "Serve a class of a TypeScript or JavaScript file until Ctrl-C. Several classes share a port: each is served " +
        "below /<name of its app>, or below the prefix in /prefix=file.",
    )
    .argument("<file[::class]...>", "the file; with the class's name when it exports several")
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
  $ servable run text.ts /pictures=images.ts::TextToImage
  $ servable run app.ts::TextToImage --port 3000 --host 0.0.0.0
  $ servable run app.ts --api-key-file keys.txt --cors-origin https://example.com
  $ servable run app.ts --https-key key.pem --https-certificate cert.pem`,
    )
    .action((files: readonly string[], options: RunCommandOptions) =>
      runAction(options, () => run(files, options)),
    );
}

async function run(files: readonly string[], options: RunCommandOptions): Promise<number> {
  if (options.watch === true) {
    const { default: cluster } = await import("node:cluster");
    if (cluster.isPrimary) {
      const { watchApp } = await import("../watch/watch-app.ts");
      return watchApp(files, options);
    }
    const { serveGeneration } = await import("../watch/generation.ts");
    return serveGeneration(files, options);
  }
  const { serveApp } = await import("../serve-app.ts");
  return serveApp(files, options);
}
