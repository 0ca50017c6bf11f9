import { Option, type Command } from "commander";
import { UsageError } from "../../errors.ts";
import { operate, type OperationOptions } from "../platform/operation.ts";

interface ExecOptions extends OperationOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
}

const EXAMPLE_ID = "6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55";

/** `servable runners shell` and `servable runners exec`: commands on a runner. */
export function addShellCommands(runners: Command): void {
  runners
    .command("shell <runner-id>")
    .summary("open a shell on one")
    .description("Open a shell on a runner. It ends with the shell's exit code.")
    .addHelpText("after", `\nExamples:\n  $ servable runners shell ${EXAMPLE_ID}`)
    .action((runnerId: string, options: OperationOptions) =>
      operate(options, async (client) => {
        const { runOnTerminal } = await import("../platform/terminal-session.ts");
        return runOnTerminal(client, runnerId, { isInteractive: true, tty: true });
      }),
    );
  // Options before the command are this program's; those after it belong to the command.
  runners.enablePositionalOptions();
  const exec = runners
    .command("exec <runner-id> <command...>")
    .passThroughOptions()
    .summary("run a command on one")
    .description(
      "Run a command on a runner. It ends with the command's exit code. Write -- before a command that begins with a dash.",
    )
    .option(
      "-i, --interactive",
      "pass on what is typed or piped in; on a terminal (-it), the command gets one as well",
    )
    .addOption(new Option("-t, --tty", "with -i").hideHelp())
    .addHelpText(
      "after",
      `
Examples:
  $ servable runners exec ${EXAMPLE_ID} nvidia-smi
  $ servable runners exec -i ${EXAMPLE_ID} -- bash
  $ servable runners exec -i ${EXAMPLE_ID} tee /tmp/notes.txt < notes.txt`,
    );
  exec.action((runnerId: string, rest: string[]) => {
    const command = commandOf(exec, rest);
    const options = exec.opts<ExecOptions>();
    return operate(options, async (client) => {
      const [program = ""] = command;
      if (program === "")
        throw new UsageError("There is no command to run: servable runners exec RUNNER_ID COMMAND.");
      if (options.tty === true && options.interactive !== true) {
        throw new UsageError("-t is for -i: write -it, and the command gets a terminal and what is typed.");
      }
      const { runOnTerminal } = await import("../platform/terminal-session.ts");
      const isInteractive = options.interactive === true;
      const tty = isInteractive && process.stdin.isTTY === true;
      return runOnTerminal(client, runnerId, { command, isInteractive, tty });
    });
  });
}

/** Parses this program's options at the front, and returns the command. */
function commandOf(exec: Command, rest: readonly string[]): string[] {
  if (rest[0] === "--") return rest.slice(1);
  const { operands, unknown } = exec.parseOptions([...rest]);
  const [flag] = unknown;
  if (flag !== undefined) {
    exec.error(`error: unknown option '${flag}'; write -- before a command that begins with a dash`);
  }
  return operands;
}
