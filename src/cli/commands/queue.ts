import type { Command } from "commander";
import type { QueueSize } from "../../platform/queue.ts";
import { isConfirmed } from "../platform/confirmation.ts";
import {
  environmentOf,
  finishPlatformGroup,
  operate,
  withEnvironment,
  type OperationOptions,
} from "../platform/operation.ts";
import {
  formatOf,
  printJson,
  printOriginal,
  printTable,
  withOutput,
  type Format,
} from "../platform/output.ts";

interface FlushOptions extends OperationOptions {
  readonly callerUserId?: string;
  readonly yes?: boolean;
}

/** `servable queue`: an app's queue of requests. */
export function addQueueCommand(program: Command): void {
  const queue = program
    .command("queue")
    .summary("count or drop the requests that wait for an app")
    .description("The queue of an app: the requests that wait for a runner.")
    .addHelpText(
      "after",
      `
Examples:
  $ servable queue size web
  $ servable queue flush web`,
    );
  withOutput(withEnvironment(queue.command("size <app>")), "print it as JSON")
    .summary("count them")
    .description("Print how many requests wait for an app.")
    .option("--by-user", "those of each user, too")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable queue size web\n  $ servable queue size web --by-user --json",
    )
    .action((app: string, options: OperationOptions & { readonly byUser?: boolean }) =>
      operate(options, async (client) => {
        const { byUser } = options;
        const format = formatOf(options);
        const size = await client.queue.size(app, { byUser, ...environmentOf(options) });
        if (format === "pretty") printSize(size);
        else printSizeJson(size, format);
      }),
    );
  withOutput(withEnvironment(queue.command("flush <app>")), "print what was done as JSON")
    .summary("drop them")
    .description(
      "Drop the requests that wait for an app: they are never worked on. Its name has to be typed once more.",
    )
    .option("--caller-user-id <id>", "only those of one user")
    .option("-y, --yes", "without being asked")
    .addHelpText(
      "after",
      "\nExamples:\n  $ servable queue flush web\n  $ servable queue flush web --env staging --yes",
    )
    .action((app: string, options: FlushOptions) =>
      operate(options, async (client) => {
        const { callerUserId } = options;
        const format = formatOf(options);
        const { environment } = environmentOf(options);
        const name = environment === undefined ? app : `${app} in ${environment}`;
        const whose = callerUserId === undefined ? "all requests" : `the requests of ${callerUserId}`;
        const warning = `This drops ${whose} that wait for ${name}.`;
        if (options.yes !== true && !(await isConfirmed({ warning, text: app }))) {
          process.stderr.write("Nothing was dropped.\n");
          return 1;
        }
        await client.queue.flush(app, { environment, callerUserId });
        if (format !== "pretty") {
          printJson({
            appName: app,
            environment: environment ?? null,
            callerUserId: callerUserId ?? null,
            flushed: true,
          });
        } else console.log(`Dropped ${whose} that waited for ${name}.`);
      }),
    );
  finishPlatformGroup(queue);
}

/** The keys of `by_user` are user ids, which are not converted to snake_case. */
function printSizeJson({ size, byUser }: QueueSize, format: Format): void {
  const value = { size, ...(byUser === undefined ? {} : { by_user: byUser }) };
  if (format === "original") printOriginal(value);
  else console.log(JSON.stringify(value, null, 2));
}

function printSize({ size, byUser }: QueueSize): void {
  console.log(`${size} request${size === 1 ? " waits" : "s wait"}`);
  const counts = Object.entries(byUser ?? {}).toSorted(([, a], [, b]) => b - a);
  if (counts.length > 0) printTable(["User", "Requests"], counts);
}
