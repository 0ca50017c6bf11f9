import { Option, type Command } from "commander";
import type { AppLoad } from "../../controller/api/app-load.ts";
import type { ReplayResult } from "../../controller/scaling/simulation/replay.ts";
import type { ScalingSettings } from "../../controller/scaling/snapshot.ts";
import { UsageError } from "../../errors.ts";
import { runAction } from "../action.ts";
import { amount, timeSpan } from "../option-values.ts";
import { formatOf, printJson, printTable, withOutput, type OutputOptions } from "../platform/output.ts";
import { platformClient, type SelfHostOptions } from "../self-host/platform-client.ts";

/** The settings that flags change. */
const CHANGEABLE = [
  ...(["scaling", "keepAlive", "minConcurrency", "maxConcurrency"] as const),
  ...(["concurrencyBuffer", "scalingDelay", "maxMultiplexing"] as const),
] as const;

interface SimulateOptions
  extends SelfHostOptions, OutputOptions, Partial<Pick<ScalingSettings, (typeof CHANGEABLE)[number]>> {
  readonly since?: number;
}

/** A row of the result. */
interface Trial extends ReplayResult {
  readonly settings: "present" | "given";
}

const HOUR_MS = 3_600_000;
/** More would not fit into the memory of a command. */
const MAX_REQUESTS = 10_000_000;
const SCALINGS = ["balanced", "eager", "thrifty", "documented"] as const;

/** `servable simulate APP`: the past requests of an app under other settings. */
export function addSimulateCommand(program: Command): void {
  withOutput(program.command("simulate <app>"))
    .summary("replay the requests of an app under other settings")
    .description(
      "Replay the recorded requests of an app on the platform of this machine, in simulation: with its present settings and " +
        "with others. Nothing is changed.",
    )
    .option("--since <span>", "how far back: 90m, 12h, 7d (default: 24h)", timeSpan)
    .option("--keep-alive <seconds>", "time an idle runner is kept, or auto", secondsOrAuto)
    .option("--min-concurrency <count>", "least number of runners", amount)
    .option("--max-concurrency <count>", "greatest number of runners", amount)
    .option("--concurrency-buffer <count>", "runners beyond the demand", amount)
    .option("--scaling-delay <seconds>", "time a request waits before a runner is started for it", amount)
    .option("--max-multiplexing <count>", "requests that a runner serves at a time", amount)
    .addOption(new Option("--scaling <rule>", "the rule (default: balanced)").choices(SCALINGS))
    .option("--state <folder>", "the folder of the platform (default: as for servable up)")
    .option("--profile <name>", "the profile with the platform's key (default: local)")
    .option("--debug", "show stacks")
    .addHelpText(
      "after",
      `
Examples:
  $ servable simulate greeter --keep-alive 300
  $ servable simulate greeter --since 7d --min-concurrency 1 --json`,
    )
    .action((app: string, options: SimulateOptions) =>
      runAction(options, async () => {
        const { client } = await platformClient(options);
        const hours = (options.since ?? 24 * HOUR_MS) / HOUR_MS;
        const path = `/platform/apps/${encodeURIComponent(app)}/load?hours=${hours}`;
        const load = (await client.json({ method: "GET", path })) as AppLoad;
        const trials = await tried(load, options);
        if (formatOf(options) !== "pretty") return printJson(trials);
        if (load.arrivals.length === 0) return console.log(`${app} had no requests in this time.`);
        print(trials, load);
      }),
    );
}

async function tried(load: AppLoad, options: SimulateOptions): Promise<Trial[]> {
  const requests = load.arrivals.reduce((sum, [, count]) => sum + count, 0);
  if (requests > MAX_REQUESTS) {
    throw new UsageError(
      `${requests} requests are too many to replay, at most ${MAX_REQUESTS}: shorten --since.`,
    );
  }
  const changes: Partial<ScalingSettings> = Object.fromEntries(
    CHANGEABLE.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
  const given = { ...load.settings, ...changes };
  if (given.minConcurrency > given.maxConcurrency) {
    throw new UsageError(
      `At least ${given.minConcurrency} runners and at most ${given.maxConcurrency} exclude each other.`,
    );
  }
  const { replay } = await import("../../controller/scaling/simulation/replay.ts");
  const present: Trial = { settings: "present", ...replay(load, load.settings) };
  if (Object.keys(changes).length === 0) return [present];
  return [present, { settings: "given", ...replay(load, given) }];
}

function print(trials: readonly Trial[], { serviceSeconds, startSeconds }: AppLoad): void {
  const seconds = (value: number): string => `${Number(value.toPrecision(3))} s`;
  const requests = trials[0]?.requests ?? 0;
  console.log(
    `${requests} request${requests === 1 ? "" : "s"}; a runner works ${seconds(serviceSeconds)} on one, and starts in ${seconds(startSeconds)}`,
  );
  printTable(
    [
      "Settings",
      "Runner-seconds",
      "÷ oracle's",
      "Starts",
      "Most runners",
      "Wait p50",
      "p99",
      "Longest",
      "Within 1 s",
    ],
    trials.map((trial) => [
      trial.settings,
      Math.round(trial.runnerSeconds),
      (trial.runnerSeconds / trial.oracleRunnerSeconds).toFixed(2),
      trial.starts,
      trial.peakRunners,
      seconds(trial.waitP50),
      seconds(trial.waitP99),
      seconds(trial.longestWait),
      `${(trial.within1s * 100).toFixed(1)} %`,
    ]),
  );
}

function secondsOrAuto(text: string): number | "auto" {
  return text === "auto" ? "auto" : amount(text);
}
