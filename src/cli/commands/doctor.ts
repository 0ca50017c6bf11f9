import type { Command } from "commander";
import { runAction, type CommonOptions } from "../action.ts";
import { formatOf, withOutput, type OutputOptions } from "../platform/output.ts";

interface DoctorOptions extends CommonOptions, OutputOptions {}

/** `servable doctor [FILE]`: checks whether an app can be served on this machine. */
export function addDoctorCommand(program: Command): void {
  const doctor = program
    .command("doctor")
    .summary("find out what is wrong")
    .description("Check Node, TypeScript, the packages, the ports and, when given, a file.")
    .argument("[file[::class]]", "a file to check as well")
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
  withOutput(doctor, "print the results as JSON");
}

async function diagnose(file: string | undefined, options: DoctorOptions): Promise<number> {
  const { runChecks } = await import("../doctor/checks.ts");
  const write = process.stdout.write.bind(process.stdout);
  const format = formatOf(options);
  if (format !== "pretty") process.stdout.write = process.stderr.write.bind(process.stderr);
  const findings = await runChecks(file);
  const failed = findings.filter(({ status }) => status === "failed").length;
  if (format !== "pretty") {
    const text =
      format === "json"
        ? JSON.stringify(findings, null, 2)
        : JSON.stringify({ ...(await facts()), checks: findings });
    await new Promise((resolve) => write(`${text}\n`, resolve));
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

/** The facts that `fal doctor` prints, with its JSON keys. Of an API key, only the id is printed. */
async function facts(): Promise<Readonly<Record<string, unknown>>> {
  const [{ packageVersion }, { resolveEndpoints }, { platform, release, arch }] = await Promise.all([
    import("../package-root.ts"),
    import("../../platform/target/endpoints.ts"),
    import("node:os"),
  ]);
  const target = await import("../../platform/target/target.ts")
    .then(({ resolveTarget }) => resolveTarget())
    .catch(() => undefined);
  return {
    servable: packageVersion(),
    node: process.versions.node,
    platform: `${platform()}-${release()}-${arch()}`,
    FAL_HOST: (target?.endpoints ?? resolveEndpoints({ environment: {} })).grpc.host,
    FAL_KEY: target?.credentials.keyId ?? "",
  };
}
