import type { Options } from "../../functions/options.ts";
import type { MachineSettings } from "../../platform/apps/machine-requirements.ts";
import { metricsPortOf, portOf } from "./function-image.ts";

/** What a function's options say of the machine it wants. */
export function machineSettings(options: Options): MachineSettings {
  const { machineType, numGpus, regions, keepAlive, minConcurrency, maxConcurrency } = options.host;
  const { concurrencyBuffer, concurrencyBufferPerc, scalingDelay, maxMultiplexing } = options.host;
  const { requestTimeout, requestStartTimeout, startupTimeout } = options.host;
  return {
    ...{ machineType, numGpus, regions, keepAlive, minConcurrency, maxConcurrency },
    ...{ concurrencyBuffer, concurrencyBufferPerc, scalingDelay, maxMultiplexing },
    ...{ requestTimeout, requestStartTimeout, startupTimeout },
    exposedPort: portOf(options),
    metricsPort: metricsPortOf(options),
  };
}
