import { parseArgs } from "node:util";
import { formatTable, type Row } from "./row.ts";

/** A benchmark as its script declares it. */
export interface Benchmark {
  /** As in `npm run bench:NAME`. */
  readonly name: string;
  /** A description of the measurement, for `--help`. */
  readonly summary: string;
  /** The maximum duration of `--quick`. Default "less than a minute". */
  readonly quickDuration?: string;
  /** A description of the plot of `--svg FILE`; without it there is no such option. */
  readonly plot?: string;
  /** The default of `--seconds N`, the duration of the measurement. Without it there is no such option. */
  readonly seconds?: number;
  /** Measures. `quick` means rougher figures in a shorter time; `svg` is the file for the plot. */
  measure(options: {
    readonly quick: boolean;
    readonly svg: string | undefined;
    readonly seconds?: number;
  }): Promise<readonly Row[]>;
}

/**
 * Runs a benchmark from the command line and sets the process's exit code: 1 if a figure missed its target, 2 if
 * the measurement failed. With `--json` only the list of rows is written to standard output.
 */
export async function runBenchmark(benchmark: Benchmark): Promise<void> {
  const values = readArguments(benchmark);
  if (values === undefined) return;
  let rows: readonly Row[];
  try {
    rows = await benchmark.measure(values);
  } catch (error) {
    progress(`Could not measure: ${(error as Error).message}`);
    process.exitCode = 2;
    return;
  }
  console.log(values.json ? JSON.stringify(rows, null, 2) : `\n${benchmark.name}\n${formatTable(rows)}`);
  if (rows.some((row) => !row.ok)) process.exitCode = 1;
}

/** Prints progress on standard error. */
export function progress(message: string): void {
  process.stderr.write(`${message}\n`);
}

interface Arguments {
  readonly json: boolean;
  readonly quick: boolean;
  readonly svg: string | undefined;
  readonly seconds?: number;
}

function readArguments(benchmark: Benchmark): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        svg: { type: "string" },
        seconds: { type: "string" },
      },
    });
    const { svg } = values;
    if (svg !== undefined && benchmark.plot === undefined) throw new Error("Unknown option '--svg'.");
    const { seconds: text, ...flags } = values;
    const seconds = Number(text);
    if (text !== undefined && benchmark.seconds === undefined) throw new Error("Unknown option '--seconds'.");
    if (text !== undefined && !(seconds >= 1)) throw new Error("--seconds takes a number from 1.");
    if (!values.help) return { ...flags, svg, ...(text === undefined ? {} : { seconds }) };
    console.log(helpOf(benchmark));
  } catch (error) {
    progress(`${(error as Error).message}\n\n${helpOf(benchmark)}`);
    process.exitCode = 2;
  }
  return undefined;
}

function helpOf({ name, summary, plot, seconds, quickDuration = "less than a minute" }: Benchmark): string {
  return [
    `Usage: npm run bench:${name} -- [--quick] [--json]${plot === undefined ? "" : " [--svg FILE]"}${seconds === undefined ? "" : " [--seconds N]"}`,
    "",
    summary,
    "",
    `  --quick     rougher figures in ${quickDuration}`,
    "  --json      print a JSON list of rows { name, figure, unit, target, ok } and nothing else",
    ...(plot === undefined ? [] : [`  --svg FILE  ${plot}`]),
    ...(seconds === undefined ? [] : [`  --seconds N so long (default: ${seconds})`]),
    "  --help      print this",
    "",
    "Exit code: 0 when every figure is within its target, 1 when not, 2 when nothing could be measured.",
  ].join("\n");
}
