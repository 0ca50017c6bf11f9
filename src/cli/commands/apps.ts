import { Option, type Command } from "commander";
import type { AppInfo, AppScale, AuthMode } from "../../platform/apps/app-info.ts";
import type { ScaleOptions } from "../../platform/apps/apps.ts";
import { amount } from "../platform/amounts.ts";
import {
  environmentOf,
  finishGroup,
  operate,
  withEnvironment,
  type OperationOptions,
} from "../platform/operation.ts";
import { printJson, printTable, type Cell } from "../platform/output.ts";
import { inStates, withRunnerFilter, type RunnerFilter } from "../platform/runner-filter.ts";
import { printRunners, printRunnersJson } from "../platform/runner-tables.ts";

interface ListOptions extends OperationOptions {
  readonly filter?: string;
  readonly sortByRunners?: boolean;
}

interface RevisionOptions extends OperationOptions {
  readonly auth?: AuthMode;
  readonly strategy?: "rolling" | "recreate";
}

/** `servable apps`: what is deployed. */
export function addAppsCommand(program: Command): void {
  const apps = program
    .command("apps")
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
  addScaleCommand(apps);
  addChangeCommands(apps);
  finishGroup(apps);
}

function addListCommands(apps: Command): void {
  withEnvironment(apps.command("list"))
    .summary("list them")
    .description("List the apps, how they scale, and how many runners they have.")
    .option("--filter <text>", "only those with this in their name")
    .option("--sort-by-runners", "those with most runners first")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExamples:\n  $ servable apps list\n  $ servable apps list --env staging --json")
    .action((options: ListOptions) =>
      operate(options, async (client) => {
        const { filter = "" } = options;
        const list = (await client.apps.list(environmentOf(options))).filter(({ name }) =>
          name.includes(filter),
        );
        if (options.sortByRunners === true) list.sort((a, b) => b.activeRunners - a.activeRunners);
        if (options.json === true) printJson(list);
        else if (list.length === 0) console.log("There are no apps.");
        else printApps(list);
      }),
    );
  withRunnerFilter(withEnvironment(apps.command("runners <app>")))
    .summary("list an app's runners")
    .description("List the runners of an app, and the requests they work on.")
    .option("--json", "print them as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable apps runners web\n  $ servable apps runners web --since 2h --state terminated",
    )
    .action((app: string, options: OperationOptions & RunnerFilter) =>
      operate(options, async (client) => {
        const { since } = options;
        const all = await client.apps.runners(app, { since, ...environmentOf(options) });
        const runners = inStates(all, options.state);
        if (options.json === true) printRunnersJson(runners);
        else printRunners(runners, false);
      }),
    );
  withEnvironment(apps.command("revisions [app]"))
    .summary("list the revisions of an app, or of all")
    .description("List the revisions of an app, or of all apps.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExamples:\n  $ servable apps revisions web")
    .action((app: string | undefined, options: OperationOptions) =>
      operate(options, async (client) => {
        const revisions = await client.apps.revisions(app, environmentOf(options));
        if (options.json === true) return printJson(revisions);
        if (revisions.length === 0) return console.log("There are no revisions.");
        printTable(
          [
            ...["Revision", "Env", "Min Concurrency", "Max Concurrency", "Max Multiplexing", "Keep Alive"],
            ...["Request Timeout", "Startup Timeout", "Machine Type", "Runners", "Regions", "Created"],
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
  withEnvironment(apps.command("scale <app>"))
    .summary("change how an app scales")
    .description(
      "Change how an app scales. What is not given stays as it is. The next deployment takes machine types, multiplexing and the startup timeout from the code again.",
    )
    .option("--keep-alive <seconds>", "how long an idle runner lives", amount)
    .option("--max-multiplexing <n>", "requests one runner works on at a time", amount)
    .option("--max-concurrency <n>", "runners there may be", amount)
    .option("--min-concurrency <n>", "runners that are always there", amount)
    .option("--concurrency-buffer <n>", "runners held ready beyond the demand", amount)
    .option("--concurrency-buffer-perc <n>", "the same, in percent of the demand", amount)
    .option("--scaling-delay <seconds>", "how long a request waits before a runner is added", amount)
    .option("--request-timeout <seconds>", "how long a request may take", amount)
    .option("--startup-timeout <seconds>", "how long a runner may take to start", amount)
    .option("--machine-types <type...>", "kinds of machine, in order of preference")
    .option("--regions <region...>", "where runners may be")
    .option("--json", "print the app as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable apps scale web --min-concurrency 1\n  $ servable apps scale web --machine-types GPU-A100 GPU-H100",
    )
    .action((app: string, options: OperationOptions & ScaleOptions) =>
      operate(options, async (client) => {
        const { env: _env, json, debug: _debug, ...changes } = options;
        const info = await client.apps.scale(app, { ...changes, ...environmentOf(options) });
        if (json === true) return printJson(info ?? null);
        if (info === undefined) return console.log("Nothing was given to change.");
        printApps([info]);
      }),
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
  withEnvironment(apps.command("set-revision <app> <revision>"))
    .summary("go back to an earlier revision, or on to another")
    .description("Point an app to another of its revisions.")
    .addOption(
      new Option("--auth <mode>", "who may call it (default: as before)").choices([
        "private",
        "public",
        "shared",
      ]),
    )
    .addOption(
      new Option(
        "--strategy <strategy>",
        "whether old runners end once new ones are ready, or first",
      ).choices(["rolling", "recreate"]),
    )
    .option("--json", "print the app as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable apps set-revision web 6f1c2a9e-8f43-4b53-9c0e-3f3f1f0a7c55",
    )
    .action((app: string, revision: string, options: RevisionOptions) =>
      operate(options, async (client) => {
        const { auth, strategy } = options;
        const info = await client.apps.setRevision(app, revision, {
          auth,
          strategy,
          ...environmentOf(options),
        });
        if (options.json === true) printJson(info ?? null);
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
}

function printApps(apps: readonly AppInfo[]): void {
  printTable(
    [
      ...["Name", "Env", "Revision", "Auth", "Min Concurrency", "Max Concurrency", "Concurrency Buffer"],
      ...["Scaling Delay", "Max Multiplexing", "Keep Alive", "Request Timeout", "Startup Timeout"],
      ...["Machine Type", "Runners", "Regions"],
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
  const { maxMultiplexing, keepAlive, requestTimeout, startupTimeout, machineTypes, activeRunners, regions } =
    info;
  return [maxMultiplexing, keepAlive, requestTimeout, startupTimeout, machineTypes, activeRunners, regions];
}

function bufferText({ concurrencyBuffer = 0, concurrencyBufferPerc = 0 }: AppScale): string {
  return concurrencyBufferPerc === 0
    ? String(concurrencyBuffer)
    : `${concurrencyBufferPerc}%, min ${concurrencyBuffer}`;
}
