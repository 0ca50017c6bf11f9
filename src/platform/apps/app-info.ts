import { appNameOf, MAIN_ENVIRONMENT } from "./alias-name.ts";
import type * as controller from "../generated/controller_pb.ts";
import { dateOf } from "../timestamps.ts";

/** Who may call an app: its owner, anybody, or anybody with a key, who then pays. */
export type AuthMode = "private" | "public" | "shared";

/** How an app scales. Times are in seconds; what is undefined, the control plane has not told. */
export interface AppScale {
  readonly minConcurrency: number;
  readonly maxConcurrency: number;
  readonly concurrencyBuffer: number | undefined;
  readonly concurrencyBufferPerc: number | undefined;
  readonly scalingDelay: number | undefined;
  readonly maxMultiplexing: number;
  readonly keepAlive: number;
  readonly requestTimeout: number | undefined;
  /** How long a request of the owner's may wait for a runner; no limit when 0 or undefined. */
  readonly requestStartTimeout?: number | undefined;
  readonly startupTimeout: number | undefined;
  readonly machineTypes: readonly string[];
  /** Where runners may be; anywhere when empty. */
  readonly regions: readonly string[];
  readonly activeRunners: number;
}

/** An app that is deployed. */
export interface AppInfo extends AppScale {
  readonly name: string;
  readonly environment: string;
  /** The revision that its name leads to. */
  readonly revision: string;
  readonly auth: AuthMode;
  /** Its runners are just being replaced. */
  readonly isRolling: boolean;
}

/** One state of an app, as it was deployed. */
export interface AppRevision extends AppScale {
  readonly revision: string;
  readonly environment: string;
  readonly createdAt: Date | undefined;
}

const AUTH_MODES: readonly AuthMode[] = ["private", "public", "shared"];

/** Reads an app of the protocol. */
export function appInfo(info: controller.AliasInfo): AppInfo {
  const environment = info.environmentName || MAIN_ENVIRONMENT;
  return {
    name: appNameOf(info.alias, environment),
    environment,
    revision: info.revision,
    auth: AUTH_MODES[info.authMode] ?? "private",
    ...scaleOf(info),
    isRolling: info.isRolling,
  };
}

/** Reads a revision of the protocol. */
export function appRevision(info: controller.ApplicationInfo): AppRevision {
  return {
    revision: info.applicationId,
    environment: info.environmentName || MAIN_ENVIRONMENT,
    ...scaleOf(info),
    createdAt: info.createdAt === undefined ? undefined : dateOf(info.createdAt),
  };
}

function scaleOf(info: controller.AliasInfo | controller.ApplicationInfo): AppScale {
  return {
    minConcurrency: info.minConcurrency,
    maxConcurrency: info.maxConcurrency,
    concurrencyBuffer: info.concurrencyBuffer,
    concurrencyBufferPerc: info.concurrencyBufferPerc,
    scalingDelay: info.scalingDelaySeconds,
    maxMultiplexing: info.maxMultiplexing,
    keepAlive: info.keepAlive,
    requestTimeout: info.requestTimeout,
    ...(info.requestStartTimeout === undefined ? {} : { requestStartTimeout: info.requestStartTimeout }),
    startupTimeout: info.startupTimeout,
    machineTypes: [...info.machineTypes],
    regions: [...info.validRegions],
    activeRunners: info.activeRunners,
  };
}
