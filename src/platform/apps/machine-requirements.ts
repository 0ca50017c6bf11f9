import type { MessageInitShape } from "@bufbuild/protobuf";
import { UsageError } from "../../errors.ts";
import { misfit, Misfit, type Check } from "../../settings/check.ts";
import {
  pick,
  SETTINGS,
  settingOf,
  type MachineSetting,
  type SettingName,
  type SettingValues,
} from "../../settings/settings.ts";
import type { MachineRequirementsSchema } from "../generated/controller_pb.ts";

/** Where an app runs and how it scales. Omitted settings are not sent, except for the machine type and `keepAlive`. */
export type MachineSettings = SettingValues<MachineSetting>;

/** The fields of the protocol that describe a machine. */
export type MachineMessage = MessageInitShape<typeof MachineRequirementsSchema>;

/** The settings by the names of their fields. */
export type WireFields = {
  [Name in MachineSetting as (typeof SETTINGS)[Name]["wire"]]?: number extends SettingValues<Name>[Name]
    ? number
    : string[];
};

/** The settings that are sent as fields of {@link MachineMessage}. */
export const MACHINE_SETTINGS = (Object.keys(SETTINGS) as SettingName[]).filter(
  (name): name is MachineSetting => settingOf(name)?.wire !== undefined,
);

/** The largest number that a field of the protocol holds. */
const MAX_INT32 = 2 ** 31 - 1;

const isInt32 = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_INT32;
export const int32: Check<number> = (value) =>
  isInt32(value) ? value : misfit("a whole number from 0", value);
/** Fractions are rounded up: a limit that was rounded down would come too early. */
export const int32Seconds: Check<number> = (value) => {
  const whole = typeof value === "number" ? Math.ceil(value) : value;
  return isInt32(whole) ? whole : misfit("a number of seconds from 0", value);
};

/** @throws UsageError that names the value */
export function checked<Value>(name: string, check: Check<Value>, value: unknown): Value {
  const result = check(value);
  if (!(result instanceof Misfit)) return result;
  throw new UsageError(`${name} has to be ${result.expected}, not ${result.got}.`);
}

/**
 * Settings as fields of the protocol. Those without a value are left out: a field that is sent changes the app.
 * @throws UsageError if a number does not fit its field
 */
export function wireFields<Name extends MachineSetting>(
  settings: SettingValues<Name>,
  names: readonly Name[],
): WireFields {
  const fields = Object.entries(pick(settings, names)).map(([name, value]) => {
    const { wire, unit } = SETTINGS[name as Name] as (typeof SETTINGS)[Name] & { readonly unit?: string };
    if (typeof value !== "number")
      return [wire, typeof value === "string" ? [value] : [...(value as string[])]];
    return [wire, checked(name, unit === "seconds" ? int32Seconds : int32, value)];
  });
  return Object.fromEntries(fields) as WireFields;
}

/** The machine as the build of an image needs to know it. @throws UsageError if a setting is invalid */
export function buildRequirements(settings: MachineSettings): MachineMessage {
  const types = machineTypes(settings);
  return {
    ...wireFields(settings, ["numGpus", "regions"]),
    // Deprecated, but a control plane may know it alone.
    machineType: types[0] as string,
    machineTypes: types,
    schedulerOptions: {},
  };
}

/** All fields of a machine. @throws UsageError if a setting is invalid */
export function machineRequirements(settings: MachineSettings): MachineMessage {
  return {
    keepAlive: SETTINGS.keepAlive.default,
    ...wireFields(settings, MACHINE_SETTINGS),
    ...buildRequirements(settings),
  };
}

/** The kinds of machine, the preferred one first; at least one. */
export function machineTypes({ machineType = [] }: MachineSettings): string[] {
  const types = typeof machineType === "string" ? [machineType] : [...machineType];
  return types.length === 0 ? [SETTINGS.machineType.platformDefault] : types;
}

/** The fields that have a value. A field that is not set must not be sent, not even as zero. */
export function omitUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return pick(fields, Object.keys(fields) as (keyof T)[]);
}
