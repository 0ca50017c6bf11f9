import { Code, ConnectError } from "@connectrpc/connect";
import type { JsonObject } from "@bufbuild/protobuf";
import type { EnvironmentDefinition } from "../../platform/generated/server_pb.ts";
import {
  ApplicationHealthCheckConfig_Method,
  RetryCondition as WireRetryCondition,
  type ApplicationHealthCheckConfig,
  type MachineRequirements,
  type RegisterApplicationRequest,
} from "../../platform/generated/controller_pb.ts";
import type { Engine } from "../engines/engine.ts";
import { NoEngine } from "../engines/engines.ts";
import type { Scale } from "../state/apps.ts";
import { FileStore } from "../state/files.ts";
import type {
  CodeSettings,
  Definition,
  DeployedFile,
  HealthCheck,
  RetryCondition,
} from "../state/revisions.ts";
import { sealImage } from "../state/image-secrets.ts";
import type { ControlServiceParts } from "./service-parts.ts";

/** Values that the wire leaves out: the contract's defaults. */
const DEFAULTS = {
  startupTimeout: 600,
  gracePeriod: 5,
  startPeriod: 30,
  healthTimeout: 5,
  failureThreshold: 3,
} as const;

const RETRY_CONDITIONS: Readonly<Record<WireRetryCondition, RetryCondition | undefined>> = {
  [WireRetryCondition.TIMEOUT]: "timeout",
  [WireRetryCondition.CLIENT_ERROR]: undefined,
  [WireRetryCondition.SERVER_ERROR]: "server_error",
  [WireRetryCondition.CONNECTION_ERROR]: "connection_error",
};

/** The image of a deployment. @throws ConnectError for what needs an agent in Python, and for anything but one container */
export function imageOf(environments: readonly EnvironmentDefinition[]): JsonObject {
  const [environment, ...others] = environments;
  if (environment === undefined || others.length > 0) {
    throw new ConnectError("A deployment has exactly one environment.", Code.InvalidArgument);
  }
  if (environment.kind !== "container") {
    throw new ConnectError(
      `This platform runs containers and apps of servable, not environments of kind "${environment.kind}": they need an agent in Python. Deploy an image, or a Dockerfile.`,
      Code.Unimplemented,
    );
  }
  const image = (environment.configuration as JsonObject | undefined)?.["image"];
  if (typeof image !== "object" || image === null || Array.isArray(image)) {
    throw new ConnectError("The container has no image.", Code.InvalidArgument);
  }
  return image;
}

/**
 * The engine that runs an image.
 * @throws ConnectError if there is none, or the machine is too small for a runner
 */
export async function engineFor(
  { engines, machine, machineTypes }: Pick<ControlServiceParts, "engines" | "machine" | "machineTypes">,
  what: string,
  image: Definition["image"],
  requirements: MachineRequirements | undefined,
): Promise<Engine> {
  const refused = (reason: string): ConnectError =>
    new ConnectError(`This app can't be ${what} here: ${reason}.`, Code.FailedPrecondition);
  const need = machineTypes.needOf(codeSettingsOf(requirements).machineTypes, requirements?.numGpus ?? 0);
  const refusal = machine.refusal(need);
  if (refusal !== undefined) throw refused(refusal);
  try {
    return await engines.engineFor(image);
  } catch (error) {
    throw error instanceof NoEngine ? refused(error.message) : error;
  }
}

/** The fields of a deployment and of a run that define what runs. */
type DefinedFields = Pick<
  RegisterApplicationRequest,
  | "callable"
  | "setupFunc"
  | "environments"
  | "machineRequirements"
  | "healthCheckConfig"
  | "secrets"
  | "dataMounts"
  | "volumes"
  | "files"
> &
  Partial<
    Pick<
      RegisterApplicationRequest,
      "terminationGracePeriodSeconds" | "skipRetryConditions" | "retryConfig" | "privateLogs" | "metadata"
    >
  >;

/** The definition in a request. @throws ConnectError that names what is wrong */
export function definitionOf(
  request: DefinedFields,
  { files, secrets: box }: Pick<ControlServiceParts, "files" | "secrets">,
): Definition {
  if (request.callable.case !== undefined || request.setupFunc !== undefined) {
    throw new ConnectError(
      "This platform can't run functions of Python: they need an agent in Python. Deploy a container that listens on a port.",
      Code.Unimplemented,
    );
  }
  const { machineRequirements: machine, healthCheckConfig, secrets, metadata } = request;
  if (request.volumes.length > 0) throw new ConnectError("This platform has no volumes.", Code.Unimplemented);
  if (request.dataMounts.length > 0) {
    throw new ConnectError("This platform has no shared volumes: leave dataMounts out.", Code.Unimplemented);
  }
  return {
    image: sealImage(box, imageOf(request.environments)),
    files: filesOf(request.files, files),
    exposedPort: machine?.exposedPort,
    metricsPort: machine?.metricsPort,
    healthCheck:
      healthCheckConfig === undefined
        ? undefined
        : healthCheckOf(healthCheckConfig, machine?.startupTimeout ?? DEFAULTS.startupTimeout),
    secrets: secrets?.names,
    numGpus: machine?.numGpus ?? 0,
    gracePeriodSeconds: request.terminationGracePeriodSeconds ?? DEFAULTS.gracePeriod,
    skipRetryConditions: (request.skipRetryConditions ?? []).flatMap((each) => RETRY_CONDITIONS[each] ?? []),
    retryConfig: request.retryConfig,
    hasPrivateLogs: request.privateLogs ?? false,
    metadata: metadata as JsonObject | undefined,
  };
}

/** The settings that come with the code. */
export function codeSettingsOf(machine: MachineRequirements | undefined): CodeSettings {
  const { machineTypes = [], machineType } = machine ?? {};
  return {
    machineTypes: machineTypes.length > 0 ? machineTypes : [machineType ?? "XS"],
    maxMultiplexing: Math.max(1, machine?.maxMultiplexing ?? 1),
    startupTimeoutSeconds: machine?.startupTimeout ?? DEFAULTS.startupTimeout,
  };
}

/** The fields of the protocol that are settings of an app's scale. */
export type ScaleField =
  | "keepAlive"
  | "minConcurrency"
  | "maxConcurrency"
  | "concurrencyBuffer"
  | "concurrencyBufferPerc"
  | "scalingDelaySeconds"
  | "requestTimeout"
  | "requestStartTimeout"
  | "validRegions";

/** The scale with the values of a request in it. Values that the request leaves out stay. */
export function scaleWith(scale: Scale, changes: Partial<Pick<MachineRequirements, ScaleField>>): Scale {
  const { validRegions: regions = [] } = changes;
  const changed: Scale = {
    keepAliveSeconds: changes.keepAlive ?? scale.keepAliveSeconds,
    minConcurrency: changes.minConcurrency ?? scale.minConcurrency,
    maxConcurrency: changes.maxConcurrency ?? scale.maxConcurrency,
    concurrencyBuffer: changes.concurrencyBuffer ?? scale.concurrencyBuffer,
    concurrencyBufferPercent: changes.concurrencyBufferPerc ?? scale.concurrencyBufferPercent,
    scalingDelaySeconds: changes.scalingDelaySeconds ?? scale.scalingDelaySeconds,
    requestTimeoutSeconds: changes.requestTimeout ?? scale.requestTimeoutSeconds,
    requestStartTimeoutSeconds: changes.requestStartTimeout ?? scale.requestStartTimeoutSeconds,
    regions: regions.length > 0 ? regions : scale.regions,
  };
  for (const [name, value] of Object.entries(changed)) {
    if (typeof value === "number" && value < 0) {
      throw new ConnectError(`${name} can't be negative (${value}).`, Code.InvalidArgument);
    }
  }
  if (changed.minConcurrency > changed.maxConcurrency) {
    throw new ConnectError(
      `minConcurrency (${changed.minConcurrency}) is above maxConcurrency (${changed.maxConcurrency}).`,
      Code.InvalidArgument,
    );
  }
  return changed;
}

function healthCheckOf(config: ApplicationHealthCheckConfig, startupTimeout: number): HealthCheck {
  if (!config.path.startsWith("/")) {
    throw new ConnectError(
      `The path of the health check has to begin with "/": ${config.path}`,
      Code.InvalidArgument,
    );
  }
  return {
    path: config.path,
    method: config.method === ApplicationHealthCheckConfig_Method.POST ? "POST" : "GET",
    startPeriodSeconds: Math.max(config.startPeriodSeconds ?? DEFAULTS.startPeriod, startupTimeout),
    timeoutSeconds: config.timeoutSeconds ?? DEFAULTS.healthTimeout,
    failureThreshold: config.failureThreshold ?? DEFAULTS.failureThreshold,
    callsRegularly: config.callRegularly ?? true,
    isAllowedOnBusy: config.allowOnBusy ?? false,
  };
}

/** The files of a request. @throws ConnectError for a path that leads elsewhere, and for content that was not uploaded */
export function filesOf(
  files: RegisterApplicationRequest["files"],
  store: FileStore,
): readonly DeployedFile[] {
  return files.map(({ hash, relativePath }) => fileOf(hash, relativePath, store));
}

/** Paths come from the wire: they must stay in the folder of the revision, and their content must be there. */
function fileOf(hash: string, path: string, files: FileStore): DeployedFile {
  const segments = path.split("/");
  const isInside =
    path !== "" && !/^\/|\\|\0/.test(path) && segments.every((segment) => !["", ".", ".."].includes(segment));
  if (!isInside)
    throw new ConnectError(
      `The path ${JSON.stringify(path)} is not one of a file in the app.`,
      Code.InvalidArgument,
    );
  if (!FileStore.isHash(hash) || !files.has(hash)) {
    throw new ConnectError(`The content of ${path} was not uploaded.`, Code.FailedPrecondition);
  }
  return { hash, path };
}
