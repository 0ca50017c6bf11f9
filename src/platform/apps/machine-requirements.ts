import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  SETTINGS,
  settingOf,
  type MachineSetting,
  type SettingName,
  type SettingValues,
} from "../../settings/settings.ts";
import { pick } from "../../settings/defined-fields.ts";
import type { MachineRequirementsSchema } from "../generated/controller_pb.ts";
import { checked, int32, int32Seconds } from "./wire-values.ts";

/** Where an app runs and how it scales. Omitted settings are not sent, except for the machine type and `keepAlive`. */
export type MachineSettings = SettingValues<MachineSetting>;

/** The fields of the protocol that describe a machine. */
export type MachineMessage = MessageInitShape<typeof MachineRequirementsSchema>;

/** Values of settings, by the names of their fields in the protocol. */
export type WireFields = {
  [Name in MachineSetting as (typeof SETTINGS)[Name]["wire"]]?: number extends SettingValues<Name>[Name]
    ? number
    : string[];
};

/** The settings that are sent as fields of {@link MachineMessage}. */
export const MACHINE_SETTINGS = (Object.keys(SETTINGS) as SettingName[]).filter(
  (name): name is MachineSetting => settingOf(name)?.wire !== undefined,
);

/**
 * Converts settings to fields of the protocol. Settings without a value are omitted, because every field that is sent
 * changes the app.
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

/** The fields of a machine that the build of an image needs. @throws UsageError if a setting is invalid */
export function buildRequirements(settings: MachineSettings): MachineMessage {
  const types = machineTypes(settings);
  return {
    ...wireFields(settings, ["numGpus", "regions"]),
    // Deprecated, but some control planes support only this field.
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

/** The kinds of machine in order of preference; at least one. */
export function machineTypes({ machineType = [] }: MachineSettings): string[] {
  const types = typeof machineType === "string" ? [machineType] : [...machineType];
  return types.length === 0 ? [SETTINGS.machineType.platformDefault] : types;
}
