import type { Command } from "commander";
import { runAction, type CommonOptions } from "../action.ts";
import type { LoginOptions } from "../platform/login.ts";
import { finishGroup, operate, withPlatform, type OperationOptions } from "../platform/operation.ts";
import { formatOf, printJson, printTable, withOutput } from "../platform/output.ts";
import type { ProfileChoice } from "../platform/profile-choice.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";

/** `servable auth`: stores a key, and shows the account that it belongs to. */
export function addAuthCommand(program: Command): void {
  const auth = program
    .command("auth")
    .summary("keep a key, and see whose is used")
    .description("The key to use with the control plane: that of FAL_KEY, or of a profile.")
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
        "fal's keys are made at https://fal.ai/dashboard/keys; to deploy takes the preset DEPLOY, SERVERLESS or FULL.",
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
  const whoami = auth
    .command("whoami")
    .summary("see whose key is used, and where it comes from")
    .description("Tell whose key is used, where it comes from, and which control plane was asked.")
    .addHelpText("after", "\nExamples:\n  $ servable auth whoami\n  $ servable auth whoami --profile work")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const format = formatOf(options);
        const { resolveTarget } = await import("../../platform/target/target.ts");
        const { SOURCE_TEXTS } = await import("../../platform/target/profile-choice.ts");
        const { host: given, profile: named } = options;
        const { endpoints, credentials, profile } = await resolveTarget({ host: given, profile: named });
        const user = await client.currentUser();
        const { keyId, origin: keyOrigin } = credentials;
        const { host, origin: hostOrigin } = endpoints.grpc;
        const profileOrigin = profile === undefined ? undefined : SOURCE_TEXTS[profile.source];
        if (format !== "pretty") {
          const profileName = profile?.profile.name ?? null;
          return printJson({
            ...{ ...user, keyId, keyOrigin, host, hostOrigin },
            ...{ profile: profileName, profileOrigin: profileOrigin ?? null },
          });
        }
        printTable(
          ["User ID", "Nickname", "Full Name", "Key ID", "Key From", "Host"],
          [[user.userId, user.nickname, user.fullName, keyId, keyOrigin, host]],
        );
        if (profile !== undefined && profile.source !== "file") {
          process.stderr.write(
            plainLine(`The profile in force is ${profile.profile.name} (${SOURCE_TEXTS[profile.source]}).`) +
              "\n",
          );
        }
      }),
    );
  withOutput(whoami, "print it as JSON");
  finishGroup(auth);
  withPlatform(whoami);
}
