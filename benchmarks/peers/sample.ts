import type { LoadResult } from "./load.ts";

/** The sections of the benchmark, in the order of the report. */
export const SECTIONS = ["overhead", "batching", "realtime", "streams", "start", "workers", "size"] as const;

/** The name of a section. */
export type SectionName = (typeof SECTIONS)[number];

/** One measurement of one product, as the results folder has it in `samples.jsonl`. */
export interface Sample {
  readonly section: SectionName;
  /** The kind of measurement within the section, such as "closed" or "open". */
  readonly kind: string;
  readonly product: string;
  /** The values that were chosen, such as a rate. */
  readonly parameters: Readonly<Record<string, number>>;
  /** The values that were measured. `foreignCpu` is the number of cores that other processes used meanwhile. */
  readonly figures: Readonly<Record<string, number>>;
}

/** The foreign CPU above which a sample is noise, in cores. */
export const MAX_FOREIGN_CPU = 0.2;

/** Whether other processes left the machine alone while a sample was measured. */
export function isQuiet({ figures }: Sample): boolean {
  return (figures["foreignCpu"] ?? 0) <= MAX_FOREIGN_CPU;
}

/** The figures of a load that mean nothing without good answers, and without rejections. */
const OF_ANSWERS = ["p50", "p90", "p99", "max", "cpuUsPerOk"];
const OF_STREAMS = ["firstP50", "firstP99", "cpuUsPerItem"];
const OF_REJECTIONS = ["refuseP50", "refuseP99"];

/**
 * The figures of a load as those of a sample. The number of answers of each status is `status200` and so on. A latency
 * without any answer is left out: the load generator reports it as 0.
 */
export function figuresOf({ status, ...result }: LoadResult): Record<string, number> {
  const meaningless = new Set([
    ...(result.ok === 0 ? OF_ANSWERS : []),
    ...(result.firstP50 === 0 ? OF_STREAMS : []),
    ...(result.refused === 0 ? OF_REJECTIONS : []),
  ]);
  const figures = Object.entries(result).filter(([name]) => !meaningless.has(name));
  const counts = Object.entries(status).map(([code, count]) => [`status${code}`, count] as const);
  return Object.fromEntries([...figures, ...counts]);
}
