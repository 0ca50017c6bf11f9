import type { Command } from "commander";
import type { AppInfo, AppScale } from "../../platform/apps/app-info.ts";
import type { ScaleOptions } from "../../platform/apps/apps.ts";
import type { AppAuth, DeployStrategy } from "../../settings/app-values.ts";
import type { Setting } from "../../settings/setting.ts";
import { SETTINGS, settingsOf } from "../../settings/settings.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";
import { amount, authOption, strategyOption } from "../option-values.ts";
import {
  environmentOf,
  finishPlatformGroup,
  operate,
  withEnvironment,
  type OperationOptions,
} from "../platform/operation.ts";
import { appsJson, revisionsJson, runnersJson } from "../platform/original-json.ts";
import { formatOf, printJson, printOriginal, printTable, withOutput, type Cell } from "../platform/output.ts";
import { inStates, withRunnerFilter, type RunnerFilter } from "../platform/runner-filter.ts";
import { printGpus, printRunners, printRunnersJson } from "../platform/runner-tables.ts";

interface ListOptions extends OperationOptions {
  readonly filter?: string;
  readonly sortByRunners?: boolean;
  readonly regions?: readonly string[];
}

interface RevisionOptions extends OperationOptions {
  readonly auth?: AppAuth;
  readonly strategy?: DeployStrategy;
}

/** `servable apps`: manages deployed apps. */
export function addAppsCommand(program: Command): void {
  const apps = program
    .command("apps")
    .alias("app")
    .summary("list, scale and delete what is deployed")
    .description("The apps that are deployed to the control plane.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable apps list
  $ servable apps scale web --min-concurrency 1
  $ servable apps revisions web`,
    );
  addListCommands(apps);
  addGpusCommand(apps);
  addScaleCommand(apps);
  addChangeCommands(apps);
  finishPlatformGroup(apps);
}

function addListCommands(apps: Command): void {
  withOutput(withEnvironment(apps.command("list")))
    .summary("list them")
    .description("List the apps, how they scale, and how many runners they have.")
    .option("--filter <text>", "only those with this in their name")
    .option("--sort-by-runners", "those with most runners first")
    .option("--regions <region...>", "only those that may run in one of these regions")
    .addHelpText("after", "\nExamples:\n  $ servable apps list\n  $ servable apps list --env staging --json")
    .action((options: ListOptions) =>
      operate(options, async (client) => {
        const { filter = "", regions: wanted = [] } = options;
        const format = formatOf(options);
        const list = (await client.apps.list(environmentOf(options))).filter(
          ({ name, regions }) =>
            name.includes(filter) &&
            (wanted.length === 0 || wanted.some((region) => regions.includes(region))),
        );
        if (options.sortByRunners === true) list.sort((a, b) => b.activeRunners - a.activeRunners);
        if (format === "original") printOriginal(appsJson(list));
        else if (format === "json") printJson(list);
        else if (list.length === 0) console.log("There are no apps.");
        else printApps(list);
      }),
    );
  withOutput(withRunnerFilter(withEnvironment(apps.command("runners <app>"))))
    .summary("list an app's runners")
    .description("List the runners of an app, and the requests they work on.")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable apps runners web\n  $ servable apps runners web --since 2h --state terminated",
    )
    .action((app: string, options: OperationOptions & RunnerFilter) =>
      operate(options, async (client) => {
        const { since } = options;
        const format = formatOf(options);
        const all = await client.apps.runners(app, { since, ...environmentOf(options) });
        const runners = inStates(all, options.state);
        if (format === "original") printOriginal(runnersJson(runners));
        else if (format === "json") printRunnersJson(runners);
        else printRunners(runners, false);
      }),
    );
  withOutput(withEnvironment(apps.command("revisions [app]")))
    .alias("list-rev")
    .summary("list the revisions of an app, or of all")
    .description("List the revisions of an app, or of all apps.")
    .addHelpText("after", "\nExamples:\n  $ servable apps revisions web")
    .action((app: string | undefined, options: OperationOptions) =>
      operate(options, async (client) => {
        const format = formatOf(options);
        const revisions = await client.apps.revisions(app, environmentOf(options));
        if (format === "original") return printOriginal(revisionsJson(revisions));
        if (format === "json") return printJson(revisions);
        if (revisions.length === 0) return console.log("There are no revisions.");
        printTable(
          [
            ...["Revision", "Env", "Min Concurrency", "Max Concurrency", "Max Multiplexing", "Keep Alive"],
            ...["Request Timeout", "Request Start Timeout", "Startup Timeout"],
            ...["Machine Type", "Runners", "Regions", "Created"],
          ],
          revisions.map((info) => [
            info.revision,
            info.environment,
            info.minConcurrency,
            info.maxConcurrency,
            ...commonCells(info),
            info.createdAt,
          ]),
        );
      }),
    );
}

function addScaleCommand(apps: Command): void {
  const scale = withOutput(withEnvironment(apps.command("scale <app>")), "print the app as JSON")
    .summary("change how an app scales")
    .description(
      "Change how an app scales. Omitted settings stay as they are. The next deployment takes machine types, multiplexing and the startup timeout from the code again.",
    );
  for (const name of settingsOf("scale")) {
    const { doc, unit }: Setting = SETTINGS[name];
    scale.option(`${flagOf(name)} <${unit?.endsWith("seconds") === true ? "seconds" : "n"}>`, doc, amount);
  }
  scale
    .option("--machine-types <type...>", SETTINGS.machineType.doc)
    .option("--regions <region...>", SETTINGS.regions.doc)
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable apps scale web --min-concurrency 1\n  $ servable apps scale web --machine-types GPU-A100 GPU-H100",
    )
    .action((app: string, options: OperationOptions & ScaleOptions) =>
      operate(options, async (client) => {
        const format = formatOf(options);
        const info = await client.apps.scale(app, { ...options, ...environmentOf(options) });
        if (info !== undefined) await showResets(options);
        if (format === "original") return printOriginal(appsJson(info === undefined ? [] : [info]));
        if (format === "json") return printJson(info ?? null);
        if (info === undefined) return console.log("Nothing was given to change.");
        printApps([info]);
      }),
    );
}

/** The flag of a setting: `keepAlive` → `--keep-alive`. */
function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Prints which of the changed settings the next deployment will reset. */
async function showResets(options: ScaleOptions): Promise<void> {
  const { RESET_BY_DEPLOYMENT } = await import("../../platform/apps/apps.ts");
  const names = RESET_BY_DEPLOYMENT.filter((name) => options[name] !== undefined).map(flagOf);
  if (names.length === 0) return;
  process.stderr.write(
    `Note: ${names.join(", ")} will be reset by the next deployment, which takes it from the code; change it there as well.\n`,
  );
}

function addChangeCommands(apps: Command): void {
  withEnvironment(apps.command("rollout <app>"))
    .summary("replace an app's runners")
    .description("Replace the runners of an app by new ones of the same revision.")
    .option("--force", "without waiting for their requests to end")
    .addHelpText("after", "\nExamples:\n  $ servable apps rollout web")
    .action((app: string, options: OperationOptions & { readonly force?: boolean }) =>
      operate(options, async (client) => {
        await client.apps.rollout(app, { force: options.force, ...environmentOf(options) });
        console.log(`The runners of ${app} are being replaced.`);
      }),
    );
  withOutput(withEnvironment(apps.command("set-revision <app> <revision>")), "print the app as JSON")
    .alias("set-rev")
    .summary("go back to an earlier revision, or on to another")
    .description("Point an app to another of its revisions.")
    .addOption(authOption("as before"))
    .addOption(strategyOption())
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable apps set-revision web 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55",
    )
    .action((app: string, revision: string, options: RevisionOptions) =>
      operate(options, async (client) => {
        const { auth, strategy } = options;
        const format = formatOf(options);
        const info = await client.apps.setRevision(app, revision, {
          auth,
          strategy,
          ...environmentOf(options),
        });
        if (format === "original") printOriginal(appsJson(info === undefined ? [] : [info]));
        else if (format === "json") printJson(info ?? null);
        else console.log(`${app} is at ${revision}.`);
      }),
    );
  withEnvironment(apps.command("delete <app>"))
    .summary("delete an app")
    .description("Delete an app. Its revisions stay.")
    .addHelpText("after", "\nExamples:\n  $ servable apps delete web --env staging")
    .action((app: string, options: OperationOptions) =>
      operate(options, async (client) => {
        const revision = await client.apps.delete(app, environmentOf(options));
        console.log(
          revision === undefined ? `There is no app ${app}.` : `Deleted ${app}, which was at ${revision}.`,
        );
      }),
    );
  apps
    .command("delete-revision <revision>")
    .alias("delete-rev")
    .summary("delete a revision")
    .description("Delete a revision, by its id.")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable apps delete-revision 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55",
    )
    .action((revision: string, options: OperationOptions) =>
      operate(options, async (client) => {
        await client.apps.deleteRevision(revision);
        console.log(`Deleted the revision ${plainLine(revision)}.`);
      }),
    );
}

function addGpusCommand(apps: Command): void {
  withOutput(apps.command("gpus <app>"), "print it as JSON: gpus, and total")
    .summary("count an app's GPUs")
    .description("Print the GPUs that the runners of an app have, by kind.")
    .addHelpText("after", "\nExamples:\n  $ servable apps gpus web\n  $ servable apps gpus me/web --json")
    .action((app: string, options: OperationOptions) =>
      operate(options, async (client) => printGpus(await client.apps.gpus(app), formatOf(options))),
    );
}

function printApps(apps: readonly AppInfo[]): void {
  printTable(
    [
      ...["Name", "Env", "Revision", "Auth", "Min Concurrency", "Max Concurrency", "Concurrency Buffer"],
      ...["Scaling Delay", "Max Multiplexing", "Keep Alive", "Request Timeout", "Request Start Timeout"],
      ...["Startup Timeout", "Machine Type", "Runners", "Regions"],
    ],
    apps.map((info) => [
      info.name,
      info.environment,
      info.isRolling ? `${info.revision} (rolling)` : info.revision,
      info.auth,
      info.minConcurrency,
      info.maxConcurrency,
      bufferText(info),
      info.scalingDelay,
      ...commonCells(info),
    ]),
  );
}

function commonCells(info: AppScale): Cell[] {
  const { maxMultiplexing, keepAlive, requestTimeout, requestStartTimeout, startupTimeout } = info;
  const { machineTypes, activeRunners, regions } = info;
  return [
    ...[maxMultiplexing, keepAlive, requestTimeout, requestStartTimeout || undefined, startupTimeout],
    ...[machineTypes, activeRunners, regions],
  ];
}

function bufferText({ concurrencyBuffer = 0, concurrencyBufferPerc = 0 }: AppScale): string {
  return concurrencyBufferPerc === 0
    ? String(concurrencyBuffer)
    : `${concurrencyBufferPerc}%, min ${concurrencyBuffer}`;
}
