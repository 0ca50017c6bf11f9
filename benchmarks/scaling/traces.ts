import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Workload } from "../../src/controller/scaling/simulation/workload.ts";
import { SeededRandom } from "../lib/random.ts";

/** The names of the traces, in the order of tables. */
export const TRACES = ["code", "sine", "bursts", "gamma4", "flash", "apps"] as const;

export type TraceName = (typeof TRACES)[number];

/** A workload of a trace. */
export interface TracedApp extends Workload {
  /** How often it counts: apps with many requests are simulated for a part of a day. */
  readonly weight: number;
}

/** The apps of each trace: one, or 200 in the trace "apps". @param seed of all random numbers */
export function createTraces(seed: number): Readonly<Record<TraceName, readonly TracedApp[]>> {
  return {
    code: [recordedHour()],
    sine: [dailySine(new SeededRandom(seed + 10))],
    bursts: [bursts(new SeededRandom(seed + 20))],
    gamma4: [gammaGaps("gamma4", new SeededRandom(seed + 30), { end: 7_200, rate: 2, deviation: 4 })],
    flash: [flashCrowd(new SeededRandom(seed + 40))],
    apps: manyApps(seed + 60, 200),
  };
}

/** One hour of a code-completion model: README.md names its source. */
function recordedHour(): TracedApp {
  const file = new URL("azure-llm-2023-code.csv.gz", import.meta.url);
  const [, ...lines] = gunzipSync(readFileSync(file)).toString().trim().split("\n");
  const requests = lines
    .map((line): Request => {
      const [time = "", context, generated] = line.split(",");
      const [hours = 0, minutes = 0, seconds = 0] = time.slice(11).split(":").map(Number);
      return [hours * 3_600 + minutes * 60 + seconds, 0.000_25 * Number(context) + 0.02 * Number(generated)];
    })
    .sort(([a], [b]) => a - b);
  const begin = (requests[0]?.[0] ?? 0) - 1;
  const shifted = requests.map(([at, service]): Request => [at - begin, service]);
  return workload("code", shifted, (shifted.at(-1)?.[0] ?? 0) + 1);
}

/** A day of four hours, from 0.2 to 7.8 requests per second. */
function dailySine(random: SeededRandom): TracedApp {
  const end = 14_400;
  const rate = (at: number): number => 4 * (1 - 0.95 * Math.cos((2 * Math.PI * at) / end));
  const requests: Request[] = [];
  for (let at = random.exponential(1 / 7.8); at < end; at += random.exponential(1 / 7.8)) {
    if (random.uniform() * 7.8 < rate(at)) requests.push([at, random.logNormal(1)]);
  }
  return workload("sine", requests, end);
}

/** 1 request per second for 53 s, then 20 per second for 10 s, in the mean. */
function bursts(random: SeededRandom): TracedApp {
  const end = 7_200;
  const requests: Request[] = [];
  let [at, isHigh] = [0, false];
  let change = random.exponential(53.3);
  while (at <= end) {
    const next = at + random.exponential(isHigh ? 1 / 20 : 1);
    if (next > change) {
      at = change;
      isHigh = !isHigh;
      change = at + random.exponential(isHigh ? 10 : 53.3);
    } else {
      at = next;
      if (at <= end) requests.push([at, random.logNormal(1)]);
    }
  }
  return workload("bursts", requests, end);
}

/** 200 requests per second for one minute, and none before and after. */
function flashCrowd(random: SeededRandom): TracedApp {
  const requests: Request[] = [];
  for (let at = 300 + random.exponential(1 / 200); at < 360; at += random.exponential(1 / 200)) {
    requests.push([at, 0.5 * random.logNormal(1)]);
  }
  return workload("flash", requests, 1_200);
}

interface GapOptions {
  readonly end: number;
  readonly rate: number;
  /** The deviation of the gaps, as a multiple of their mean. */
  readonly deviation: number;
  readonly serviceSeconds?: number;
}

/** Requests whose gaps have a Gamma distribution: with a deviation above 1 they come in clusters. */
function gammaGaps(name: string, random: SeededRandom, options: GapOptions): TracedApp {
  const { end, rate, deviation, serviceSeconds = 1 } = options;
  const shape = 1 / (deviation * deviation);
  const requests: Request[] = [];
  for (let at = random.gamma(shape) / shape / rate; at <= end; at += random.gamma(shape) / shape / rate) {
    requests.push([at, serviceSeconds * random.logNormal(1)]);
  }
  return workload(name, requests, end);
}

/**
 * Apps with rates from one request in 116 days to ten per second, evenly spread over the logarithm. 16 % are timers, half are
 * Poisson, the others have Gamma gaps.
 */
function manyApps(seed: number, count: number): TracedApp[] {
  return Array.from({ length: count }, (_, index): TracedApp => {
    const random = new SeededRandom(seed * 1_000 + index);
    const rate = 10 ** (-7 + 8 * ((index + 0.5) / count));
    const serviceSeconds = Math.min(30, Math.exp(Math.log(0.7) + 1.2 * random.normal()));
    const end = Math.min(86_400, Math.max(3_600, 6_000 / rate));
    const kind = random.uniform();
    const weight = 86_400 / end;
    if (kind < 0.16) return { ...timer(random, { end, rate, serviceSeconds }), weight };
    const deviation = kind < 0.66 ? 1 : 2 + 6 * random.uniform();
    const gaps = new SeededRandom(seed * 7_919 + index);
    return { ...gammaGaps("apps", gaps, { end, rate, deviation, serviceSeconds }), weight };
  }).filter(({ arrivals }) => arrivals.length > 0);
}

function timer(
  random: SeededRandom,
  { end, rate, serviceSeconds }: { end: number; rate: number; serviceSeconds: number },
): TracedApp {
  const requests: Request[] = [];
  for (let at = random.uniform() / rate; at < end; at += 1 / rate) {
    requests.push([at + random.uniform() * 0.05, serviceSeconds * random.logNormal(0.5)]);
  }
  return workload("apps", requests, end);
}

type Request = readonly [at: number, serviceSeconds: number];

function workload(name: string, requests: readonly Request[], end: number): TracedApp {
  return {
    name,
    arrivals: Float64Array.from(requests, ([at]) => at),
    services: Float64Array.from(requests, ([, service]) => service),
    end,
    weight: 1,
  };
}
