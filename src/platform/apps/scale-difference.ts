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
  requestStartTimeout: 0,
  startupTimeout: 600,
} as const;

type Amount = keyof typeof DEFAULTS;
const AMOUNTS = Object.keys(DEFAULTS) as Amount[];
/** These are the code's at every deployment; all others stay as they were scaled, unless the scale is reset. */
const OF_CODE: ReadonlySet<string> = new Set(["maxMultiplexing", "startupTimeout", "machineType"]);

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
  return comparison(current, next)
    .map((change) => (isKept && !OF_CODE.has(change.setting) ? { ...change, to: change.from } : change))
    .filter(({ from, to }) => from !== to);
}

/** What of the code does not come into force when an app is deployed again: `from` is what stays, `to` what the code says. */
export function keptSettings(current: AliasInfo, next: MachineSettings): ScaleChange[] {
  return comparison(current, next).filter(({ setting, from, to }) => !OF_CODE.has(setting) && from !== to);
}

/** All of a new app's scale: `to` is what it would be deployed with. */
export function allSettings(next: MachineSettings): ScaleChange[] {
  return comparison(undefined, next);
}

/** Each setting as it is, beside what the code says. */
function comparison(current: AliasInfo | undefined, next: MachineSettings): ScaleChange[] {
  return [
    ...AMOUNTS.map((setting): ScaleChange => {
      const from =
        current === undefined ? DEFAULTS[setting] : (valueOf(current, setting) ?? DEFAULTS[setting]);
      return {
        setting,
        from: amountText(setting, from),
        to: amountText(setting, next[setting] ?? DEFAULTS[setting]),
      };
    }),
    {
      setting: "regions",
      from: regionNames(current?.validRegions ?? []),
      to: regionNames(next.regions ?? []),
    },
    {
      setting: "machineType",
      from: (current?.machineTypes ?? machineTypes({})).join(", "),
      to: machineTypes(next).join(", "),
    },
  ];
}

function amountText(setting: Amount, amount: number): string {
  return setting === "requestStartTimeout" && amount === 0 ? "none" : String(amount);
}

function valueOf(alias: AliasInfo, setting: Amount): number | undefined {
  return setting === "scalingDelay" ? alias.scalingDelaySeconds : alias[setting];
}

function regionNames(regions: readonly string[]): string {
  return regions.length === 0 ? "any" : regions.toSorted().join(", ");
}
