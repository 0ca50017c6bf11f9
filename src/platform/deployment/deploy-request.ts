import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { UsageError } from "../../errors.ts";
import type { Check } from "../../settings/check.ts";
import {
  type AppAuth,
  AUTH_MODES,
  type DeployStrategy,
  RETRY_CONDITIONS,
  STRATEGIES,
} from "../../settings/app-values.ts";
import {
  type MachineSetting,
  settingsOf,
  type SettingsOf,
  type SettingValues,
} from "../../settings/settings.ts";
import { omitUndefined, pick } from "../../settings/defined-fields.ts";
import type { HealthCheckSettings } from "../../settings/health-check.ts";
import { aliasName, environmentField } from "../apps/alias-name.ts";
import { checked, choice, enumName, int32, int32Seconds } from "../apps/wire-values.ts";
import { deployMetadata, type DeployNotes } from "./deploy-metadata.ts";
import type { SyncedFile } from "../files/sync.ts";
import {
  ApplicationAuthMode,
  ApplicationHealthCheckConfig_Method,
  DeploymentStrategy,
  RetryCondition,
  type ApplicationHealthCheckConfigSchema,
  type BuildEnvironmentRequestSchema,
  type RegisterApplicationRequestSchema,
} from "../generated/controller_pb.ts";
import {
  buildRequirements,
  MACHINE_SETTINGS,
  machineRequirements,
  type MachineSettings,
} from "../apps/machine-requirements.ts";

/** Settings of a config that are not fields of the machine. */
export type AppFieldSetting = Exclude<SettingsOf<"config">, MachineSetting>;

/** The app to deploy: a container that listens on a port. The control plane chooses the values of omitted settings. */
export interface Deployment extends DeployNotes, SettingValues<AppFieldSetting> {
  /** The name of the app. */
  readonly appName: string;
  /** Default: the main environment. */
  readonly environment?: string | undefined;
  /** The image in the form of the protocol, as `ContainerImage.toDict()` returns it. */
  readonly image: Readonly<Record<string, unknown>>;
  readonly machine?: MachineSettings | undefined;
  /** Allowed callers. Default: unchanged; the owner for a new app. */
  readonly auth?: AppAuth | undefined;
  /** Default "rolling". */
  readonly strategy?: DeployStrategy | undefined;
  /**
   * Wait until the new runners have replaced the old ones; false returns after the registration. Only with the strategy
   * "rolling". Default: the control plane decides.
   */
  readonly attach?: boolean | undefined;
  /** Apply all of `machine`, replacing changes of the scale since the last deployment. Default false. */
  readonly resetScale?: boolean | undefined;
  readonly healthCheck?: HealthCheckSettings | undefined;
  /** Build all layers without the cache. Default false. */
  readonly noCache?: boolean | undefined;
}

const METHODS = {
  GET: ApplicationHealthCheckConfig_Method.GET,
  POST: ApplicationHealthCheckConfig_Method.POST,
} as const;

/** The two requests of a deployment. */
export interface DeployRequests {
  readonly build: MessageInitShape<typeof BuildEnvironmentRequestSchema>;
  readonly register: MessageInitShape<typeof RegisterApplicationRequestSchema>;
}

/**
 * The requests that build an image and register it as an app.
 * @param synced the files that the image is built from
 * @throws UsageError if the name, a setting or a note is invalid, or `attach` contradicts the strategy
 */
export function deployRequests(deployment: Deployment, synced: readonly SyncedFile[] = []): DeployRequests {
  const { machine = {}, environment, secrets, retryConfig, skipRetryConditions = [] } = deployment;
  if (deployment.attach !== undefined && deployment.strategy === "recreate") {
    throw new UsageError('There is nothing to attach to, or detach from, where the strategy is "recreate".');
  }
  const shared = {
    applicationName: aliasName(deployment.appName, environment),
    files: synced.map(({ hash, relativePath }) => ({ hash, relativePath })),
    ...environmentField(environment),
    ...(secrets === undefined ? {} : { secrets: { names: [...secrets] } }),
  };
  const container = { kind: "container", configuration: { image: imageOf(deployment) } };
  const metadata = deployMetadata(deployment);
  return {
    build: {
      ...shared,
      environments: [{ ...container, force: deployment.noCache ?? false }],
      machineRequirements: buildRequirements(machine),
    },
    register: {
      ...shared,
      // Without `force`: the image was just built, and must not be built again.
      environments: [container],
      machineRequirements: machineRequirements(machine),
      deploymentStrategy:
        DeploymentStrategy[enumName("strategy", STRATEGIES, deployment.strategy ?? "rolling")],
      scale: deployment.resetScale ?? false,
      buildEnvironment: false,
      skipRetryConditions: skipRetryConditions.map(
        (reason) => RetryCondition[enumName("skipRetryConditions", RETRY_CONDITIONS, reason)],
      ),
      dataMounts: [...(deployment.dataMounts ?? [])],
      ...omitUndefined({
        authMode:
          deployment.auth === undefined
            ? undefined
            : ApplicationAuthMode[enumName("auth", AUTH_MODES, deployment.auth)],
        metadata,
        healthCheckConfig: healthCheck(deployment.healthCheck),
        retryConfig: retryConfig === undefined ? undefined : retryText(retryConfig),
        terminationGracePeriodSeconds: optional(
          "terminationGracePeriodSeconds",
          int32Seconds,
          deployment.terminationGracePeriodSeconds,
        ),
        privateLogs: deployment.privateLogs,
        attachToDeployment: deployment.attach,
      }),
    },
  };
}

/** The settings of a class or a config as parts of a {@link Deployment}. */
export function deploymentSettings(
  settings: SettingValues<SettingsOf<"config">>,
): Pick<Deployment, "machine" | AppFieldSetting> {
  const machine: readonly string[] = MACHINE_SETTINGS;
  const others = settingsOf("config").filter((name): name is AppFieldSetting => !machine.includes(name));
  return { machine: pick(settings, MACHINE_SETTINGS), ...pick(settings, others) };
}

/** The image of a container without an agent of the platform, in the form of the protocol. */
export function imageOf({ image }: Pick<Deployment, "image">): JsonObject {
  const plain = JSON.parse(JSON.stringify(image)) as JsonObject;
  return {
    ...plain,
    // The path on this machine is private, and useless to the platform.
    ...("docker_context_dir" in plain ? { docker_context_dir: "." } : {}),
    // The platform must not start its own agent for functions in the container.
    use_isolate: false,
  };
}

/** The health check in the form of the protocol. @throws UsageError if a setting is invalid */
export function healthCheck(
  settings: HealthCheckSettings | undefined,
): MessageInitShape<typeof ApplicationHealthCheckConfigSchema> | undefined {
  if (settings === undefined) return undefined;
  const {
    path,
    method = "GET",
    startPeriodSeconds,
    timeoutSeconds,
    failureThreshold,
    callRegularly,
  } = settings;
  return {
    path,
    method: choice("The method of the health check", METHODS, method),
    ...omitUndefined({
      startPeriodSeconds: optional("startPeriodSeconds", int32Seconds, startPeriodSeconds),
      timeoutSeconds: optional("timeoutSeconds", int32Seconds, timeoutSeconds),
      failureThreshold: optional("failureThreshold", int32, failureThreshold),
      callRegularly,
    }),
  };
}

function optional(name: string, check: Check<number>, value: number | undefined): number | undefined {
  return value === undefined ? undefined : checked(name, check, value);
}

/** The settings as JSON with sorted keys, so that equal settings give equal texts. */
function retryText(config: Deployment["retryConfig"] & {}): string | undefined {
  const entries = Object.entries(config)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, { retries }]) => {
      enumName("retryConfig", RETRY_CONDITIONS, reason as (typeof RETRY_CONDITIONS)[number]);
      return [reason, { retries: checked("retries", int32, Math.max(0, retries)) }];
    });
  return entries.length === 0 ? undefined : JSON.stringify(Object.fromEntries(entries));
}
