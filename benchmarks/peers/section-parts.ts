import {
  BATCHING,
  BATCHING_WITH_LIMIT,
  BATCHING_WITHOUT_DEADLINE,
  NPM_PACKAGES,
  OVERHEAD,
  PYTHON_ENVIRONMENTS,
  REALTIME,
  STREAMS,
  WORKERS,
} from "./products.ts";
import type { SectionName } from "./sample.ts";
import type { SectionContext } from "./section.ts";
import { measureBatching } from "./sections/batching.ts";
import { measureOverhead } from "./sections/overhead.ts";
import { measureRealtime } from "./sections/realtime.ts";
import { measureSize } from "./sections/size.ts";
import { measureStart } from "./sections/start.ts";
import { measureStreams } from "./sections/streams.ts";
import { measureWorkers } from "./sections/workers.ts";

/** A product of a section, and the environment that it needs. */
interface Part {
  readonly name: string;
  readonly environment: string;
}

const SIZES: readonly Part[] = [
  { name: "servable", environment: "servable" },
  ...Object.keys(NPM_PACKAGES).map((name) => ({ name, environment: "npm" })),
  ...PYTHON_ENVIRONMENTS.map((name) => ({ name, environment: name })),
];

/** The products and the measurement of each section. */
export const SECTION_PARTS: Readonly<
  Record<
    SectionName,
    { readonly parts: readonly Part[]; readonly measure: (context: SectionContext) => Promise<void> }
  >
> = {
  overhead: { parts: OVERHEAD, measure: measureOverhead },
  batching: {
    parts: [...BATCHING, ...BATCHING_WITHOUT_DEADLINE, ...BATCHING_WITH_LIMIT],
    measure: measureBatching,
  },
  realtime: { parts: REALTIME, measure: measureRealtime },
  streams: { parts: STREAMS, measure: measureStreams },
  start: { parts: OVERHEAD, measure: measureStart },
  workers: { parts: WORKERS.map(({ counts, product }) => product(counts[0] ?? 0)), measure: measureWorkers },
  size: { parts: SIZES, measure: measureSize },
};

/** The names of all products of some sections. */
export function productsOf(sections: readonly SectionName[]): string[] {
  return [...new Set(sections.flatMap((name) => SECTION_PARTS[name].parts.map((part) => part.name)))];
}

/** The environments to install for some sections, of all products or only of those named. */
export function environmentsOf(
  sections: readonly SectionName[],
  only: ReadonlySet<string> | undefined,
): ReadonlySet<string> {
  const parts = sections.flatMap((name) => SECTION_PARTS[name].parts);
  return new Set(
    parts.filter(({ name }) => only === undefined || only.has(name)).map(({ environment }) => environment),
  );
}
