import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import type { PlatformStatus } from "../../controller/api/platform-status.ts";
import { runAction } from "../action.ts";
import { formatOf, printJson, printTable, withOutput } from "../platform/output.ts";
import { platformClient, type SelfHostOptions } from "../self-host/platform-client.ts";
import { styleFor } from "../style.ts";

interface StatusOptions extends SelfHostOptions {
  readonly watch?: boolean;
}

/** Interval of `--watch`, in milliseconds. */
const WATCH_MS = 1_000;

/** `servable status`: what runs on the platform of this machine. */
export function addStatusCommand(program: Command): void {
  withOutput(program.command("status"), "print it as JSON")
    .summary("list the apps of the platform of this machine, with reasons")
    .description(
      "The apps of the platform of this machine: their runners, requests, and the reason of each wait.",
    )
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .option("--profile <name>", "the profile with the platform's key (default: local)")
    .option("-w, --watch", "show it again each second, until Ctrl-C")
    .option("--debug", "show stacks")
    .addHelpText("after", "\nExamples:\n  $ servable status\n  $ servable status --watch")
    .action((options: StatusOptions) =>
      runAction(options, async () => {
        const { client } = await platformClient(options);
        for (;;) {
          const status = (await client.json({ method: "GET", path: "/platform/status" })) as PlatformStatus;
          if (formatOf(options) !== "pretty") printJson(status);
          else {
            if (options.watch === true && process.stdout.isTTY) process.stdout.write("\u001b[2J\u001b[H");
            printStatus(status);
          }
          if (options.watch !== true) return;
          await delay(WATCH_MS);
        }
      }),
    );
}

function printStatus({ url, apps, machine, uptimeSeconds, shortages }: PlatformStatus): void {
  const { green, bold, red } = styleFor(process.stdout);
  console.log(`${green("●")} ${bold(url)}, up ${duration(uptimeSeconds)}`);
  console.log(`  ${machineText(machine)}`);
  for (const shortage of shortages) console.log(`  ${red(shortage)}`);
  if (apps.length === 0) return console.log('No apps yet: deploy one with "servable deploy app.ts".');
  printTable(
    ["App", "Auth", "Ready", "Starting", "Running", "Waiting", "Wanted", "Why"],
    apps.map((app) => [
      app.alias,
      app.auth,
      app.runners.ready,
      app.runners.starting,
      app.running,
      app.waiting,
      app.target,
      app.reason,
    ]),
  );
}

/** "1.5 of 21 GB for runners are free, 1 of 2 GPUs". */
function machineText({ memoryBytes, freeMemoryBytes, gpus }: PlatformStatus["machine"]): string {
  const gb = (bytes: number): string => (Math.max(0, bytes) / 1e9).toFixed(1);
  const memory = `${gb(freeMemoryBytes)} of ${gb(memoryBytes)} GB for runners are free`;
  if (gpus.length === 0) return memory;
  return `${memory}, and ${gpus.filter(({ runner }) => runner === null).length} of ${gpus.length} GPUs`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
