import { median, quantile } from "../lib/statistics.ts";
import type { Sample, SectionName } from "./sample.ts";

/** One column of figures. */
interface Column {
  readonly title: string;
  readonly unit: string;
  readonly of: (figures: Sample["figures"]) => number | undefined;
  /** How the figures of all rounds become one; by default the median. */
  readonly summary?: (values: readonly number[]) => number;
}

/** A table of the report: one row for each product, or for each product and parameter. */
export interface Table {
  readonly section: SectionName;
  readonly kind: string;
  readonly title: string;
  readonly note: string;
  /** The parameters that make a line of their own. */
  readonly by: readonly string[];
  readonly columns: readonly Column[];
  /** The bar chart beside the table, of one column. */
  readonly chart?: { readonly column: string; readonly only?: Readonly<Record<string, number>> };
}

/** A line of a table. */
export interface Line {
  readonly product: string;
  readonly parameters: Readonly<Record<string, number>>;
  /** One for each column; undefined if the product has no such figure. */
  readonly cells: readonly (number | undefined)[];
}

function column(title: string, unit: string, key: string, summary?: Column["summary"]): Column {
  return { title, unit, of: (figures) => figures[key], ...(summary === undefined ? {} : { summary }) };
}

/** The quiet rounds: other processes can only add to the processor time of a request. */
function quietFifth(values: readonly number[]): number {
  return quantile(values, 0.2);
}

function smallest(values: readonly number[]): number {
  return Math.min(...values);
}

const RPS = column("answers", "1/s", "rps");
const CPU = column("CPU per answer", "µs", "cpuUsPerOk", quietFifth);
const P50 = column("p50", "ms", "p50");
const P99 = column("p99", "ms", "p99");

/** All tables, in the order of the report. */
export const TABLES: readonly Table[] = [
  {
    ...{ section: "overhead", kind: "closed", title: "Overhead at full speed", by: [] },
    note: "JSON in and out, six validated fields. 32 clients send their next request when they have the answer.",
    columns: [RPS, CPU, P50, P99],
    chart: { column: "answers" },
  },
  {
    ...{ section: "overhead", kind: "half", title: "Latency at half of the full speed", by: [] },
    note: "Poisson arrivals at half of each product's own rate. The percentiles are those of the quieter round.",
    columns: [
      column("rate", "1/s", "rate"),
      column("p50", "ms", "p50", smallest),
      column("p99", "ms", "p99", smallest),
    ],
    chart: { column: "p99" },
  },
  {
    ...{ section: "batching", kind: "open", title: "Batching under rising load", by: ["rate"] },
    note: "Batches of n take 20 + n ms, n ≤ 64. Poisson arrivals; an answer within 100 ms counts as goodput.",
    columns: [
      column("goodput", "1/s", "goodput"),
      { title: "answered in time", unit: "%", of: ({ goodShare = 0 }) => goodShare * 100 },
      ...[P50, P99],
      column("rejected", "requests", "refused"),
      column("p99 of rejections", "ms", "refuseP99"),
      column("mean batch", "items", "batchSize"),
    ],
  },
  {
    ...{
      section: "batching",
      kind: "closed",
      title: "Batching with a fixed number of clients",
      by: ["clients"],
    },
    note: "Clients send their next request when they have the answer. The best rate is 1000·C/(20 + C) per second.",
    columns: [RPS, P50, P99, column("mean batch", "items", "batchSize")],
    chart: { column: "answers", only: { clients: 48 } },
  },
  {
    ...{ section: "realtime", kind: "echo", title: "Realtime", by: ["window"] },
    note: "An echo of MessagePack on 16 sockets. The window is the number of messages under way on each socket.",
    columns: [
      column("messages", "1/s", "rps"),
      column("CPU per message", "µs", "cpuUsPerOk", quietFifth),
      ...[P50, P99],
    ],
    chart: { column: "messages", only: { window: 8 } },
  },
  ...(["burst", "paced"] as const).map((kind): Table => ({
    ...{ section: "streams", kind, by: [] },
    title: kind === "burst" ? "Server-sent events, all at once" : "Server-sent events, one every 20 ms",
    note: "200 streams of 50 items at a time. The percentiles are those of the duration of a stream.",
    columns: [
      column("items", "1/s", "itemsPerS"),
      column("CPU per item", "µs", "cpuUsPerItem", quietFifth),
      column("first item, p50", "ms", "firstP50"),
      ...[P50, P99],
    ],
    chart: { column: kind === "burst" ? "items" : "CPU per item" },
  })),
  {
    ...{ section: "start", kind: "start", title: "Start", by: [] },
    note: "From the start of the process to the first answer.",
    columns: [column("start", "s", "seconds")],
    chart: { column: "start" },
  },
  {
    ...{ section: "start", kind: "memory", title: "Memory", by: [] },
    note: "Proportional set size of all processes: when idle, and with 1,000 open connections.",
    columns: [
      column("processes", "processes", "processes"),
      column("idle", "MiB", "idleMb"),
      column("1,000 connections", "MiB", "connectedMb"),
      column("CPU when idle", "%", "idleCpuPercent"),
    ],
    chart: { column: "idle" },
  },
  {
    ...{ section: "workers", kind: "compute", title: "Workers", by: ["workers"] },
    note: "A handler that computes for about 10 ms on one core. 32 clients, and one client alone.",
    columns: [
      RPS,
      P50,
      P99,
      column("p50 of one client", "ms", "oneClientP50"),
      column("memory", "MiB", "memoryMb"),
    ],
  },
  {
    ...{ section: "size", kind: "size", title: "Size", by: [] },
    note: "Packages and files of a production installation. MB are 1,000,000 bytes.",
    columns: [column("packages", "packages", "packages"), column("files", "MB", "megabytes")],
    chart: { column: "files" },
  },
];

/** The lines of a table: products in the order of measurement, and parameters from small to large. */
export function linesOf({ section, kind, by, columns }: Table, samples: readonly Sample[]): Line[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples.filter((one) => one.section === section && one.kind === kind)) {
    const key = [sample.product, ...by.map((name) => sample.parameters[name])].join("\n");
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups.values()].map((group) => ({
    product: group[0]?.product ?? "",
    parameters: Object.fromEntries(by.map((name) => [name, group[0]?.parameters[name] ?? 0])),
    cells: columns.map(({ of, summary = median }) => {
      const values = group.map(({ figures }) => of(figures)).filter((value) => value !== undefined);
      return values.length === 0 ? undefined : summary(values);
    }),
  }));
}
