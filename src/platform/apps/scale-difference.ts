import type { AliasInfo } from "../generated/controller_pb.ts";
import { DEFAULT_KEEP_ALIVE, machineTypes, type MachineSettings } from "./machine-requirements.ts";

/** A setting that a deployment changes, in words. */
export interface ScaleChange {
  /** As it is called in a class. */
  readonly setting: keyof MachineSettings;
  readonly from: string;
  readonly to: string;
}

/** What holds where an app has never said anything else. */
const DEFAULTS = {
  keepAlive: DEFAULT_KEEP_ALIVE,
  minConcurrency: 0,
  maxConcurrency: 2,
  concurrencyBuffer: 0,
  concurrencyBufferPerc: 0,
  scalingDelay: 0,
  maxMultiplexing: 1,
  requestTimeout: 3_600,
  startupTimeout: 600,
} as const;

type Amount = keyof typeof DEFAULTS;
const AMOUNTS = Object.keys(DEFAULTS) as Amount[];
/** These are the code's at every deployment; all others stay as they were scaled, unless the scale is reset. */
const OF_CODE: ReadonlySet<string> = new Set(["maxMultiplexing", "startupTimeout"]);

/**
 * What changes of an app's scale when it is deployed: what runs now beside what would run then. Of an app that is new
 * (`current` is absent), what would run beside what the control plane takes where nothing is said.
 */
export function scaleDifference(
  current: AliasInfo | undefined,
  next: MachineSettings,
  resetScale: boolean,
): ScaleChange[] {
  const isKept = current !== undefined && !resetScale;
  const changes = AMOUNTS.map((setting): ScaleChange => {
    const from = current === undefined ? DEFAULTS[setting] : (valueOf(current, setting) ?? DEFAULTS[setting]);
    const to = isKept && !OF_CODE.has(setting) ? from : (next[setting] ?? DEFAULTS[setting]);
    return { setting, from: String(from), to: String(to) };
  });
  const regions = current?.validRegions ?? [];
  changes.push(
    {
      setting: "regions",
      from: regionNames(regions),
      to: regionNames(isKept ? regions : (next.regions ?? [])),
    },
    {
      setting: "machineType",
      from: (current?.machineTypes ?? machineTypes({})).join(", "),
      to: machineTypes(next).join(", "),
    },
  );
  return changes.filter(({ from, to }) => from !== to);
}

function valueOf(alias: AliasInfo, setting: Amount): number | undefined {
  return setting === "scalingDelay" ? alias.scalingDelaySeconds : alias[setting];
}

function regionNames(regions: readonly string[]): string {
  return regions.length === 0 ? "any" : regions.toSorted().join(", ");
}
