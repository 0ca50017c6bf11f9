import type { Command } from "commander";
import { runAction } from "../action.ts";
import type { BuildCommandOptions } from "../build/build-app.ts";
import { buildArgOption } from "../option-values.ts";

/** `servable build FILE[::Class]`: makes a container image of a class. */
export function addBuildCommand(program: Command): void {
  program
    .command("build")
    .summary("make a container image of a class")
    .description(
      "Make a container image of a class and its npm project, by Docker, Podman or Buildah, whichever is there.",
    )
    .argument("<file[::class]>", "the file; with the class's name when it exports several")
    .option("-t, --tag <name>", "the image's name (default: the app's name and version)")
    .option("--push", "send it to its registry")
    .option("--platform <platform>", "for which machines, such as linux/arm64 (default: this one's)")
    .addOption(buildArgOption())
    .option("--no-cache", "make every layer again")
    .option("--dry-run", "print the Dockerfile and the files it takes; build nothing")
    .option("--json", "print the result as JSON")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable build app.ts
  $ servable build app.ts::TextToImage --tag ghcr.io/me/text-to-image:1.2.0 --push
  $ servable build app.ts --build-arg BASE_IMAGE=node:22-alpine
  $ servable build app.ts --dry-run`,
    )
    .action((file: string, options: BuildCommandOptions) =>
      runAction(options, async () => {
        const { buildApp } = await import("../build/build-app.ts");
        return buildApp(file, options);
      }),
    );
}
