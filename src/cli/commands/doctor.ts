import type { Command } from "commander";
import { runAction, type CommonOptions } from "../action.ts";

interface DoctorOptions extends CommonOptions {
  readonly json?: boolean;
}

/** `servable doctor [FILE]`: finds out what would keep an app from being served here. */
export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .summary("find out what is wrong")
    .description("Check Node, TypeScript, the packages, the ports and, when given, a file.")
    .argument("[file[::class]]", "a file to check as well")
    .option("--json", "print the results as JSON")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable doctor
  $ servable doctor app.ts`,
    )
    .action((file: string | undefined, options: DoctorOptions) =>
      runAction(options, () => diagnose(file, options)),
    );
}

async function diagnose(file: string | undefined, options: DoctorOptions): Promise<number> {
  const { runChecks } = await import("../doctor/checks.ts");
  const write = process.stdout.write.bind(process.stdout);
  if (options.json === true) process.stdout.write = process.stderr.write.bind(process.stderr);
  const findings = await runChecks(file);
  const failed = findings.filter(({ status }) => status === "failed").length;
  if (options.json === true) {
    await new Promise((resolve) => write(`${JSON.stringify(findings, null, 2)}\n`, resolve));
    return failed === 0 ? 0 : 1;
  }
  const { styleFor } = await import("../style.ts");
  const { bold, dim, green, red, yellow } = styleFor(process.stdout);
  const marks = { ok: green("✓"), warning: yellow("!"), failed: red("✗") };
  for (const { status, name, message, advice } of findings) {
    console.log(`${marks[status]} ${bold(name)}: ${message}`);
    if (advice !== undefined) console.log(`  ${dim("→")} ${advice}`);
  }
  console.log(
    failed === 0 ? green("\nAll is well.") : red(`\n${failed} of ${findings.length} checks failed.`),
  );
  return failed === 0 ? 0 : 1;
}
