import type { Options } from "../../functions/options.ts";
import { MACHINE_SETTINGS, type MachineSettings } from "../../platform/apps/machine-requirements.ts";
import { pick } from "../../settings/settings.ts";
import { metricsPortOf, portOf } from "./function-image.ts";

/** The machine that a function's options ask for. */
export function machineSettings(options: Options): MachineSettings {
  const ports = { exposedPort: portOf(options), metricsPort: metricsPortOf(options) };
  return pick({ ...options.host, ...ports }, MACHINE_SETTINGS);
}
