import { MAIN_ENVIRONMENT } from "../../platform/apps/alias-name.ts";
import type { AppInfo, AppRevision, AppScale } from "../../platform/apps/app-info.ts";
import type { EnvironmentInfo } from "../../platform/account/environments.ts";
import type { KeyInfo } from "../../platform/account/keys.ts";
import type { SecretInfo } from "../../platform/account/secrets.ts";
import { settingsOf } from "../../settings/settings.ts";
import type { RunnerInfo } from "../../platform/runners/runner-info.ts";

/**
 * Results with the JSON keys of fal's own command line, for `--output json`. As there, times have Python's format, and
 * amounts that the control plane did not send are 0.
 * @module
 */

type Json = Readonly<Record<string, unknown>>;

/** `fal apps list`. */
export function appsJson(apps: readonly AppInfo[]): Json {
  return {
    apps: apps.map((info) => ({
      alias: info.environment === MAIN_ENVIRONMENT ? info.name : `${info.name}--${info.environment}`,
      revision: info.revision,
      auth_mode: info.auth,
      ...scaleJson(info),
      environment_name: info.environment,
    })),
  };
}

/** The revisions of an app. fal's own command line prints these only as a table. */
export function revisionsJson(revisions: readonly AppRevision[]): Json {
  return {
    applications: revisions.map((info) => ({
      application_id: info.revision,
      ...scaleJson(info),
      created_at: pythonTime(info.createdAt),
      environment_name: info.environment,
    })),
  };
}

/** `fal runners list` and `fal apps runners`. */
export function runnersJson(runners: readonly RunnerInfo[]): Json {
  return {
    runners: runners.map((info) => ({
      alias: info.alias,
      machine_type: info.machineType,
      runner_id: info.runnerId,
      in_flight_requests: info.inFlightRequests,
      expiration_countdown: info.expirationCountdown ?? null,
      uptime_seconds: Math.trunc(info.uptime),
      revision: info.revision,
      state: info.state,
      replacement: info.replacement,
    })),
  };
}

/** `fal keys list`. */
export function keysJson(keys: readonly KeyInfo[]): Json {
  return {
    keys: keys.map(({ keyId, createdAt, scope, description }) => ({
      key_id: keyId,
      created_at: pythonTime(createdAt),
      scope: scope ?? null,
      description: description ?? "",
    })),
  };
}

/** `fal secrets list`. */
export function secretsJson(secrets: readonly SecretInfo[]): Json {
  return {
    secrets: secrets.map(({ name, environment, createdAt, defaultExposed }) => ({
      name,
      environment: environment ?? "",
      created_at: pythonTime(createdAt),
      default_exposed: defaultExposed ?? null,
    })),
  };
}

/** `fal environments list`. */
export function environmentsJson(environments: readonly EnvironmentInfo[]): Json {
  return {
    environments: environments.map(({ name, description, isDefault, createdAt }) => ({
      name,
      description: description ?? null,
      is_default: isDefault,
      created_at: pythonTime(createdAt),
    })),
  };
}

function scaleJson(info: AppScale): Json {
  const settings = settingsOf("scale").map((name) => {
    const original = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [original, info[name] ?? (name === "requestStartTimeout" ? null : 0)] as const;
  });
  return {
    ...Object.fromEntries(settings),
    active_runners: info.activeRunners,
    machine_types: info.machineTypes,
    valid_regions: info.regions,
  };
}

/** `2026-01-31 12:00:00+00:00`, with microseconds unless they are 0. */
function pythonTime(time: Date | undefined): string | null {
  if (time === undefined) return null;
  const [date = "", clock = ""] = time.toISOString().slice(0, -1).split("T");
  const [seconds = "", milliseconds = "000"] = clock.split(".");
  return `${date} ${seconds}${milliseconds === "000" ? "" : `.${milliseconds}000`}+00:00`;
}
