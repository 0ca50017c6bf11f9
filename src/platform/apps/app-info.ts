import { appNameOf, MAIN_ENVIRONMENT } from "./alias-name.ts";
import type * as controller from "../generated/controller_pb.ts";
import { AUTH_MODES, type AppAuth } from "../../settings/app-values.ts";
import { SETTINGS, settingsOf, type SettingsOf } from "../../settings/settings.ts";
import { dateOf } from "../timestamps.ts";

/** Settings that every control plane reports. */
type Reported = "minConcurrency" | "maxConcurrency" | "maxMultiplexing" | "keepAlive";

/** How an app scales. Times are in seconds. A setting is undefined if the control plane did not report it. */
export interface AppScale
  extends
    Readonly<Record<Reported, number>>,
    Readonly<Record<Exclude<SettingsOf<"scale">, Reported | "requestStartTimeout">, number | undefined>> {
  /** Maximum time a request of the owner waits for a runner; no limit if 0 or undefined. */
  readonly requestStartTimeout?: number | undefined;
  readonly machineTypes: readonly string[];
  /** Regions where runners may be; any region if the list is empty. */
  readonly regions: readonly string[];
  readonly activeRunners: number;
}

/** An app that is deployed. */
export interface AppInfo extends AppScale {
  readonly name: string;
  readonly environment: string;
  /** The current revision of the app. */
  readonly revision: string;
  readonly auth: AppAuth;
  /** Whether its runners are being replaced at the moment. */
  readonly isRolling: boolean;
}

/** A revision of an app: the result of one deployment. */
export interface AppRevision extends AppScale {
  readonly revision: string;
  readonly environment: string;
  readonly createdAt: Date | undefined;
}

/** Converts an app of the protocol. */
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

/** Converts a revision of the protocol. */
export function appRevision(info: controller.ApplicationInfo): AppRevision {
  return {
    revision: info.applicationId,
    environment: info.environmentName || MAIN_ENVIRONMENT,
    ...scaleOf(info),
    createdAt: info.createdAt === undefined ? undefined : dateOf(info.createdAt),
  };
}

function scaleOf(info: controller.AliasInfo | controller.ApplicationInfo): AppScale {
  const entries = settingsOf("scale").map((name) => [name, info[SETTINGS[name].wire]] as const);
  const present = entries.filter(([name, value]) => value !== undefined || name !== "requestStartTimeout");
  return {
    // AppScale is derived from the same rows of settings, which the compiler can't follow through entries.
    ...(Object.fromEntries(present) as unknown as AppScale),
    machineTypes: [...info.machineTypes],
    regions: [...info.validRegions],
    activeRunners: info.activeRunners,
  };
}
