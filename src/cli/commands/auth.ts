import type { Command } from "commander";
import { finishGroup, operate, type OperationOptions } from "../platform/operation.ts";
import { printJson, printTable } from "../platform/output.ts";

/** `servable auth`: whose the key is. */
export function addAuthCommand(program: Command): void {
  const auth = program
    .command("auth")
    .summary("see whose key is used")
    .description(
      "Who one is to the control plane. Keys are used, of FAL_KEY or a profile; there is no login.",
    );
  auth
    .command("whoami")
    .summary("see whose key is used, and where it comes from")
    .description("Tell whose key is used, where it comes from, and which control plane was asked.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExamples:\n  $ servable auth whoami")
    .action((options: OperationOptions) =>
      operate(options, async (client) => {
        const { resolveTarget } = await import("../../platform/target.ts");
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
