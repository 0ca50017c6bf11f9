import { parseArgs } from "node:util";
import { progress } from "../lib/benchmark.ts";
import { SECTIONS, type SectionName } from "./sample.ts";
import { productsOf } from "./section-parts.ts";

/** The command line of `npm run bench:peers`. */
export interface PeersArguments {
  readonly sections: readonly SectionName[];
  readonly quick: boolean;
  readonly json: boolean;
  /** Whether to write the report into the documentation. */
  readonly publishes: boolean;
  /** The names of the products to measure; undefined means all. */
  readonly only: ReadonlySet<string> | undefined;
}

/** Reads the command line. Undefined if only the usage was to be printed, or an error: the exit code is then 2. */
export function readArguments(): PeersArguments | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        only: { type: "string" },
        publish: { type: "boolean", default: false },
      },
    });
    if (!values.help) {
      const sections = sectionsOf(positionals);
      const only = onlyOf(values.only, sections);
      const { quick, json, publish } = values;
      if (publish && (quick || only !== undefined || sections.length < SECTIONS.length))
        throw new Error(
          "--publish replaces all published results: measure all sections and products, without --quick.",
        );
      return { sections, quick, json, only, publishes: publish };
    }
    console.log(HELP);
  } catch (error) {
    progress(`${(error as Error).message}\n\n${HELP}`);
    process.exitCode = 2;
  }
  return undefined;
}

function sectionsOf(names: readonly string[]): readonly SectionName[] {
  const unknown = names.filter((name) => !(SECTIONS as readonly string[]).includes(name));
  if (unknown.length > 0) {
    throw new Error(`Unknown section: ${unknown.join(", ")}. The sections are ${SECTIONS.join(", ")}.`);
  }
  return names.length === 0 ? SECTIONS : SECTIONS.filter((name) => names.includes(name));
}

function onlyOf(text: string | undefined, sections: readonly SectionName[]): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined;
  const names = text.split(",");
  const known = productsOf(sections);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`Unknown product: ${unknown.join(", ")}. These sections have ${known.join(", ")}.`);
  }
  return new Set(names);
}

const HELP = [
  "Usage: npm run bench:peers -- [SECTION…] [--quick] [--json] [--only NAME,NAME] [--publish]",
  "",
  "Servable beside the products that users would choose instead, each as its documentation shows it.",
  "",
  `Sections (default: all): ${SECTIONS.join(", ")}`,
  "",
  "  --quick       rough figures in a few minutes, to see that everything runs",
  "  --json        print a JSON list of rows { name, figure, unit, target, ok } and nothing else",
  "  --publish     write the report into docs/performance.md, if every product was measured",
  "  --only NAMES  measure only these products, separated by commas",
  "  --help        print this",
  "",
  "Installs the products into .cache/peers, or the folder of the variable PEERS_WORK, and writes a report there.",
  "Needs Linux, two cores, a C compiler, taskset and, for the Python products, python3.11.",
  "",
  "Exit code: 0 when every product was measured, 2 when not.",
].join("\n");
