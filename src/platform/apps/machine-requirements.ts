import type { MessageInitShape } from "@bufbuild/protobuf";
import { wholeAmount, wholeSeconds } from "./amounts.ts";
import type { MachineRequirementsSchema } from "../generated/controller_pb.ts";

/** Where an app runs and how it scales. What is left out is not sent, but for the machine and `keepAlive`. */
export interface MachineSettings {
  /** The kind of machine, or several in order of preference. Default "XS". */
  readonly machineType?: string | readonly string[] | undefined;
  /** GPUs a runner gets. */
  readonly numGpus?: number | undefined;
  /** Where runners may be. */
  readonly regions?: readonly string[] | undefined;
  /** How long an idle runner lives, in seconds. Default 10. */
  readonly keepAlive?: number | undefined;
  /** Runners that are always there. */
  readonly minConcurrency?: number | undefined;
  /** Runners there may be. */
  readonly maxConcurrency?: number | undefined;
  /** Runners held ready beyond the demand. */
  readonly concurrencyBuffer?: number | undefined;
  /** The same, in percent of the demand. */
  readonly concurrencyBufferPerc?: number | undefined;
  /** How long a request waits before a runner is added, in seconds. */
  readonly scalingDelay?: number | undefined;
  /** Requests one runner works on at a time. */
  readonly maxMultiplexing?: number | undefined;
  /** How long a request of the owner's may wait for a runner, in seconds; 0 sets no limit. Default: as before. */
  readonly requestStartTimeout?: number | undefined;
  /** In seconds. */
  readonly requestTimeout?: number | undefined;
  /** In seconds. */
  readonly startupTimeout?: number | undefined;
  /** The port of the container that gets the requests. */
  readonly exposedPort?: number | undefined;
  /** The port of the container that has the metrics. */
  readonly metricsPort?: number | undefined;
}

/** What is sent of a machine. */
export type MachineMessage = MessageInitShape<typeof MachineRequirementsSchema>;

/** The machine where nothing else is said. */
export const DEFAULT_MACHINE_TYPE = "XS";
/** How long an idle runner lives where nothing else is said, in seconds. */
export const DEFAULT_KEEP_ALIVE = 10;

/** What the build of an environment has to know of the machine. @throws UsageError when a setting makes no sense */
export function buildRequirements(settings: MachineSettings): MachineMessage {
  const { numGpus, regions } = settings;
  const types = machineTypes(settings);
  return {
    // Deprecated, but a control plane may know it alone.
    machineType: types[0] as string,
    machineTypes: types,
    schedulerOptions: {},
    ...given({ numGpus: wholeAmount("numGpus", numGpus) }),
    ...(regions === undefined ? {} : { validRegions: [...regions] }),
  };
}

/** All there is to say of a machine. @throws UsageError when a setting makes no sense */
export function machineRequirements(settings: MachineSettings): MachineMessage {
  const amount = (name: keyof MachineSettings): number | undefined =>
    wholeAmount(name, settings[name] as number | undefined);
  const seconds = (name: keyof MachineSettings): number | undefined =>
    wholeSeconds(name, settings[name] as number | undefined);
  return {
    ...buildRequirements(settings),
    keepAlive: seconds("keepAlive") ?? DEFAULT_KEEP_ALIVE,
    ...given({
      exposedPort: amount("exposedPort"),
      metricsPort: amount("metricsPort"),
      maxMultiplexing: amount("maxMultiplexing"),
      maxConcurrency: amount("maxConcurrency"),
      minConcurrency: amount("minConcurrency"),
      concurrencyBuffer: amount("concurrencyBuffer"),
      concurrencyBufferPerc: amount("concurrencyBufferPerc"),
      scalingDelaySeconds: seconds("scalingDelay"),
      requestTimeout: seconds("requestTimeout"),
      requestStartTimeout: seconds("requestStartTimeout"),
      startupTimeout: seconds("startupTimeout"),
    }),
  };
}

/** The kinds of machine, the preferred one first; never none. */
export function machineTypes({ machineType = DEFAULT_MACHINE_TYPE }: MachineSettings): string[] {
  const types = typeof machineType === "string" ? [machineType] : [...machineType];
  return types.length === 0 ? [DEFAULT_MACHINE_TYPE] : types;
}

/** The fields that have a value: what is not set must not be sent, not even as zero. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
