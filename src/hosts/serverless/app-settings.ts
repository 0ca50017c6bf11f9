import type { AppSettings } from "../../deploy-config.ts";
import type { Deployment } from "../../platform/deployment/deploy-request.ts";
import type { MachineSettings } from "../../platform/apps/machine-requirements.ts";

/** Settings of a class that have a meaning for an image, too. */
export const SHARED_SETTINGS = [
  ...["machineType", "numGpus", "regions", "keepAlive", "minConcurrency", "maxConcurrency"],
  ...["concurrencyBuffer", "concurrencyBufferPerc", "scalingDelay", "maxMultiplexing", "requestTimeout"],
  "requestStartTimeout",
  ...["startupTimeout", "exposedPort", "metricsPort", "terminationGracePeriodSeconds", "secrets"],
  ...["dataMounts", "retryConfig", "skipRetryConditions", "privateLogs"],
] as const satisfies readonly (keyof AppSettings)[];

/** What a class gets where it says nothing: more than a bare image, since Node and a model have to fit. */
const CLASS_DEFAULTS: AppSettings = { machineType: "S", keepAlive: 60, exposedPort: 8080 };

/** The settings of a class, with those of a config before them. */
export function classSettings(statics: AppSettings, config: AppSettings): AppSettings {
  const merged: Record<string, unknown> = { ...CLASS_DEFAULTS };
  for (const settings of [statics, config]) {
    for (const [name, value] of Object.entries(settings)) if (value !== undefined) merged[name] = value;
  }
  return merged;
}

/** The settings in the form in which they are deployed. */
export function deploymentSettings(
  settings: AppSettings,
): Pick<
  Deployment,
  | "machine"
  | "secrets"
  | "dataMounts"
  | "retryConfig"
  | "skipRetryConditions"
  | "privateLogs"
  | "terminationGracePeriodSeconds"
> {
  const { machineType, numGpus, regions, keepAlive, minConcurrency, maxConcurrency } = settings;
  const { concurrencyBuffer, concurrencyBufferPerc, scalingDelay, maxMultiplexing } = settings;
  const { requestTimeout, requestStartTimeout, startupTimeout, exposedPort, metricsPort } = settings;
  const machine: MachineSettings = {
    ...{ machineType, numGpus, regions, keepAlive, minConcurrency, maxConcurrency },
    ...{ concurrencyBuffer, concurrencyBufferPerc, scalingDelay, maxMultiplexing },
    ...{ requestTimeout, requestStartTimeout, startupTimeout, exposedPort, metricsPort },
  };
  const { secrets, dataMounts, retryConfig, skipRetryConditions, privateLogs } = settings;
  const { terminationGracePeriodSeconds } = settings;
  return {
    machine,
    ...{ secrets, dataMounts, retryConfig, skipRetryConditions, privateLogs, terminationGracePeriodSeconds },
  };
}
