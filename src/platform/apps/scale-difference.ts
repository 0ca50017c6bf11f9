import type { AliasInfo } from "../generated/controller_pb.ts";
import {
  settingOf,
  SETTINGS,
  settingsOf,
  type MachineSetting,
  type SettingsOf,
} from "../../settings/settings.ts";
import type { Setting } from "../../settings/setting.ts";
import { machineTypes, type MachineSettings } from "./machine-requirements.ts";

/** A setting with its values before and after a deployment, as text. */
export interface ScaleChange {
  /** The name of the setting in a class. */
  readonly setting: MachineSetting;
  readonly from: string;
  readonly to: string;
}

/** Whether every deployment applies the value from the code, even without a reset of the scale. */
function isOfCode(setting: MachineSetting): boolean {
  return settingOf(setting)?.keptBy === "code";
}

/**
 * The settings of an app's scale that a deployment changes, with the value before and after it. For a new app
 * (`current` is undefined), the value before is the control plane's default.
 */
export function scaleDifference(
  current: AliasInfo | undefined,
  next: MachineSettings,
  resetScale: boolean,
): ScaleChange[] {
  const isKept = current !== undefined && !resetScale;
  return comparison(current, next)
    .map((change) => (isKept && !isOfCode(change.setting) ? { ...change, to: change.from } : change))
    .filter(({ from, to }) => from !== to);
}

/**
 * The settings whose values in the code the next deployment does not apply: `from` is the app's current value, `to` the
 * value in the code.
 */
export function keptSettings(current: AliasInfo, next: MachineSettings): ScaleChange[] {
  return comparison(current, next).filter(({ setting, from, to }) => !isOfCode(setting) && from !== to);
}

/** The complete scale of a new app: `to` is the deployed value. */
export function allSettings(next: MachineSettings): ScaleChange[] {
  return comparison(undefined, next);
}

/** All settings, each with the app's current value and the value in the code. */
function comparison(current: AliasInfo | undefined, next: MachineSettings): ScaleChange[] {
  return [
    ...settingsOf("scale").map((setting): ScaleChange => {
      const byDefault = defaultOf(SETTINGS[setting]);
      return {
        setting,
        from: amountText(setting, current?.[SETTINGS[setting].wire] ?? byDefault),
        to: amountText(setting, next[setting] ?? byDefault),
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

/** The platform's default, for an app that has never set a value. */
function defaultOf({ platformDefault, default: byDefault = 0 }: Setting): number {
  return Number(platformDefault ?? byDefault);
}

function amountText(setting: SettingsOf<"scale">, amount: number): string {
  return setting === "requestStartTimeout" && amount === 0 ? "none" : String(amount);
}

function regionNames(regions: readonly string[]): string {
  return regions.length === 0 ? "any" : regions.toSorted().join(", ");
}
