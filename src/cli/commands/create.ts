import type { Command } from "commander";
import { runAction, type CommonOptions } from "../action.ts";

interface CreateOptions extends CommonOptions {
  readonly template: string;
  readonly list?: boolean;
}

/** `servable create NAME`: creates a project in a new folder. */
export function addCreateCommand(program: Command): void {
  program
    .command("create")
    .summary("start a new project")
    .description("Start a new project in a folder of its own.")
    .argument("[name]", "the name of the package and its folder")
    .option("-t, --template <name>", "what to start from", "basic")
    .option("--list", "list the templates")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable create my-app
  $ servable create @me/my-app --template basic
  $ servable create --list`,
    )
    .action((name: string | undefined, options: CreateOptions) =>
      runAction(options, () => create(name, options)),
    );
}

async function create(name: string | undefined, options: CreateOptions): Promise<void> {
  const { listTemplates, scaffold } = await import("../scaffold.ts");
  if (options.list === true) {
    for (const template of listTemplates())
      console.log(`${template.name.padEnd(12)} ${template.description}`);
    return;
  }
  if (name === undefined) {
    const { UsageError } = await import("../../errors.ts");
    throw new UsageError("The project needs a name: servable create my-app");
  }
  const target = await scaffold(name, options.template, process.cwd());
  const { styleFor } = await import("../style.ts");
  const { shortPath } = await import("../user-frame.ts");
  const { bold, cyan, green } = styleFor(process.stdout);
  const steps = [`cd ${shortPath(target)}`, "npm install", "npm run dev"];
  console.log(`${green("✓")} ${bold(name)} is in ${target}\n\nNext:\n`);
  for (const step of steps) console.log(`  ${cyan(step)}`);
  console.log();
}
