import type { Command } from "commander";
import { runAction, type CommonOptions } from "../action.ts";
import type { LoginOptions } from "../platform/login.ts";
import { finishGroup, operate, type OperationOptions } from "../platform/operation.ts";
import { printJson, printTable } from "../platform/output.ts";
import type { ProfileChoice } from "../platform/profile-choice.ts";

/** `servable auth`: a key to be known by, and whose it is. */
export function addAuthCommand(program: Command): void {
  const auth = program
    .command("auth")
    .summary("keep a key, and see whose is used")
    .description("Who one is to the control plane, by a key: that of FAL_KEY, or of a profile.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable auth login
  $ servable auth whoami`,
    );
  auth
    .command("login")
    .summary("keep a key in a profile")
    .description(
      "Ask for a key (id:secret), check it with the control plane, and keep it in a profile of the config file. " +
        "fal's keys are made at https://fal.ai/dashboard/keys; to deploy takes the scope ADMIN.",
    )
    .option("--with-key", "read the key from standard input, and never ask")
    .option(
      "--profile <name>",
      'where it is kept; made if it is not there (default: the one that is selected, else "default")',
    )
    .option(
      "--host <host>",
      "the control plane it is for, kept with it (default: the profile's, else as ever)",
    )
    .addHelpText(
      "after",
      `
Examples:
  $ servable auth login
  $ servable auth login --profile work --host api.example.com
  $ servable auth login --with-key < key.txt`,
    )
    .action((options: LoginOptions) =>
      runAction(options, async () => {
        const { login } = await import("../platform/login.ts");
        return login(options);
      }),
    );
  auth
    .command("logout")
    .summary("delete the key of a profile")
    .description("Delete the key of a profile from the config file. It stays valid until it is revoked.")
    .option("--profile <name>", "of which (default: the one that is selected)")
    .addHelpText("after", "\nExamples:\n  $ servable auth logout\n  $ servable auth logout --profile work")
    .action((options: ProfileChoice & CommonOptions) =>
      runAction(options, async () => {
        const { logout } = await import("../platform/login.ts");
        await logout(options);
      }),
    );
  auth
    .command("whoami")
    .summary("see whose key is used, and where it comes from")
    .description("Tell whose key is used, where it comes from, and which control plane was asked.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExamples:\n  $ servable auth whoami")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const { resolveTarget } = await import("../../platform/target/target.ts");
        const { endpoints, credentials } = await resolveTarget();
        const user = await client.currentUser();
        const { keyId, origin: keyOrigin } = credentials;
        const { host } = endpoints.grpc;
        if (options.json === true) return printJson({ ...user, keyId, keyOrigin, host });
        printTable(
          ["User ID", "Nickname", "Full Name", "Key ID", "Key From", "Host"],
          [[user.userId, user.nickname, user.fullName, keyId, keyOrigin, host]],
        );
      }),
    );
  finishGroup(auth);
}
