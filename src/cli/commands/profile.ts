import type { Command } from "commander";
import type { ConfigFile, Profile } from "../../platform/target/config-file.ts";
import type { parseKey } from "../../platform/target/credentials.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";
import { runAction, type CommonOptions } from "../action.ts";
import { INTERRUPTED } from "../interruption.ts";
import { finishGroup } from "../platform/operation.ts";
import {
  formatOf,
  printJson,
  printOriginal,
  printTable,
  withOutput,
  type Cell,
  type OutputOptions,
} from "../platform/output.ts";
import { chosenProfile, type ProfileChoice } from "../platform/profile-choice.ts";
import { typedKey } from "../platform/typed-secret.ts";

type ProfileOptions = ProfileChoice & CommonOptions;

/** `servable profile`: keys and hosts under names, in the config file. */
export function addProfileCommand(program: Command): void {
  const profile = program
    .command("profile")
    .alias("profiles")
    .summary("keep keys and hosts under names, and select one")
    .description("Keys and hosts of control planes under names, in ~/.fal/config.toml or $FAL_CONFIG_PATH.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable profile create work
  $ servable profile key --profile work
  $ servable profile set work`,
    );
  addSelectionCommands(profile);
  addContentCommands(profile);
  finishGroup(profile);
}

function addSelectionCommands(profile: Command): void {
  withOutput(profile.command("list"))
    .summary("list them")
    .description("List the profiles, the ids of their keys, and which one is active.")
    .addHelpText("after", "\nExamples:\n  $ servable profile list")
    .action((options: CommonOptions & OutputOptions) =>
      edit(options, async (file) => {
        const format = formatOf(options);
        const { parseKey } = await import("../../platform/target/credentials.ts");
        const { activeProfile, profileVariable } = await import("../../platform/target/profile-choice.ts");
        const variable = profileVariable();
        const selected = file.selected()?.name;
        // The profiles are listed even if FAL_PROFILE names an unknown one.
        const [inForce, failure] = attempt(() => activeProfile(file)?.profile.name);
        const list = file.profiles().map(({ name, host, key }) => ({
          name,
          isSelected: name === selected,
          ...(variable === undefined ? {} : { isInForce: name === inForce }),
          host,
          keyId: keyIdOf(key, parseKey),
        }));
        if (format === "original")
          printOriginal({ profiles: file.profiles().map((item) => originalOf(item, inForce)) });
        else if (format === "json") printJson(list);
        else if (list.length === 0) console.log("There are no profiles.");
        else {
          const inForceCell = (name: string): Cell => (name === inForce ? "yes, by FAL_PROFILE" : "no");
          printTable(
            ["Name", "Selected", ...(variable === undefined ? [] : ["In Force"]), "Host", "Key ID"],
            list.map(({ name, isSelected, host, keyId }) => [
              ...[name, isSelected, ...(variable === undefined ? [] : [inForceCell(name)])],
              ...[host, keyId],
            ]),
          );
        }
        if (failure !== undefined) throw failure;
      }),
    );
  profile
    .command("set <name>")
    .summary("select one")
    .description("Select a profile: its key and host are used where the environment sets no others.")
    .addHelpText("after", "\nExamples:\n  $ servable profile set work")
    .action((name: string, options: CommonOptions) =>
      edit(options, async (file) => {
        await file.select(name);
        console.log(`The profile ${plainLine(name)} is selected.`);
        await showVariable(name);
        if (file.profile(name).key === undefined) {
          process.stderr.write("It has no key yet: servable profile key sets one.\n");
        }
      }),
    );
  profile
    .command("unset")
    .summary("select none")
    .description("Select no profile.")
    .addHelpText("after", "\nExamples:\n  $ servable profile unset")
    .action((options: CommonOptions) =>
      edit(options, async (file) => {
        await file.select(undefined);
        console.log("No profile is selected.");
        await showVariable(undefined);
      }),
    );
}

function addContentCommands(profile: Command): void {
  profile
    .command("key")
    .summary("set the key of one")
    .description("Set the key of a profile. It is asked for, or read from standard input: id:secret.")
    .option("--profile <name>", "of which (default: the one that is selected)")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable profile key\n  $ servable profile key --profile work < key.txt",
    )
    .action((options: ProfileOptions) =>
      edit(options, async (file) => {
        const { name } = chosenProfile(file, options);
        const key = await typedKey();
        if (key === undefined) return INTERRUPTED;
        await file.setKey(name, key);
        console.log(`The profile ${plainLine(name)} has a new key.`);
      }),
    );
  profile
    .command("host <host>")
    .summary("set the host of one")
    .description("Set the control plane's host of a profile.")
    .option("--profile <name>", "of which (default: the one that is selected)")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable profile host api.example.com --profile work\n  $ servable profile host http://127.0.0.1:4000",
    )
    .action((host: string, options: ProfileOptions) =>
      edit(options, async (file) => {
        const { name } = chosenProfile(file, options);
        await file.setHost(name, host);
        console.log(`The profile ${plainLine(name)} has a new host.`);
      }),
    );
  profile
    .command("create <name>")
    .summary("make one")
    .description("Create a profile without a key and a host. It is not selected.")
    .addHelpText("after", "\nExamples:\n  $ servable profile create work")
    .action((name: string, options: CommonOptions) =>
      edit(options, async (file) => {
        await file.create(name);
        console.log(`Made the profile ${plainLine(name)}.`);
      }),
    );
  profile
    .command("delete <name>")
    .summary("delete one")
    .description("Delete a profile, with its key. If it was selected, none is.")
    .addHelpText("after", "\nExamples:\n  $ servable profile delete work")
    .action((name: string, options: CommonOptions) =>
      edit(options, async (file) => {
        await file.delete(name);
        console.log(`Deleted the profile ${plainLine(name)}.`);
      }),
    );
}

/** Warns that a variable overrides the selected profile. */
async function showVariable(selected: string | undefined): Promise<void> {
  const { profileVariable } = await import("../../platform/target/profile-choice.ts");
  const variable = profileVariable();
  if (variable === undefined || variable === selected) return;
  process.stderr.write(`FAL_PROFILE selects the profile ${plainLine(variable)}, and takes precedence.\n`);
}

/** A profile under the keys of fal's own command line. `settings` lists the fields that are set. */
function originalOf(
  { name, key, host }: Profile,
  inForce: string | undefined,
): Readonly<Record<string, unknown>> {
  const settings = [...(key === undefined ? [] : ["key"]), ...(host === undefined ? [] : ["host"])];
  return { profile: name, is_set: name === inForce, settings };
}

function attempt<T>(work: () => T): readonly [value: T | undefined, failure: unknown] {
  try {
    return [work(), undefined];
  } catch (error) {
    return [undefined, error];
  }
}

/** The id of a profile's key, or a note if the key is malformed: the other profiles are still listed. */
function keyIdOf(key: Profile["key"], parse: typeof parseKey): string | undefined {
  if (key === undefined) return undefined;
  try {
    return parse(key, "the config file").keyId;
  } catch {
    return "(invalid: not id:secret)";
  }
}

/** Runs a command's work on the config file. */
function edit(options: CommonOptions, work: (file: ConfigFile) => Promise<number | void>): Promise<void> {
  return runAction(options, async () => {
    const { ConfigFile } = await import("../../platform/target/config-file.ts");
    return work(await ConfigFile.read());
  });
}
