import type { Command } from "commander";
import { runAction, type CommonOptions } from "../action.ts";
import { indent } from "../option-values.ts";

interface OpenapiOptions extends CommonOptions {
  readonly output?: string;
  readonly indent: number;
}

/** `servable openapi FILE[::Class]`: prints the OpenAPI document of a class without serving it. */
export function addOpenapiCommand(program: Command): void {
  program
    .command("openapi")
    .summary("print the OpenAPI document of a class")
    .description("Print the OpenAPI 3.1 document of a class, as JSON. Nothing is started.")
    .argument("<file[::class]>", "the file; with the class's name when it exports several")
    .option("-o, --output <file>", "write it there instead of standard output")
    .option("--indent <n>", "spaces of indentation, 0 for one line", indent, 2)
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable openapi app.ts
  $ servable openapi app.ts::TextToImage --output openapi.json`,
    )
    .action((file: string, options: OpenapiOptions) =>
      runAction(options, () => printDocument(file, options)),
    );
}

async function printDocument(file: string, options: OpenapiOptions): Promise<void> {
  const { loadApp } = await import("../module-loader.ts");
  // Output of the user's modules goes to standard error: only the document may be on standard output.
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  const { app } = await loadApp(file);
  const text = `${JSON.stringify(await app.openapi(), null, options.indent)}\n`;
  if (options.output === undefined) {
    await new Promise((resolve) => write(text, resolve));
    return;
  }
  const { writeFile } = await import("node:fs/promises");
  try {
    await writeFile(options.output, text);
  } catch (error) {
    const { UsageError } = await import("../../errors.ts");
    throw new UsageError(`${options.output} can't be written: ${(error as Error).message}`, { cause: error });
  }
  process.stderr.write(`wrote ${options.output}\n`);
}
