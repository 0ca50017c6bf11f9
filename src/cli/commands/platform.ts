import type { Command } from "commander";
import { runAction } from "../action.ts";
import { finishGroup } from "../platform/operation.ts";
import { formatOf, printJson, printTable, withOutput } from "../platform/output.ts";
import type { SelfHostOptions } from "../self-host/platform-client.ts";
import { stateDirectory } from "../self-host/state-directory.ts";

/** `servable platform`: the platform of this machine as a whole. */
export function addPlatformCommand(program: Command): void {
  const platform = program
    .command("platform")
    .summary("back up and restore the platform of this machine, and list its settings")
    .description("The platform of this machine as a whole.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable platform settings
  $ servable platform backup servable.backup
  $ servable platform restore servable.backup`,
    );
  withOutput(platform.command("settings"))
    .summary("list its settings")
    .description(
      "List the settings of the platform, with the values that its next start uses. They are in platform.toml, in the folder of the platform.",
    )
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable platform settings\n  $ servable platform settings --json",
    )
    .action((options: SelfHostOptions) =>
      runAction(options, async () => {
        const { listSettings } = await import("../self-host/settings-list.ts");
        const list = await listSettings(stateDirectory(options.state));
        if (formatOf(options) !== "pretty") return printJson(list.settings);
        printTable(
          ["Setting", "Value", "Default", "Meaning"],
          list.settings.map(({ name, value, byDefault, doc }) => [
            name,
            JSON.stringify(value),
            JSON.stringify(byDefault),
            doc,
          ]),
        );
        process.stderr.write(`Change them in ${list.path}, then start the platform again.\n`);
      }),
    );
  addBackupCommand(platform);
  addRestoreCommand(platform);
  finishGroup(platform);
}

interface DatabaseOptions extends SelfHostOptions {
  readonly databaseUrl?: string;
}

interface BackupOptions extends DatabaseOptions {
  readonly keys: boolean;
}

interface RestoreOptions extends DatabaseOptions {
  readonly replace?: boolean;
}

function addBackupCommand(platform: Command): void {
  withDatabase(platform.command("backup <file>"))
    .summary("write everything that it keeps into a file")
    .description(
      "Write the tables, the files of deployments, the settings and the keys of the platform into a file, while it runs or not. " +
        "The logs of runners are not included. Keep the file safe: it has the key that opens the secrets.",
    )
    .option("--no-keys", "without the key of the secrets, and that of the platform's own certificates")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable platform backup servable.backup\n  $ servable platform backup servable.backup --no-keys",
    )
    .action((file: string, options: BackupOptions) =>
      runAction(options, async () => {
        const { backUpPlatform } = await import("../self-host/backups.ts");
        return backUpPlatform(file, options);
      }),
    );
}

function addRestoreCommand(platform: Command): void {
  withDatabase(platform.command("restore <file>"))
    .summary("restore it from a backup")
    .description(
      "Restore a platform that does not run from a backup, also from that of an older version. The backup is checked before anything is changed. " +
        "A platform that has keys or apps is not replaced, unless --replace is given.",
    )
    .option("--replace", "replace the platform that is there, with its keys and apps")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable platform restore servable.backup\n  $ servable platform restore servable.backup --state ./platform",
    )
    .action((file: string, options: RestoreOptions) =>
      runAction(options, async () => {
        const { restorePlatform } = await import("../self-host/backups.ts");
        return restorePlatform(file, options);
      }),
    );
}

function withDatabase(command: Command): Command {
  return command
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .option(
      "--database-url <url>",
      "its PostgreSQL, if it is not in the folder (default: $SERVABLE_DATABASE_URL)",
    );
}
